# SPDX-License-Identifier: GPL-2.0-or-later
"""Running out of threads, memory or descriptors, by the kernel's own limits.

Each function takes something away from this whole process for as long as a with statement lasts,
or for so many seconds. Where the rest of the tests would suffer from it, that is done in a child.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import struct
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

from tests import tree

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHILD = """\
import sys
sys.dont_write_bytecode = True
sys.path.insert(0, {root!r})
from tests.unit import exhaustion
{code}
"""
_NOBODY = 65534
# capget(2), and who may pass RLIMIT_NPROC.
_CAPABILITY_VERSION_3 = 0x20080522
_SYS_ADMIN, _SYS_RESOURCE = 21, 24
_EFFECTIVE = 0


def child(
    code: str, *arguments: str, seconds: float = 120, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the code, which has this module as "exhaustion", to its end."""
    return subprocess.run(
        [sys.executable, "-B", "-c", _CHILD.format(root=str(tree.ROOT), code=code), *arguments],
        # If the interpreter itself crashes, where that was.
        env={**os.environ, "PYTHONFAULTHANDLER": "1", **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


@contextlib.contextmanager
def no_threads(seconds: float | None = None) -> Iterator[None]:
    """Neither a thread nor a process can be started.

    The limit does not hold for root: so the real user becomes another one, and what else the
    kernel lets pass is given up. The effective user stays who it is.
    """
    is_root = os.geteuid() == 0
    with _limited(resource.RLIMIT_NPROC, 0, seconds):
        if is_root:
            os.setresuid(_NOBODY, 0, 0)
            _may_pass(is_allowed=False)
        try:
            yield
        finally:
            if is_root:
                _may_pass(is_allowed=True)
                os.setresuid(0, 0, 0)


@contextlib.contextmanager
def no_memory(room: int, seconds: float | None = None) -> Iterator[None]:
    """Only so many bytes of address space more than now. What was freed may be used again."""
    with open("/proc/self/statm", encoding="ascii") as file:
        pages = int(file.read().split()[0])
    with _limited(resource.RLIMIT_AS, pages * resource.getpagesize() + room, seconds):
        yield


@contextlib.contextmanager
def no_descriptors(room: int = 0, seconds: float | None = None) -> Iterator[None]:
    """Only so many descriptors more than now."""
    with contextlib.ExitStack() as taken:
        # Those that are free below the highest one are taken, too.
        highest = max(map(int, os.listdir("/proc/self/fd")))
        while True:
            descriptor = os.dup(0)
            taken.callback(os.close, descriptor)
            if descriptor > highest:
                break
        with _limited(resource.RLIMIT_NOFILE, descriptor + 1 + room, seconds):
            yield


def given_back_in(seconds: float, what: str) -> None:
    """Of the memory or the descriptors that are taken from this process next; by another process.

    An interpreter may need what is taken to let a thread of its own go on: CPython 3.11 and 3.12
    look for room for an exception again and again, and nobody else gets a turn.
    """
    limit = {"memory": resource.RLIMIT_AS, "descriptors": resource.RLIMIT_NOFILE}[what]
    before, taker = resource.getrlimit(limit), os.getpid()
    if os.fork() == 0:
        time.sleep(seconds)
        resource.prlimit(taker, limit, before)
        os._exit(0)


def descriptors() -> int:
    """How many are open."""
    return len(os.listdir("/proc/self/fd")) - 1


@contextlib.contextmanager
def _limited(what: int, soft: int, seconds: float | None = None) -> Iterator[None]:
    before = resource.getrlimit(what)
    # Plain locks: once it is taken, the thread finds no memory for more.
    taken, ended = threading.Lock(), threading.Lock()
    taken.acquire()
    ended.acquire()

    def give_back() -> None:
        taken.acquire()
        if seconds is not None and not ended.acquire(timeout=seconds):
            resource.setrlimit(what, before)

    # It is started before it is taken, since it could not be afterwards.
    thread = threading.Thread(target=give_back)
    if seconds is not None:
        thread.start()
    resource.setrlimit(what, (soft, before[1]))
    taken.release()
    try:
        yield
    finally:
        ended.release()
        if seconds is not None:
            thread.join()
        resource.setrlimit(what, before)


def _may_pass(*, is_allowed: bool) -> None:
    """Of this thread: whether RLIMIT_NPROC is none for it."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = ctypes.create_string_buffer(struct.pack("Ii", _CAPABILITY_VERSION_3, 0))
    data = ctypes.create_string_buffer(24)
    if libc.capget(header, data):
        raise OSError(ctypes.get_errno(), "capget")
    sets = list(struct.unpack("6I", data.raw))
    mask = 1 << _SYS_ADMIN | 1 << _SYS_RESOURCE
    permitted = sets[_EFFECTIVE + 1]
    sets[_EFFECTIVE] = sets[_EFFECTIVE] | mask & permitted if is_allowed else sets[0] & ~mask
    if libc.capset(header, ctypes.create_string_buffer(struct.pack("6I", *sets))):
        raise OSError(ctypes.get_errno(), "capset")
