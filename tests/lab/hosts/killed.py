# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs a program, kills it with SIGKILL at a point, is back when all that it started has ended too.

    killed.py SECONDS ARGV...         so long after its start
    killed.py SYSCALL:NUMBER ARGV...  before its main thread makes that system call for the NUMBERth
                                      time (by strace); counting begins anew for each kind
    killed.py count ARGV...           not at all

Prints JSON: rc, negative for a signal, and of `count` how often each of SYSCALLS was made. Stands
alone, since it runs in the lab's hosts too.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
from collections import Counter

# A child about to be started, written to, waited for, reaped; and the last one before the end.
SYSCALLS = ("vfork", "write", "poll", "wait4", "exit_group")
PR_SET_CHILD_SUBREAPER = 36
LONGEST_S = 300


def main(argv: list[str]) -> int:
    point, *command = argv
    # Orphans of the program become children of this process, which can wait for them.
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.alarm(LONGEST_S)
    counts: Counter[str] = Counter()
    if point == "count":
        with tempfile.NamedTemporaryFile("r") as trace:
            options = ["-o", trace.name, f"--trace={','.join(SYSCALLS)}"]
            rc = _run(["strace", "-qq", *options, *command], None)
            counts.update(re.findall(r"^(\w+)\(", trace.read(), re.MULTILINE))
    elif ":" in point:
        name, _, number = point.partition(":")
        kill = ["-o", os.devnull, f"--trace={name}", f"--inject={name}:signal=KILL:when={number}"]
        rc = _run(["strace", "-qq", *kill, *command], None)
    else:
        rc = _run(command, float(point))
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()
    json.dump({"rc": rc, "counts": counts}, sys.stdout)
    return 0


def points(counts: dict[str, int], most: int) -> list[str]:
    """So many of each kind at most, drawn, the same each time."""
    draw = random.Random(5)
    drawn = {name: draw.sample(range(1, n + 1), min(n, most)) for name, n in sorted(counts.items())}
    return [f"{name}:{number}" for name, numbers in drawn.items() for number in sorted(numbers)]


def _run(argv: list[str], seconds: float | None) -> int:
    child = subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(seconds)
    child.kill()
    return child.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
