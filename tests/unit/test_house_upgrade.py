# SPDX-License-Identifier: GPL-2.0-or-later
"""An upgrade, and a downgrade, while programs run: no process loads modules of two versions.

Two builds are laid down as rpm does it: modules of the one, its programs, and at the end the
modules of the other go. The builds differ in a name that nearly every module of an agent imports.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pmkvm import outlast, settings
from tests import tree

if TYPE_CHECKING:
    from collections.abc import Callable

AGENT = "usr/lib/ocf/resource.d/extra/VirtualDomain"
SOURCES = ("rpm", "pmkvm", "agents", "stonith", "daemons", "vmctl", "doc")
VERSIONS = settings.PRIVATE_DIR.lstrip("/")
AT_ONCE = 3
TRANSACTIONS = 3

LASTS = """\
import sys
sys.path.insert(0, {modules!r})
import agents.virtual_domain.actions.migrate_to as migrate_to
from pmkvm import whole
whole.load()
print("loaded", flush=True)
input()
from agents.virtual_domain.options import snapshot
from pmkvm.virt import managed_save
print(migrate_to.__file__)
"""


def build(source: Path, target: Path, root: Path, release: str) -> Path:
    """What `make install` makes of a source, for its place below root."""
    subprocess.run(
        [
            *(sys.executable, "-B", str(source / "rpm" / "install.py"), f"--destdir={target}"),
            *(f"--python={sys.executable}", f"--root={root}", f"--release={release}"),
        ],
        check=True,
        timeout=120,
    )
    return target


@pytest.fixture(scope="module")
def builds(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """Where they are installed, and two of them."""
    work = tmp_path_factory.mktemp("builds")
    other = work / "source"
    for name in SOURCES:
        shutil.copytree(tree.ROOT / name, other / name)
    for path in other.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace("OcfCode", "OcfNumber"), encoding="utf-8")
    root = work / "root"
    return (
        root,
        build(tree.ROOT, work / "1", root, "1"),
        build(other, work / "2", root, "2"),
    )


def add(build: Path, root: Path, *, is_module: bool) -> None:
    """As rpm writes a file: under another name, renamed to its own."""
    for path in sorted(build.rglob("*")):
        relative = path.relative_to(build)
        if path.is_file() and relative.is_relative_to(VERSIONS) == is_module:
            target = root / relative
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, f"{target};new")
            os.replace(f"{target};new", target)


def replace(old: Path, new: Path, root: Path, wait: Callable[[], bool]) -> None:
    """One transaction: -common is what all others require, so it comes first and goes last."""
    add(new, root, is_module=True)
    add(new, root, is_module=False)
    assert wait()
    for path in sorted((old / VERSIONS).rglob("*"), reverse=True):
        gone = root / path.relative_to(old)
        gone.unlink() if path.is_file() else gone.rmdir()


@pytest.fixture
def wait(monkeypatch: pytest.MonkeyPatch, builds: tuple[Path, Path, Path]) -> Callable[[], bool]:
    """As %preun does, for programs below the root alone: this machine has others."""
    is_ours = outlast._is_ours

    def is_here(pid: int) -> bool:
        try:
            return is_ours(pid) and str(builds[0]) in Path(f"/proc/{pid}/cmdline").read_text()
        except OSError:
            return False

    monkeypatch.setattr(outlast, "_is_ours", is_here)
    return outlast.wait


class Calls:
    """The agent, called again and again."""

    def __init__(self, program: Path) -> None:
        self._argv = [str(program), "usage"]
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=self._call) for _ in range(AT_ONCE)]
        self.ended: list[tuple[int, str]] = []

    def __enter__(self) -> Calls:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()

    def _call(self) -> None:
        while not self._is_over.is_set():
            done = subprocess.run(
                self._argv, capture_output=True, text=True, timeout=120, check=False
            )
            self.ended.append((done.returncode, done.stderr))

    def wait_for_more(self) -> None:
        """Some calls that began later than this."""
        wanted = len(self.ended) + 2 * AT_ONCE
        while len(self.ended) < wanted and any(thread.is_alive() for thread in self._threads):
            self._is_over.wait(0.01)


def test_no_call_meets_modules_of_two_versions(
    builds: tuple[Path, Path, Path], wait: Callable[[], bool]
) -> None:
    root, old, new = builds
    add(old, root, is_module=True)
    add(old, root, is_module=False)
    with Calls(root / AGENT) as calls:
        for _ in range(TRANSACTIONS):
            replace(old, new, root, wait)
            calls.wait_for_more()
            replace(new, old, root, wait)
            calls.wait_for_more()
    assert [each for each in calls.ended if each[0] != 0] == []
    assert len(calls.ended) >= 2 * AT_ONCE * TRANSACTIONS
    shutil.rmtree(root)


def test_what_lasts_needs_no_file_of_its_version_any_more(
    builds: tuple[Path, Path, Path], wait: Callable[[], bool]
) -> None:
    root, old, new = builds
    add(old, root, is_module=True)
    (modules,) = (root / VERSIONS).iterdir()
    with subprocess.Popen(
        [sys.executable, "-I", "-c", LASTS.format(modules=str(modules))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "loaded\n"
        replace(old, new, root, wait)
        assert not modules.exists()
        out, _ = child.communicate("\n", timeout=120)
        assert child.returncode == 0
        assert str(modules) in out
    shutil.rmtree(root)
