# SPDX-License-Identifier: GPL-2.0-or-later
"""What outlives an upgrade has loaded all of its version that it may ever need, and a removal waits
for what has not."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from pmkvm import outlast, process
from tests import tree

if TYPE_CHECKING:
    from pathlib import Path

OURS = tree.read(tree.ROOT)

LOADS = """\
import sys
sys.path[:0] = [{root!r}]
import {module}
from pmkvm import whole
whole.load()
print(*sorted(sys.modules))
"""


def closure(module: str) -> set[str]:
    """All of ours that it imports, at once or in a function, and what these import in turn. Not the
    other actions of an agent, which it names by lazy()."""
    found: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in OURS and name not in found:
            found.add(name)
            waiting += OURS[name].imports
    return found


def loaded(module: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-I", "-c", LOADS.format(root=str(tree.ROOT), module=module)],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "module",
    [
        "agents.virtual_domain.actions.start",
        "agents.virtual_domain.actions.stop",
        "agents.virtual_domain.actions.migrate_to",
        "agents.virtual_domain.actions.migrate_from",
        "agents.vm_anything.stop",
        "daemons.diskd.main",
        "daemons.vm_connectd.main",
        "daemons.vm_stonithd.main",
    ],
)
def test_what_lasts_has_loaded_all_that_it_may_need(module: str) -> None:
    assert closure(module) - loaded(module) == set()


def test_a_loader_that_fails_leaves_the_error_to_who_needs_the_module(tmp_path: Path) -> None:
    for name, text in {
        "__init__": "",
        "broken": "import no_such_library",
        "late": "from agents import also",
        "also": "",
        "first": "def f():\n from agents import broken\n\ndef g():\n from agents import late\n",
    }.items():
        (tmp_path / "agents").mkdir(exist_ok=True)
        (tmp_path / "agents" / f"{name}.py").write_text(text, encoding="utf-8")
    code = LOADS.format(root=str(tree.ROOT), module="agents.first")
    code = code.replace("[:0] = [", f"[:0] = [{str(tmp_path)!r}, ")
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert {"agents.late", "agents.also"} <= set(done.stdout.split())


def test_an_action_that_lasts_is_one_that_changes_something() -> None:
    from agents.virtual_domain import agent

    text = (tree.ROOT / "agents" / "virtual_domain" / "agent.py").read_text(encoding="utf-8")
    lasting = {line.split(" ")[0] for line in text.splitlines() if "lasts=True" in line}
    assert lasting == {"_start", "_stop", "_migrate_to", "_migrate_from"}
    assert agent.AGENT.name == "VirtualDomain"


@pytest.fixture
def no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests of this machine run programs of ours, too."""
    before = {process.life_of(pid) for pid in map(int, pids())}
    young = outlast.young
    monkeypatch.setattr(outlast, "young", lambda: [x for x in young() if x not in before])


def pids() -> list[str]:
    from pathlib import Path

    return [path.name for path in Path("/proc").iterdir() if path.name.isdecimal()]


def python(options: str, code: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, options, "-c", code], stdin=subprocess.DEVNULL)


def seen(child: subprocess.Popen[bytes]) -> bool:
    """Whether it counts; asked until the kernel shows what it executes."""
    give_up = time.monotonic() + 60
    while time.monotonic() < give_up:
        with open(f"/proc/{child.pid}/cmdline", "rb") as file:
            if b"sleep" in file.read():
                return child.pid in [life.pid for life in outlast.young()]
        time.sleep(0.01)
    raise AssertionError("it does not run")


@pytest.mark.parametrize(("options", "is_ours"), [("-IS", True), ("-I", False)])
def test_a_program_of_ours_is_known_by_its_options(options: str, *, is_ours: bool) -> None:
    with python(options, "import time; time.sleep(60)") as child:
        try:
            assert seen(child) == is_ours
        finally:
            child.kill()


@pytest.mark.usefixtures("no_others")
def test_a_removal_waits_until_a_young_program_has_ended() -> None:
    with python("-IS", "input() if 0 else __import__('time').sleep(0.5)") as child:
        assert seen(child)
        assert outlast.wait()
        assert child.poll() is not None or process.is_zombie(child.pid)


@pytest.mark.usefixtures("no_others")
def test_a_removal_does_not_wait_for_what_has_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "age_s", lambda _life: outlast.SETTLED_S)
    with python("-IS", "import time; time.sleep(60)") as child:
        try:
            assert not seen(child)
            assert outlast.wait()
            assert child.poll() is None
        finally:
            child.kill()


@pytest.mark.usefixtures("no_others")
def test_a_removal_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "age_s", lambda _life: 0.0)
    monkeypatch.setattr(outlast, "SETTLED_S", 0.2)
    with python("-IS", "import time; time.sleep(60)") as child:
        try:
            assert seen(child)
            assert not outlast.wait()
        finally:
            child.kill()
