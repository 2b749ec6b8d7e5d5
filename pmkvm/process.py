# SPDX-License-Identifier: GPL-2.0-or-later
"""A process as one life: its pid and start time, and a pidfd that can't be mistaken for another.

Dead means that the pidfd is readable, which the kernel says when the last thread is gone.
/proc/PID/stat is no proof: it says Z, with an empty command line, while a thread of the same
process still writes to a disk (measured).
"""

from __future__ import annotations

import os
import select
import time

from pmkvm import settings
from pmkvm.light_types import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal

# Fields of /proc/PID/stat after the command's name, which may hold blanks and brackets (proc(5)).
_STATE_FIELD = 0
_START_TIME_FIELD = 19

# Of /proc/PID/status: the user ids are among the first lines. Of /proc/PID/stat: numbers only.
_STATUS_BYTES = 4096
_STAT_BYTES = 4096
_SETUID_BITS = 0o6000


class Stat(NamedTuple):
    """Its name, and what follows it."""

    name: str
    fields: list[str]


class Life(NamedTuple):
    """One process: start_time in clock ticks since boot, as /proc/PID/stat has it."""

    pid: int
    start_time: int


def life_of(pid: int) -> Life | None:
    """The life that has this pid now; a zombie has one too. None if nobody has it."""
    fields = _fields(pid)
    return Life(pid, int(fields[_START_TIME_FIELD])) if fields else None


def age_s(life: Life) -> float:
    """How long ago it began; the kernel's clock of a process's start goes on in a suspend."""
    now_s = time.clock_gettime(time.CLOCK_BOOTTIME)
    return now_s - life.start_time / os.sysconf("SC_CLK_TCK")


def is_zombie(pid: int) -> bool:
    """Whether the process's first thread has ended; others may live."""
    fields = _fields(pid)
    return bool(fields) and fields[_STATE_FIELD] == "Z"


def user_ids(pid: int) -> tuple[int, int, int] | None:
    """Its real, effective and saved user id; None if nobody has this pid."""
    try:
        with open(f"{settings.PROC}/{pid}/status", "rb") as file:
            lines = file.read(_STATUS_BYTES).split(b"\n")
    except (FileNotFoundError, ProcessLookupError):
        return None
    for line in lines:
        if line.startswith(b"Uid:"):
            real, effective, saved = line.split()[1:4]
            return int(real), int(effective), int(saved)
    return None


def is_in_own_namespace(pid: int) -> bool:
    """Whether it numbers processes as we do: a container's processes are of another pid namespace,
    and its root can forge all else. Raises OSError if that can't be told."""
    own, its = (os.stat(f"{settings.PROC}/{one}/ns/pid") for one in ("self", pid))
    return os.path.samestat(own, its)


def has_setuid_executable(pid: int) -> bool:
    """Whether it may be root's and do what another user has asked for, as a sudo that waits for a
    password. Raises OSError if that can't be told."""
    return bool(os.stat(f"{settings.PROC}/{pid}/exe").st_mode & _SETUID_BITS)


def is_alive(life: Life) -> bool:
    """Whether any thread of it lives. Raises OSError if the kernel can't tell."""
    with Pidfd(life) as pidfd:
        return not pidfd.is_dead()


class Pidfd:
    """A hold on exactly this life. Raises OSError if the kernel refuses it."""

    def __init__(self, life: Life) -> None:
        self._life = life
        self._fd: int | None = None

    def __enter__(self) -> Pidfd:
        try:
            self._fd = os.pidfd_open(self._life.pid)
        except ProcessLookupError:
            return self
        except OSError:
            # What the kernel says, in several ways, of a number that only a thread has now.
            if life_of(self._life.pid) != self._life:
                return self
            raise
        # Looked at after the pidfd was opened: a pid that was reused in between shows here.
        try:
            is_it = life_of(self._life.pid) == self._life
        except BaseException:
            # The last descriptor may have gone into this very pidfd.
            self.__exit__()
            raise
        if not is_it:
            self.__exit__()
        return self

    def __exit__(self, *_error: object) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    @property
    def descriptor(self) -> int | None:
        """It is readable once the life is over; None if it was before."""
        return self._fd

    def is_dead(self) -> bool:
        return self.wait_dead(0.0)

    def wait_dead(self, seconds: float) -> bool:
        """Wait until every thread is gone; False if it outlived that time."""
        if self._fd is None:
            return True
        poller = select.poll()
        poller.register(self._fd, select.POLLIN)
        return bool(poller.poll(seconds * 1000))

    def send(self, number: signal.Signals) -> None:
        """Signal it; one that is gone already is no error."""
        import signal

        if self._fd is not None:
            try:
                signal.pidfd_send_signal(self._fd, number)
            except ProcessLookupError:
                return


def stat(directory: str) -> Stat:
    """Of a process's or a thread's directory of /proc; nothing of one that is gone."""
    try:
        with open(f"{directory}/stat", encoding="utf-8", errors="replace") as file:
            head, _, rest = file.read(_STAT_BYTES).rpartition(")")
    except (FileNotFoundError, ProcessLookupError):
        return Stat("", [])
    return Stat(head.partition("(")[2], rest.split())


def _fields(pid: int) -> list[str]:
    return stat(f"{settings.PROC}/{pid}").fields
