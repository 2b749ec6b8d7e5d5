# SPDX-License-Identifier: GPL-2.0-or-later
"""vm-managerd's command line, and what is wrong with its rules."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from daemons.vm_managerd import options
from pmkvm.run import run
from tests import tree
from tests.unit.waiting import WAIT_S

if TYPE_CHECKING:
    from pathlib import Path


def test_options_of_2011() -> None:
    found = options.parse(
        ["-D", "-p", "/run/x.pid", "-c", "/etc/x.conf", "-n", "operator_check_status", "-v", "ok"]
    )
    assert (found.rules, found.pair) == ("/etc/x.conf", ("operator_check_status", "ok"))
    assert found.is_old_style
    assert options.parse([]).rules == "/etc/vm-manager.conf"
    assert options.parse([]).pair is None


@pytest.mark.parametrize(
    "argv",
    [["-n", "a"], ["-v", "a"], ["-n", "a b", "-v", "x"], ["-n", "a", "-v", "\n"], ["stray"]],
)
def test_what_is_no_command_line(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        options.parse(argv)
    assert ended.value.code == 1
    assert "vm-managerd: " in capsys.readouterr().err


@pytest.mark.parametrize("text", [None, b"[a]\nred = is 1\n", b"\xff"])
def test_rules_that_can_not_be_read_end_it_with_1_and_the_file(
    tmp_path: Path, text: bytes | None
) -> None:
    path = tmp_path / "vm-manager.conf"
    if text is not None:
        path.write_bytes(text)
    argv = [sys.executable, "-B", "-m", "daemons.vm_managerd.main", "-c", str(path)]
    argv += ["--socket", str(tmp_path / "s")]
    done = run(argv, timeout_s=WAIT_S, environment={"PYTHONPATH": str(tree.ROOT)})
    assert done.rc == 1
    (line,) = done.err.strip().splitlines()
    assert f"error: {path}: " in line
