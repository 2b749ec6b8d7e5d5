# SPDX-License-Identifier: GPL-2.0-or-later
"""A process that makes itself out to be a guest's QEMU, as any local user can: a whole program.

    python3 impostor.py KIND NAME UUID SECONDS USER

USER is a number; it becomes that user unless it is so already. Its command line is what it says it
is: the kernel lets a process move it elsewhere in its memory (PR_SET_MM_MAP), where it may be as
long as it likes. It says "ready" and lives for these seconds; "rewrites" is like a QEMU until it
reads a line: then it says "ready" again, and nothing of it is.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import signal
import struct
import sys
import time
import uuid

# A user who is nobody's in particular.
NOBODY = 65534
# What it says, and how long that is.
NAMED, SAME, NAMELESS = "named like it", "with its uuid", "without a name"
ENDLESS, RESPAWNING = "with a command line without end", "with its uuid, respawning"
KINDS = (NAMED, SAME, NAMELESS, ENDLESS, RESPAWNING)
REWRITING = "rewrites"

_ENDLESS_BYTES = 1 << 30
_RESPAWNERS = 3
_RESPAWN_S = 0.1

_PR_SET_MM, _PR_SET_MM_MAP = 35, 14
# struct prctl_mm_map: eleven addresses, the auxiliary vector's and its size, the executable.
_MM_MAP = struct.Struct("11Q Q I I")
_NO_FILE = 0xFFFFFFFF
# Of /proc/self/stat, counted from the state on (proc(5)).
_START_CODE, _END_CODE, _START_STACK = 23, 24, 25
_START_DATA, _END_DATA, _START_BRK = 42, 43, 44
_ENV_START, _ENV_END = 47, 48
_kept: list[mmap.mmap] = []


def qemu_argv(name: str, domain: str) -> list[str]:
    return ["/usr/bin/qemu-system-x86_64", "-name", f"guest={name}", "-S", "-uuid", domain]


def rewrite_command_line(argv: list[str], length: int = 0) -> None:
    """/proc/PID/cmdline shows these arguments from now on, and zeros behind them to that length."""
    line = b"".join(argument.encode() + b"\0" for argument in argv)
    size = max(length, len(line))
    memory = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory[: len(line)] = line
    _kept.append(memory)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    # Bytes: this user may not be allowed to read more of Python's library.
    with open("/proc/self/stat", "rb") as file:
        fields = [int(field) for field in file.read().rpartition(b")")[2].split()[1:]]
    at = [0, *fields]
    library = ctypes.CDLL(None, use_errno=True)
    library.sbrk.restype = ctypes.c_void_p
    addresses = (
        *(at[each] for each in (_START_CODE, _END_CODE, _START_DATA, _END_DATA, _START_BRK)),
        *(library.sbrk(0), at[_START_STACK], start, start + size, at[_ENV_START], at[_ENV_END]),
    )
    buffer = ctypes.create_string_buffer(_MM_MAP.pack(*addresses, 0, 0, _NO_FILE))
    if library.prctl(_PR_SET_MM, _PR_SET_MM_MAP, buffer, ctypes.c_ulong(_MM_MAP.size), 0) != 0:
        raise OSError(ctypes.get_errno(), "PR_SET_MM_MAP")


def main(argv: list[str]) -> int:
    kind, name, domain, seconds = argv[0], argv[1], argv[2], float(argv[3])
    end = time.monotonic() + seconds
    _become(int(argv[4]))
    says = {
        NAMED: qemu_argv(name, str(uuid.uuid4())),
        SAME: qemu_argv("impostor", domain),
        NAMELESS: qemu_argv("", str(uuid.uuid4())),
    }
    rewrite_command_line(
        says.get(kind, qemu_argv(name, domain)), _ENDLESS_BYTES if kind == ENDLESS else 0
    )
    _say_ready()
    if kind == RESPAWNING:
        _respawn(end)
    if kind == REWRITING:
        sys.stdin.readline()
        rewrite_command_line(["sleep", "infinity"])
        _say_ready()
    time.sleep(max(0.0, end - time.monotonic()))
    return 0


def _become(user: int) -> None:
    if user != os.getuid():
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)


def _say_ready() -> None:
    sys.stdout.write("ready\n")
    sys.stdout.flush()


def _respawn(end: float) -> None:
    """Three that are never the same ones: each soon leaves a child in its place and ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for _ in range(_RESPAWNERS - 1):
        if os.fork() == 0:
            break
    while time.monotonic() < end:
        time.sleep(_RESPAWN_S)
        # Without a process for it, it goes on itself.
        with contextlib.suppress(OSError):
            if os.fork() != 0:
                os._exit(0)
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
