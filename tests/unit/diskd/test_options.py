# SPDX-License-Identifier: GPL-2.0-or-later
"""diskd's command line of 2011."""

from __future__ import annotations

import os

import pytest

from daemons.diskd import main, options
from daemons.diskd.verdict import Pace
from pmkvm import settings
from tests.impostor import NOBODY


def test_defaults_are_those_of_2011() -> None:
    chosen = options.parse(["-N", "/dev/sda"])
    assert chosen.kind == "serve"
    assert (chosen.attribute, chosen.dampen) == ("diskd", "0")
    assert chosen.pace == Pace(30, 60, 1, 5)
    assert [each[:2] for each in chosen.targets] == [("/dev/sda", False)]
    assert chosen.socket == f"{settings.RUN_DIR}/diskd/diskd.sock"
    assert not chosen.is_old_style


def test_what_the_agent_of_2011_gives_is_taken() -> None:
    text = "-D -N /dev/sda -a diskcheck_status -i 10 -p /run/d.pid -m 5s -e -t 30 -r 0 -I 1"
    chosen = options.parse(text.split())
    assert (chosen.attribute, chosen.dampen) == ("diskcheck_status", "5s")
    assert chosen.pace == Pace(10, 30, 0, 1)
    assert chosen.is_old_style


def test_several_disks_have_a_lock_each() -> None:
    chosen = options.parse(["-N", "/dev/sda", "-N", "/dev/a/b", "-N", "/dev/sda"])
    assert [each.path for each in chosen.targets] == ["/dev/sda", "/dev/a/b"]
    locks = [each.lock for each in chosen.targets]
    assert locks[1] == f"{settings.RUN_DIR}/diskd/diskd-%2Fdev%2Fa%2Fb.lock"
    assert len(set(locks)) == 2


def test_files_of_two_attributes_do_not_collide() -> None:
    paths = {options.parse(["-w", "-a", name]).targets[0].path for name in ("a", "b")}
    assert paths == {"/tmp/diskcheck-a", "/tmp/diskcheck-b"}
    (target,) = options.parse(["-w", "-d", "/mnt"]).targets
    assert target[:2] == ("/mnt/diskcheck-diskd", True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "either -N or -w"),
        ("-N /dev/sda -w", "either -N or -w"),
        ("-N sda", "no absolute path"),
        ("-w -d here", "no absolute path"),
        ("-N /dev/sda -i 0", "1 to 3600"),
        ("-N /dev/sda -i 3601", "1 to 3600"),
        ("-N /dev/sda -t 601", "1 to 600"),
        ("-N /dev/sda -r 11", "0 to 10"),
        ("-N /dev/sda -I 0", "1 to 3600"),
        ("-N /dev/sda -i ten", "1 to 3600"),
        ("-N /dev/sda -a a/b", "60 letters"),
        ("-N /dev/sda -m soon", "no time"),
        ("-N /dev/sda --no-such", "unrecognized"),
        ("-N /dev/sda more", "unrecognized"),
    ],
)
def test_what_is_no_command_line_ends_with_1(
    text: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main([*text.split(), "--validate"])
    assert ended.value.code == 1
    assert said in capsys.readouterr().err.splitlines()[-1]


def test_a_command_line_can_be_asked_about() -> None:
    assert main.main(["-N", "/dev/sda", "--validate"]) == 0


def test_only_root_checks_disks(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: NOBODY)
    assert main.main(["-N", "/dev/sda"]) == 1
    assert "only root" in capsys.readouterr().err


def test_a_diskd_that_does_not_run_has_no_status(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["--status", "-a", "none", "--socket", "/nowhere/s"]) == 1
    assert "diskd does not run" in capsys.readouterr().err
