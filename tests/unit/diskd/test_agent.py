# SPDX-License-Identifier: GPL-2.0-or-later
"""The agent as Pacemaker calls it, with a real diskd and an attrd that notes what it is told."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agents.diskd import daemon
from pmkvm import settings
from tests.unit.waiting import eventually

if TYPE_CHECKING:
    from tests.unit.diskd.world import World

# As on the slides of 2011.
SLIDES = {"name": "diskcheck_status", "interval": "10"}
DELETED = "--name=diskcheck_status --delete"


def start(world: World, **parameters: str) -> int:
    """As on the slides but for these; the pid of diskd."""
    called = world.act("start", **{**SLIDES, **parameters})
    assert called.rc == 0, called.err
    return int(pid_file().read_text().split()[0])


def pid_file() -> Path:
    return Path(settings.RUN_DIR, "anything", "diskCheck1.pid")


def test_the_slides_configuration_runs_from_start_to_stop(world: World) -> None:
    assert world.act("monitor", **SLIDES, CRM_meta_interval="0").rc == 7
    start(world)
    # The attribute is there when the start is over.
    assert world.told() == ["--name=diskcheck_status --update-both=normal --delay=0"]
    assert world.act("start", **SLIDES).rc == 0
    for interval in ("0", "10000"):
        assert world.act("monitor", **SLIDES, CRM_meta_interval=interval).rc == 0
    status = world.status("diskcheck_status")
    assert (status["value"], status["failures"], status["reasons"]) == ("normal", [], "")
    stopped = world.act("stop", **SLIDES)
    assert stopped.rc == 0, stopped.err
    eventually("nobody is left", lambda: not world.processes())
    assert world.told()[-1] == DELETED
    assert world.act("monitor", **SLIDES, CRM_meta_interval="10000").rc == 7
    assert world.act("stop", **SLIDES).rc == 0


def test_a_bad_disk_is_an_error_of_the_disk_and_not_of_diskd(world: World) -> None:
    missing = str(world.path("missing"))
    start(world, device=missing, interval="1", options="-r 0")
    assert world.value("diskcheck_status") == "ERROR"
    assert world.act("monitor", **SLIDES, device=missing).rc == 0
    Path(missing).write_bytes(bytes(8192))
    eventually("it is normal", lambda: world.value("diskcheck_status") == "normal")


def test_one_of_several_disks_is_enough(world: World) -> None:
    second = world.path("second")
    second.write_bytes(bytes(8192))
    start(world, device=f"{world.disk} {second}", interval="1", options="-r 0")
    assert world.value("diskcheck_status") == "normal"
    second.unlink()
    eventually("it is bad", lambda: world.value("diskcheck_status") == "ERROR")
    reasons = world.status("diskcheck_status")["reasons"]
    assert reasons == f"{second}: No such file or directory"


def test_a_file_is_written_and_none_is_left(world: World) -> None:
    directory = world.path("written")
    directory.mkdir()
    start(world, write_dir=str(directory))
    assert world.value("diskcheck_status") == "normal"
    assert list(directory.iterdir()) == []


def test_a_disk_that_hangs_is_an_error_and_nobody_waits_for_it(world: World) -> None:
    start(world, interval="1", options="-t 1 -r 0")
    with world.file("stall"):
        eventually("it is bad", lambda: world.value("diskcheck_status") == "ERROR")
        assert "it hangs: " in world.status("diskcheck_status")["reasons"]
        assert world.act("monitor", **SLIDES).rc == 0
        assert world.act("stop", **SLIDES).rc == 0
        assert world.told()[-1] == DELETED
        # One that is stopped lets itself be killed; the kernel's own wait is in tests/tools.
        eventually("nobody is left", lambda: not world.processes())


def test_a_disk_that_hangs_from_the_beginning_holds_no_start(world: World) -> None:
    world.write_program(first_s=0.5)
    with world.file("stall"):
        start(world)
        assert world.value("diskcheck_status") == "ERROR"
        assert world.act("monitor", **SLIDES).rc == 0
        assert world.act("stop", **SLIDES).rc == 0


def test_a_pid_is_not_enough(world: World) -> None:
    pid = start(world)
    os.kill(pid, signal.SIGSTOP)
    called = world.act("monitor", CRM_meta_timeout="3000", **SLIDES)
    assert called.fails(1, "diskd does not answer")
    os.kill(pid, signal.SIGCONT)
    assert world.act("monitor", **SLIDES).rc == 0


def test_a_stop_ends_one_that_does_not_answer(world: World) -> None:
    os.kill(start(world), signal.SIGSTOP)
    assert world.act("stop", CRM_meta_timeout="6000", **SLIDES).rc == 0
    eventually("nobody is left", lambda: not world.processes())


def test_one_that_was_killed_is_not_running(world: World) -> None:
    os.kill(start(world), signal.SIGKILL)
    eventually("it is dead", lambda: world.act("monitor", **SLIDES).rc == 7)
    # Its child has gone with it.
    eventually("nobody is left", lambda: not world.processes())
    start(world)


def test_what_diskd_calls_a_failure_fails_the_monitor(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(world)
    said = ["attribute diskcheck_status is not set: attrd hangs"]
    monkeypatch.setattr(daemon, "failures", lambda *_: said)
    assert world.act("monitor", **SLIDES).outcome == (1, f"diskd: {said[0]}")


def test_without_an_attrd_a_start_fails_and_leaves_nothing(world: World) -> None:
    with world.file("down"):
        called = world.act("start", CRM_meta_timeout="8000", **SLIDES)
        assert called.rc == 1, called.err
        assert world.act("stop", **SLIDES).says(0, "is not deleted")
    eventually("nobody is left", lambda: not world.processes())


def test_an_attrd_that_lost_it_gets_it_again(world: World) -> None:
    world.write_program(repeat_s=0.3)
    start(world)
    world.path("told").unlink()
    eventually("it is told", lambda: world.value("diskcheck_status") == "normal")


def test_an_attrd_that_hangs_holds_no_monitor_and_no_stop_past_its_time(world: World) -> None:
    start(world)
    with world.file("hang"):
        assert world.act("monitor", **SLIDES).rc == 0
        began = time.monotonic()
        assert world.act("stop", CRM_meta_timeout="10000", **SLIDES).says(0, "is not deleted")
        assert time.monotonic() - began < 60
    eventually("nobody is left", lambda: not world.processes())


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"device": ""}, "either -N or -w is needed"),
        ({"device": "/dev/sda", "write_dir": "/tmp"}, "either -N or -w is needed"),
        ({"interval": "0"}, "1 to 3600"),
        ({"interval": "10s"}, "must be a whole number"),
        ({"dampen": "soon"}, "is no time"),
        ({"options": "-t 601"}, "1 to 600"),
        ({"options": "-t '"}, "No closing quotation"),
        ({"name": "a b"}, "60 letters"),
    ],
)
def test_what_can_not_be_right_on_any_host_is_refused(
    world: World, parameters: dict[str, str], said: str
) -> None:
    for action in ("validate-all", "start"):
        called = world.act(action, **parameters)
        assert called.names(6, said), called.err
    assert world.processes() == []


def test_a_host_without_the_program_says_so(world: World) -> None:
    world.program.unlink()
    assert world.act("validate-all", **SLIDES).names(5, "does not exist")


def test_oneshot_checks_in_the_monitor_and_sets_nothing(world: World) -> None:
    once = {**SLIDES, "oneshot": "true", "options": "-r 0"}
    assert world.act("monitor", **once).rc == 7
    assert world.act("start", **once).rc == 0
    assert world.act("monitor", **once, CRM_meta_interval="0").rc == 0
    assert world.act("monitor", **once).rc == 0
    world.disk.unlink()
    called = world.act("monitor", **once)
    assert called.outcome == (1, f"diskd: {world.disk}: No such file or directory")
    assert world.act("stop", **once).rc == 0
    assert world.act("monitor", **once).rc == 7
    assert world.told() == []
    eventually("nobody is left", lambda: not world.processes())


def test_oneshot_waits_for_no_disk_past_its_time(world: World) -> None:
    once = {**SLIDES, "oneshot": "1"}
    assert world.act("start", **once).rc == 0
    with world.file("stall"):
        called = world.act("monitor", CRM_meta_timeout="4000", **once)
        assert called.rc == 1
        assert "did not end within" in called.reason


@pytest.mark.parametrize("word", ["", "no", "False", "0"])
def test_a_word_that_denies_is_no_oneshot(world: World, word: str) -> None:
    start(world, oneshot=word)
    assert world.value("diskcheck_status") == "normal"
