# SPDX-License-Identifier: GPL-2.0-or-later
"""The agent as Pacemaker calls it. A program stands in for vm-client: it says that it is ready,
and what it is told to say for its status."""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from agents.vm_client import daemon
from agents.vm_client.agent import AGENT
from pmkvm import run as runner
from pmkvm import settings
from pmkvm.run import Completed
from tests.unit.ocf.sample import call
from tests.unit.vm_anything.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.unit.ocf.sample import Called

PROGRAM = """\
#!{python} -IS
import os, signal, socket, sys, time
os.chdir({directory!r})
if os.path.exists("slow"):
    time.sleep(1.5)
open("argv", "w").write("\\0".join(sys.argv[1:]))
listening = socket.socket(socket.AF_UNIX)
listening.bind("status.new")
listening.listen(5)
os.rename("status.new", {socket!r})
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
    s.sendto(b"READY=1", chr(0) + os.environ["NOTIFY_SOCKET"][1:])
while True:
    connection, _ = listening.accept()
    connection.sendall(open("said", "rb").read())
    connection.close()
"""
WELL = {
    "round_seconds_ago": 1.0,
    "interval_seconds": 5.0,
    "host": "answers",
    "host_is_mute": False,
}
LIST = {"attribute_list": "default_ping_set diskcheck_status"}


class Guest(World):
    def __init__(self, directory: Path, patch: pytest.MonkeyPatch) -> None:
        super().__init__(directory, patch)
        self.deleted: list[str] = []
        self.attrd_rc = 0
        self.run_dir.mkdir()
        path = directory / "vm-client"
        socket = str(self.run_dir / "vm-client-prmVmClient.sock")
        text = PROGRAM.format(
            python=os.path.realpath(sys.executable), directory=str(directory), socket=socket
        )
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755)
        patch.setattr(daemon, "PROGRAM", str(path))
        patch.setattr(runner, "run", self.play)
        self.says(WELL)

    def play(self, argv: Sequence[str], **_options: object) -> Completed:
        assert argv[0] == "attrd_updater"
        assert argv[2:] == ("--delete",)
        assert self.processes() == []
        self.deleted.append(argv[1])
        return Completed(self.attrd_rc, "", "")

    def says(self, status: object) -> None:
        (self.directory / "said").write_text(json.dumps(status), encoding="utf-8")

    def call(self, action: str, every: str = "10000", **parameters: str) -> Called:
        env = {
            "OCF_RESOURCE_INSTANCE": "prmVmClient:1",
            "OCF_RESKEY_CRM_meta_globally_unique": "false",
            "OCF_RESKEY_CRM_meta_timeout": "90000",
            "OCF_RA_VERSION_MAJOR": "1",
            "OCF_RA_VERSION_MINOR": "1",
            "OCF_RESKEY_CRM_meta_interval": every,
        }
        env.update({f"OCF_RESKEY_{name}": text for name, text in {**LIST, **parameters}.items()})
        return call(AGENT, action, env=env)


@pytest.fixture
def guest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Guest]:
    monkeypatch.setattr(settings, "RUN_DIR", str(tmp_path / "run"))
    made = Guest(tmp_path, monkeypatch)
    yield made
    made.close()


def test_start_monitor_stop(guest: Guest) -> None:
    assert guest.call("monitor", "0").rc == 7
    started = guest.call("start", every="0", dampen="3s", debug="yes")
    assert started.rc == 0, started.err
    argv = (guest.directory / "argv").read_text().split("\0")
    assert argv == [
        *("--attributes", "default_ping_set diskcheck_status", "--interval", "5"),
        *("--host-timeout", "15", "--dampen=3s", "--instance=prmVmClient", "--debug"),
    ]
    assert guest.call("start").rc == 0
    assert guest.call("monitor").rc == 0
    assert guest.call("monitor", "0").rc == 0
    assert guest.call("stop").rc == 0
    # When nobody sets them any more.
    assert guest.deleted == ["--name=default_ping_set", "--name=diskcheck_status"]
    assert guest.call("monitor").rc == 7
    assert guest.call("stop").rc == 0


def test_a_guest_too_slow_for_a_first_word_is_waited_for(guest: Guest) -> None:
    """An emulated guest that boots takes seconds to load a program that speaks."""
    (guest.directory / "slow").touch()
    assert guest.call("start").rc == 0
    assert guest.call("monitor").rc == 0


def test_a_mute_host_is_degraded_and_no_failure(guest: Guest) -> None:
    """A failure would restart vm-client again and again, to no use."""
    assert guest.call("start").rc == 0
    guest.says({**WELL, "host": "no answer: x", "host_is_mute": True})
    told = guest.call("monitor")
    assert told.rc == 190
    assert "the host is mute: no answer: x" in told.err


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ({**WELL, "round_seconds_ago": 100.0}, "does not go on"),
        ({"pid": 1}, "is not understood"),
        ([], "is not understood"),
    ],
)
def test_one_that_does_not_go_on_is_a_failure(guest: Guest, status: object, reason: str) -> None:
    assert guest.call("start").rc == 0
    guest.says(status)
    told = guest.call("monitor")
    assert (told.rc, reason in told.err) == (1, True)


def test_one_that_hangs_is_a_failure_within_the_monitors_time(
    guest: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daemon, "_ASK_S", 0.2)
    assert guest.call("start").rc == 0
    os.kill(guest.pid("prmVmClient"), signal.SIGSTOP)
    told = guest.call("monitor")
    assert (told.rc, "does not answer" in told.err) == (1, True)


def test_an_attrd_that_is_away_fails_no_stop(guest: Guest) -> None:
    assert guest.call("start").rc == 0
    guest.attrd_rc = 102
    stopped = guest.call("stop")
    assert (stopped.rc, guest.deleted) == (0, ["--name=default_ping_set"])
    assert "not deleted" in stopped.err


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"attribute_list": ""}, "attribute_list is required"),
        ({"attribute_list": "a standby"}, "standby is Pacemaker's own"),
        ({"attribute_list": "a'b"}, "is no name of an attribute"),
        ({"interval": "0"}, "parameter interval must be"),
        ({"host_timeout": "4000"}, "parameter host_timeout must be"),
        ({"interval": "20"}, "must not be less than interval"),
        ({"dampen": "-B"}, "parameter dampen must be"),
    ],
)
def test_bad_parameters_are_named(guest: Guest, parameters: dict[str, str], reason: str) -> None:
    for action in ("validate-all", "start"):
        told = guest.call(action, **parameters)
        assert (told.rc, reason in told.err) == (6, True), told.err


def test_a_program_that_is_not_installed(guest: Guest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon, "PROGRAM", "/nowhere/vm-client")
    assert guest.call("validate-all").rc == 5
