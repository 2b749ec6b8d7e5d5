# SPDX-License-Identifier: GPL-2.0-or-later
"""Starts a program as a session of its own that belongs to init: detach.py PIDFILE LOG ARGV...

Stands alone, since it runs in the lab's hosts too, whatever their Python. The pidfile holds the
number and the start time before the program runs, so that a crash leaves nothing unknown.
"""

from __future__ import annotations

import os
import sys


def main(argv: list[str]) -> int:
    pidfile, log, *command = argv
    # The write end closes with exec: the end of the pipe without a word means "it runs".
    reader, writer = os.pipe2(os.O_CLOEXEC)
    child = os.fork()
    if child == 0:
        os.setsid()
        if os.fork() == 0:
            _become(pidfile, log, command, writer)
        os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    trouble = os.read(reader, 4096)
    if trouble:
        sys.stderr.write(trouble.decode() + "\n")
    return 1 if trouble else 0


def _become(pidfile: str, log: str, command: list[str], writer: int) -> None:
    try:
        _record(pidfile)
        _redirect(log)
        os.execvp(command[0], command)
    except OSError as error:
        os.write(writer, f"{command[0]}: {error}".encode())
        os._exit(127)


def _record(pidfile: str) -> None:
    with open("/proc/self/stat", encoding="utf-8") as stat:
        start = stat.read().rpartition(")")[2].split()[19]
    with open(pidfile + ".new", "w", encoding="ascii") as file:
        file.write(f"{os.getpid()} {start}\n")
    os.replace(pidfile + ".new", pidfile)


def _redirect(log: str) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
