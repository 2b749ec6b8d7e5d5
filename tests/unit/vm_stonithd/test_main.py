# SPDX-License-Identifier: GPL-2.0-or-later
"""The program itself, on a machine without a cluster: it stays up and says what is missing."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from daemons.vm_stonithd import options, status_socket
from pmkvm.deadline import Deadline
from tests import tree

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROGRAM = [sys.executable, "-m", "daemons.vm_stonithd.main"]


@pytest.fixture
def sockets(tmp_path: Path) -> list[str]:
    own, connectd = tmp_path / "own.sock", tmp_path / "vm-connectd.sock"
    return ["--socket", str(own), "--connectd-socket", str(connectd)]


@pytest.fixture
def notified(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(60)
        yield listening


@contextlib.contextmanager
def running(arguments: list[str], notified: socket.socket) -> Iterator[subprocess.Popen[bytes]]:
    """No tool of Pacemaker's can reach a cluster from here."""
    environment = {**os.environ, "NOTIFY_SOCKET": notified.getsockname(), "CIB_file": "/nowhere"}
    with subprocess.Popen(
        [*PROGRAM, *arguments], cwd=tree.ROOT, env=environment, stderr=subprocess.PIPE
    ) as daemon:
        try:
            yield daemon
        finally:
            daemon.kill()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "there is no key file"),
        (["-c", "'"], "-c can't be split"),
        (["-c", "/bin/cat", "-i"], ""),
    ],
)
def test_stays_up_says_what_is_wrong_and_ends_when_asked(
    sockets: list[str], notified: socket.socket, arguments: list[str], problem: str
) -> None:
    with running([*sockets, "--keys", "/nowhere", *arguments], notified) as daemon:
        assert notified.recv(100) == b"STATUS=starting"
        assert notified.recv(100) == b"READY=1"
        said = json.loads(status_socket.ask(sockets[1], Deadline(60)))
        assert problem in " ".join(said["problems"])
        assert said["reads_tokens"] == (not problem)
        assert not said["is_registered"]
        began = time.monotonic()
        daemon.send_signal(signal.SIGTERM)
        daemon.communicate(timeout=60)
        assert daemon.returncode == 0
        assert time.monotonic() - began < 60


def test_an_upgrade_in_place_keeps_the_pid_and_the_arguments(
    sockets: list[str], notified: socket.socket
) -> None:
    with running([*sockets, "--keys", "/nowhere", "-c", "/bin/cat", "-i"], notified) as daemon:
        assert [notified.recv(100) for _ in range(2)] == [b"STATUS=starting", b"READY=1"]
        daemon.send_signal(signal.SIGHUP)
        assert [notified.recv(100) for _ in range(2)] == [b"STATUS=starting", b"READY=1"]
        said = json.loads(status_socket.ask(sockets[1], Deadline(60)))
        assert (said["pid"], said["reads_tokens"]) == (daemon.pid, True)
        assert daemon.poll() is None


def test_nobody_to_ask() -> None:
    with pytest.raises(status_socket.StatusError, match="does not run"):
        status_socket.ask("/nowhere/vm-stonithd.sock", Deadline(1))


def test_options_of_2011() -> None:
    chosen = options.parse(["-c", "openssl des-ede3 -d -base64 -k vmstonith", "-i", "-e", "3"])
    assert chosen.command == "openssl des-ede3 -d -base64 -k vmstonith"
    assert (chosen.is_on_stdin, chosen.success, chosen.is_status) == (True, 3, False)


@pytest.mark.parametrize(("arguments", "code"), [(["-V"], 0), (["-?"], 0), (["-x"], 1), (["y"], 1)])
def test_exit_codes_of_2011(arguments: list[str], code: int) -> None:
    with pytest.raises(SystemExit) as ended:
        options.parse(arguments)
    assert ended.value.code == code
