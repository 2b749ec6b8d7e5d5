# SPDX-License-Identifier: GPL-2.0-or-later
"""The run directory of a running vm-stonithd is deleted: it stays the only one, and is found."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from daemons.vm_stonithd import status_socket
from pmkvm.deadline import Deadline
from tests import tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROGRAM = [sys.executable, "-m", "daemons.vm_stonithd.main"]
WAIT_S = 60.0


def eventually(is_so: Callable[[], object]) -> None:
    deadline = Deadline(WAIT_S)
    while not is_so():
        assert not deadline.expired()
        time.sleep(0.01)


class Host:
    """A run directory, and daemons that are told to use it."""

    def __init__(self, directory: Path) -> None:
        self.run = directory / "run"
        self.socket = self.run / "vm-stonithd.sock"
        self._log = directory / "log"
        self._daemons: list[subprocess.Popen[bytes]] = []

    def begin(self) -> subprocess.Popen[bytes]:
        """Not there yet."""
        options = ["--socket", str(self.socket), "--connectd-socket", "/nowhere"]
        with self._log.open("ab") as log:
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
        eventually(lambda: daemon.poll() is not None or self.asked() == daemon.pid)
        return daemon

    def lose_run(self) -> None:
        """All at once, so that no daemon looks at a half of it."""
        gone = self.run.with_name("gone")
        self.run.rename(gone)
        shutil.rmtree(gone)

    def asked(self) -> int | None:
        """The number of the one that answers now."""
        with contextlib.suppress(status_socket.StatusError):
            number = json.loads(status_socket.ask(str(self.socket), Deadline(WAIT_S)))["pid"]
            assert isinstance(number, int)
            return number
        return None

    @property
    def said(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def forget_said(self) -> None:
        self._log.write_text("", encoding="utf-8")

    def close(self) -> None:
        for daemon in self._daemons:
            daemon.kill()
            daemon.wait()


@pytest.fixture
def host() -> Iterator[Host]:
    # Not tmp_path: a unix socket's path has at most 107 characters.
    with tempfile.TemporaryDirectory(prefix="forgotten-") as directory:
        made = Host(Path(directory))
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
    eventually(lambda: host.asked() == daemon.pid)
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
        host.forget_said()
    assert host.socket.read_text() == "of somebody"


def test_one_that_can_t_have_its_socket_goes_on_and_has_it_later(host: Host) -> None:
    """So that a start at a bad moment needs no hand afterwards."""
    host.run.write_text("no directory")
    daemon = host.begin()
    eventually(lambda: "info: ready" in host.said)
    assert host.asked() is None
    host.run.unlink()
    eventually(lambda: host.asked() == daemon.pid)
