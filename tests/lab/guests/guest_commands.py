# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs commands inside full guests, wherever they are: the lab's end of guest_agent.py.

QEMU talks to one at a time; others wait in its socket's queue. So nobody stays connected for long.
"""

from __future__ import annotations

import contextlib
import json
import socket
import uuid
from typing import Any

from pmkvm.deadline import Deadline
from pmkvm.run import Completed
from tests.lab.errors import LabError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

# Not under /run: a host that was killed boots with an empty one, and its cluster starts guests.
DIRECTORY = "/var/lib/lab-guests"
CHANNEL = """    <channel type='unix'>
      <source mode='bind' path='{directory}/{name}.sock'/>
      <target type='virtio' name='org.pmkvm.lab'/>
    </channel>
"""

# Longer than a guest looks away when nobody is connected. The target of a migration takes a
# connection before the guest is there, and says nothing.
HELLO_S = 1.0
HOLD_S = 1.0
PAUSE_S = 0.02
# What a guest takes in at the least, emulated and not alone.
SLOWEST_BYTES_PER_S = 100_000
# For what is not the command's own time: the guest may be migrated, or still be booting.
GRACE_S = 30.0
# A guest may still be booting, beside others.
BEGINS_S = 90.0


def socket_path(name: str) -> str:
    """As the host that the guest runs on names it."""
    return f"{DIRECTORY}/{name}.sock"


def channel(name: str) -> str:
    return CHANNEL.format(directory=DIRECTORY, name=name)


class Command:
    """One command in a guest, run once however often it has to be asked for.

    paths gives the sockets of the guest's QEMUs at this moment: two in a migration.
    """

    def __init__(
        self,
        paths: Callable[[], list[str]],
        argv: Sequence[str],
        timeout_s: float,
        stdin: str | None,
    ) -> None:
        self._paths = paths
        self._id = uuid.uuid4().hex
        self._session: str | None = None
        self._what = " ".join(argv)
        self._timeout_s = timeout_s
        self._request = {
            "run": self._id,
            "argv": list(argv),
            "stdin": stdin,
            "timeout_s": timeout_s,
        }

    def begin(self) -> Command:
        """Back when it runs in the guest (or has run)."""
        self._ask("started", Deadline(BEGINS_S))
        return self

    def result(self) -> Completed:
        """Its end, or LabError: it did not end in time, or the guest ended before it."""
        answer = self._ask("done", Deadline(self._timeout_s + GRACE_S))
        if "error" in answer:
            raise LabError(f"in the guest: {self._what}: {answer['error']}")
        return Completed(answer["rc"], answer["out"], answer["err"])

    def _ask(self, wanted: str, deadline: Deadline) -> dict[str, Any]:
        while not deadline.expired():
            for path in self._paths():
                # A QEMU that ended, or one that does not listen yet.
                with contextlib.suppress(OSError):
                    answer = self._converse(path, wanted)
                    if answer is not None:
                        return answer
            deadline.pause(PAUSE_S)
        raise LabError(f"in the guest: {self._what}: no answer; its sockets: {self._paths()}")

    def _converse(self, path: str, wanted: str) -> dict[str, Any] | None:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(HELLO_S)
            connection.connect(path)
            _send(connection, {"ask": "session"})
            for answer in _answers(connection, HELLO_S):
                if "session" in answer:
                    self._check(answer["session"])
                    break
            else:
                return None
            sent = _send(connection, {**self._request, "session": self._session})
            for answer in _answers(connection, HOLD_S + sent / SLOWEST_BYTES_PER_S):
                if self._id in (answer.get("done"), answer.get(wanted)):
                    if wanted == "done":
                        _send(connection, {"forget": self._id})
                    return answer
        return None

    def _check(self, session: str) -> None:
        """Never ask a guest that was started anew to run it a second time."""
        if self._session not in (None, session):
            raise LabError(f"in the guest: {self._what}: the guest restarted meanwhile")
        self._session = session


def _send(connection: socket.socket, request: dict[str, Any]) -> int:
    """How many bytes; the line break in front ends what somebody before left unfinished."""
    line = b"\n" + json.dumps(request).encode() + b"\n"
    connection.sendall(line)
    return len(line)


def _answers(connection: socket.socket, quiet_s: float) -> Iterator[dict[str, Any]]:
    """Until nothing has come for so long or the other end is gone."""
    connection.settimeout(quiet_s)
    received = b""
    while True:
        try:
            data = connection.recv(65536)
        except socket.timeout:
            return
        if not data:
            return
        *lines, received = (received + data).split(b"\n")
        for line in lines:
            with contextlib.suppress(ValueError):
                answer = json.loads(line)
                if isinstance(answer, dict):
                    yield answer
