# SPDX-License-Identifier: GPL-2.0-or-later
"""The processes of a host, as this machine's process table has them: nobody in it is asked."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from tests.lab.hosts.process import Process, every, identify

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.lab.hosts.machine import Machine


def living(host: Machine) -> list[Process]:
    """All of them, PID 1 among them; none of a dead host."""
    init = host.init()
    space = "" if init is None else _space(init.pid)
    found = [identify(pid) for pid in every() if space and _space(pid) == space]
    return [one for one in found if one is not None and one.is_alive()]


def leaders(host: Machine, *argv: str) -> list[Process]:
    """Those with these arguments, one after the other, in their command line that lead a session.

    A program that one of them starts has its command line, and may have a session, for a moment.
    """
    wanted = b"\0" + b"\0".join(argument.encode() for argument in argv) + b"\0"
    found = [
        one
        for one in living(host)
        if wanted in b"\0" + command_line(one) and _session(one.pid) == one.pid
    ]
    numbers = {one.pid for one in found}
    return [one for one in found if _parent(one.pid) not in numbers]


def command_line(process: Process) -> bytes:
    """Each argument ends with a zero byte; nothing of one that has ended."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process.pid}/cmdline").read_bytes()
    return b""


def _space(pid: int) -> str:
    with contextlib.suppress(OSError):
        return os.readlink(f"/proc/{pid}/ns/pid")
    return ""


def _parent(pid: int) -> int:
    with contextlib.suppress(OSError):
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        return int(text.rpartition(")")[2].split()[1])
    return -1


def _session(pid: int) -> int:
    with contextlib.suppress(OSError):
        return os.getsid(pid)
    return -1
