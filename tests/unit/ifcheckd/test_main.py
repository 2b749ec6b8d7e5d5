# SPDX-License-Identifier: GPL-2.0-or-later
"""The program itself, on a machine without a cluster, and its command line."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from daemons.ifcheckd import main, options
from pmkvm.deadline import Deadline
from pmkvm.service import status_socket
from tests import tree
from tests.unit.waiting import WAIT_S

if TYPE_CHECKING:
    from pathlib import Path


def test_it_stays_up_says_what_is_wrong_and_ends_when_asked(tmp_path: Path) -> None:
    own = str(tmp_path / "ifcheckd.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind(str(tmp_path / "notify"))
        supervisor.settimeout(WAIT_S)
        with subprocess.Popen(
            [sys.executable, "-m", "daemons.ifcheckd.main", "--socket", own],
            cwd=tree.ROOT,
            # No tool of a cluster is to be found.
            env={**os.environ, "NOTIFY_SOCKET": supervisor.getsockname(), "CIB_file": "/nowhere"},
            stderr=subprocess.DEVNULL,
        ) as daemon:
            try:
                assert supervisor.recv(100) == b"STATUS=starting"
                assert supervisor.recv(100) == b"READY=1"
                said = json.loads(status_socket.ask("ifcheckd", own, Deadline(WAIT_S)))
                assert (said["pid"], said["attributes"]) == (daemon.pid, {})
                assert "corosync-cmapctl" in " ".join(said["problems"])
                daemon.send_signal(signal.SIGTERM)
                assert daemon.wait(WAIT_S) == 0
            finally:
                daemon.kill()


def test_the_status_of_nobody(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["--status", "--socket", str(tmp_path / "none")]) == 1
    assert "ifcheckd does not run" in capsys.readouterr().err


def test_options_of_2011() -> None:
    chosen = options.parse(["-D", "-p", "/var/run/ifcheckd.pid", "-d", "10"])
    assert (chosen.is_old_style, chosen.dampen) == (True, "10")
    chosen = options.parse([])
    assert (chosen.is_old_style, chosen.dampen, chosen.total) == (False, "0", "ifcheckd")
    assert (chosen.interval_s, chosen.is_status) == (5.0, False)


@pytest.mark.parametrize(
    "argv",
    [
        ["-i", "0"],
        ["-i", "nan"],
        ["-i", "3601"],
        ["-i", "soon"],
        ["-d", "-1"],
        ["-d", "later"],
        ["-a", "-inf"],
        ["-a", "a b"],
        ["-x"],
        ["more"],
    ],
)
def test_what_is_no_command_line(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        options.parse(argv)
    assert ended.value.code == 1
    assert capsys.readouterr().err.startswith("usage: ifcheckd")
