# SPDX-License-Identifier: GPL-2.0-or-later
"""A daemon's status: lines for a person at a terminal, JSON in a pipe, and who may ask."""

from __future__ import annotations

import json
import os
import socket
import sys
from typing import TYPE_CHECKING

import pytest

from pmkvm.deadline import Deadline
from pmkvm.run import run
from pmkvm.service.readable import readable
from pmkvm.service.status_socket import StatusError, ask
from pmkvm.wire import client
from pmkvm.wire.errors import NotRunningError
from tests import tree

if TYPE_CHECKING:
    from pathlib import Path

REPORT = {
    "program": "vm-connectd 2.0",
    "is_registered": True,
    "host_program": None,
    "server": {"pid": 7, "is_busy": False, "more": {"a_b": [1]}},
    "members": ["host1", "host2"],
    "bans": [],
    "problems": ["a sentence that is as long as a problem is: its storage hangs", "another one"],
    "guests": [{"resource": "prmVMCTL_g", "last_error": "\x1b[2J\n", "pid": 7}],
}
TOLD = """\
program        vm-connectd 2.0
is registered  yes
host program   -
server         pid 7, is busy no, more {"a_b": [1]}
members        host1, host2
bans           none
problems
  - a sentence that is as long as a problem is: its storage hangs
  - another one
guests
  - resource    prmVMCTL_g
    last error  \\x1b[2J\\x0a
    pid         7
"""


def test_a_name_and_a_value_a_line_and_nothing_that_a_terminal_obeys() -> None:
    assert readable(json.dumps(REPORT)) == TOLD
    assert readable("no\x1bJSON") == "no\\x1bJSON\n"


PROGRAM = f"""
import sys
sys.path.insert(0, {str(tree.ROOT)!r})
from pmkvm.service.command_line import print_status
sys.exit(print_status("p", lambda deadline: {json.dumps(REPORT)!r}))
"""


def test_a_terminal_gets_lines_and_a_pipe_json(tmp_path: Path) -> None:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM, encoding="utf-8")
    terminal, end = os.openpty()
    try:
        command = f"exec {sys.executable} -B {path} >{os.ttyname(end)}"
        assert run(("bash", "-c", command), timeout_s=60.0).rc == 0
        assert os.read(terminal, 65536).decode().replace("\r\n", "\n") == TOLD
    finally:
        os.close(end)
        os.close(terminal)
    done = run((sys.executable, "-B", str(path)), timeout_s=60.0)
    assert json.loads(done.out) == REPORT
    full = run(("bash", "-c", f"exec {sys.executable} -B {path} >/dev/full"), timeout_s=60.0)
    assert (full.rc, full.err) == (1, "p: its output can't be written: No space left on device\n")


def test_who_may_not_ask_is_not_told_that_it_does_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_self: socket.socket, _path: str) -> None:
        raise PermissionError(13, "Permission denied")

    class Refusing(socket.socket):
        connect = refuse  # type: ignore[assignment]

    monkeypatch.setattr(socket, "socket", Refusing)
    with pytest.raises(StatusError, match=r"^only root may ask vm-stonithd \(/s\)$"):
        ask("vm-stonithd", "/s", Deadline(1))
    with pytest.raises(NotRunningError, match=r"^only root may ask vm-connectd \(/s\)$"):
        client.status(Deadline(1), path="/s")
