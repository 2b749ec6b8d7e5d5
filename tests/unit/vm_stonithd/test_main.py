# SPDX-License-Identifier: GPL-2.0-or-later
"""The program itself, on a machine without a cluster: it stays up and says what is missing. If its
run directory is deleted it stays the only one, and is found."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from daemons.vm_stonithd import options
from pmkvm.deadline import Deadline
from pmkvm.service import status_socket
from tests import tree
from tests.unit.waiting import WAIT_S, eventually

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
        said = json.loads(status_socket.ask("vm-stonithd", sockets[1], Deadline(60)))
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
        said = json.loads(status_socket.ask("vm-stonithd", sockets[1], Deadline(60)))
        assert (said["pid"], said["reads_tokens"]) == (daemon.pid, True)
        assert daemon.poll() is None


def test_nobody_to_ask() -> None:
    with pytest.raises(status_socket.StatusError, match="does not run"):
        status_socket.ask("vm-stonithd", "/nowhere/vm-stonithd.sock", Deadline(1))


def test_options_of_2011() -> None:
    chosen = options.parse(["-c", "openssl des-ede3 -d -base64 -k vmstonith", "-i", "-e", "3"])
    assert chosen.command == "openssl des-ede3 -d -base64 -k vmstonith"
    assert (chosen.is_on_stdin, chosen.success, chosen.is_status) == (True, 3, False)


@pytest.mark.parametrize(("arguments", "code"), [(["-V"], 0), (["-?"], 0), (["-x"], 1), (["y"], 1)])
def test_exit_codes_of_2011(arguments: list[str], code: int) -> None:
    with pytest.raises(SystemExit) as ended:
        options.parse(arguments)
    assert ended.value.code == code


# --- its run directory is deleted


class Host:
    """A run directory, and daemons that are told to use it."""

    def __init__(self, directory: Path) -> None:
        self.run = directory / "run"
        self.socket = self.run / "vm-stonithd.sock"
        self.log = directory / "log"
        self._daemons: list[subprocess.Popen[bytes]] = []

    def begin(self) -> subprocess.Popen[bytes]:
        """Not there yet."""
        options = ["--socket", str(self.socket), "--connectd-socket", "/nowhere"]
        with self.log.open("ab") as log:
            daemon = subprocess.Popen(
                [*PROGRAM, *options, "--keys", "/nowhere"],
                cwd=tree.ROOT,
                env={**os.environ, "CIB_file": "/nowhere"},
                stderr=log,
            )
        self._daemons.append(daemon)
        return daemon

    def start(self) -> subprocess.Popen[bytes]:
        """Back when it answers, or has ended."""
        daemon = self.begin()
        eventually("it answers", lambda: daemon.poll() is not None or self.asked() == daemon.pid)
        return daemon

    def lose_run(self) -> None:
        """All at once, so that no daemon looks at a half of it."""
        gone = self.run.with_name("gone")
        self.run.rename(gone)
        shutil.rmtree(gone)

    def asked(self) -> int | None:
        """The number of the one that answers now."""
        with contextlib.suppress(status_socket.StatusError):
            said = status_socket.ask("vm-stonithd", str(self.socket), Deadline(WAIT_S))
            number = json.loads(said)["pid"]
            assert isinstance(number, int)
            return number
        return None

    @property
    def said(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def close(self) -> None:
        for daemon in self._daemons:
            daemon.kill()
            daemon.wait()


@pytest.fixture
def host(socket_dir: Path) -> Iterator[Host]:
    made = Host(socket_dir)
    yield made
    made.close()


def test_no_second_one_gets_in_though_every_file_is_gone_and_the_first_begins_anew(
    host: Host,
) -> None:
    """At SIGHUP the descriptors of the old program are closed, which the second one waits for."""
    first = host.start()
    host.lose_run()
    second = host.begin()
    # Its interpreter has come up.
    time.sleep(1)
    assert second.poll() is None
    first.send_signal(signal.SIGHUP)
    assert second.wait(WAIT_S) == 1
    assert f"another daemon runs here: process {first.pid} has" in host.said
    assert host.said.count("info: ready") == 2
    assert first.poll() is None
    assert host.asked() == first.pid


def test_its_socket_is_back_without_a_restart(host: Host) -> None:
    daemon = host.start()
    host.lose_run()
    eventually("it answers", lambda: host.asked() == daemon.pid)
    names = {host.socket.name, f"{host.socket.name}.lock"}
    assert {path.name for path in host.run.iterdir()} == names
    assert stat.S_IMODE(host.run.stat().st_mode) == 0o755
    assert stat.S_IMODE(host.socket.stat().st_mode) == 0o600


def test_an_ending_one_leaves_what_is_another_s(host: Host) -> None:
    for _ in range(10):
        daemon = host.start()
        host.socket.unlink()
        host.socket.write_text("of somebody")
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(WAIT_S) == 0
        # It looks each second. Where that came in between, the socket was its own again.
        if f"{host.socket} was missing" not in host.said:
            break
        host.log.write_text("", encoding="utf-8")
    assert host.socket.read_text() == "of somebody"


def test_one_that_can_t_have_its_socket_goes_on_and_has_it_later(host: Host) -> None:
    """So that a start at a bad moment needs no hand afterwards."""
    host.run.write_text("no directory")
    daemon = host.begin()
    eventually("it is ready", lambda: "info: ready" in host.said)
    assert host.asked() is None
    host.run.unlink()
    eventually("it answers", lambda: host.asked() == daemon.pid)
