# SPDX-License-Identifier: GPL-2.0-or-later
"""Upgrades in place: the same pid, the new program, and the old one if the new one is no good."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pmkvm.errors import HaError
from pmkvm.service import reexec
from tests import tree

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# A daemon that says its VERSION to its supervisor when it serves.
PROGRAM = """\
import sys
sys.path.insert(0, {root!r})
if "--version" in sys.argv:
    print("sample {version}")
    sys.exit({rc})
from pmkvm.service import daemon, log, notify
log.set_up("sample", is_debug=False)
async def start(service, listener):
    notify.notify("STATUS={version} " + " ".join(sys.argv[1:]))
    service.ready()
sys.exit(daemon.serve(sys.argv[1], start))
"""


class Sample:
    def __init__(self, directory: Path) -> None:
        self.path = directory / "sample.py"
        self.heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.heard.bind(str(directory / "notify"))
        self.heard.settimeout(60)
        self.install("1")
        environment = {**os.environ, "NOTIFY_SOCKET": str(directory / "notify")}
        argv = [sys.executable, str(self.path), str(directory / "run" / "socket"), "a b"]
        self.child = subprocess.Popen(argv, env=environment, stderr=subprocess.PIPE)

    def install(self, version: str, rc: int = 0) -> None:
        text = PROGRAM.format(root=str(tree.ROOT), version=version, rc=rc)
        self.path.write_text(text, encoding="utf-8")

    def hears(self) -> str:
        return self.heard.recv(200).decode()


@pytest.fixture
def sample(tmp_path: Path) -> Iterator[Sample]:
    with contextlib.ExitStack() as stack:
        made = Sample(tmp_path)
        stack.callback(made.heard.close)
        stack.enter_context(made.child)
        stack.callback(made.child.kill)
        arguments = f"{tmp_path / 'run' / 'socket'} a b"
        assert made.hears() == f"STATUS=1 {arguments}"
        assert made.hears() == "READY=1"
        yield made


def test_a_new_version_takes_over_under_the_same_pid(sample: Sample) -> None:
    sample.install("2")
    sample.child.send_signal(signal.SIGHUP)
    assert sample.hears().startswith("STATUS=2 ")
    assert sample.hears() == "READY=1"
    assert sample.child.poll() is None
    sample.child.send_signal(signal.SIGTERM)
    assert sample.hears() == "STOPPING=1"
    assert sample.child.wait(60) == 0


def test_a_version_that_does_not_start_changes_nothing(sample: Sample) -> None:
    sample.install("2", rc=1)
    sample.child.send_signal(signal.SIGHUP)
    assert sample.child.stderr is not None
    for line in sample.child.stderr:
        if b"so this goes on: --version ended with 1: sample 2" in line:
            break
    sample.install("3")
    sample.child.send_signal(signal.SIGHUP)
    assert sample.hears().startswith("STATUS=3 ")


def test_many_signals_at_once_are_one(sample: Sample) -> None:
    for _ in range(5):
        sample.child.send_signal(signal.SIGHUP)
    assert sample.hears().startswith("STATUS=1 ")
    assert sample.hears() == "READY=1"
    assert sample.child.poll() is None


@pytest.mark.parametrize(
    ("command_line", "program"),
    [
        ("python3 -IS /usr/sbin/vm-stonithd -c x -i", "python3 -IS /usr/sbin/vm-stonithd"),
        ("python3 -B -m daemons.vm_stonithd.main -i", "python3 -B -m daemons.vm_stonithd.main"),
        ("/usr/sbin/python3 /usr/sbin/vm-connectd", "/usr/sbin/python3 /usr/sbin/vm-connectd"),
    ],
)
def test_what_of_its_command_line_is_the_program(command_line: str, program: str) -> None:
    assert reexec.program(command_line.split()) == program.split()


def test_no_program_at_all() -> None:
    with pytest.raises(HaError):
        reexec.program(["python3", "-IS"])
