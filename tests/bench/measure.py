# SPDX-License-Identifier: GPL-2.0-or-later
"""Times whole processes, several commands in turn, so that what slows the machine slows them all.

Runs inside a host by that host's python3: standard library only. Commands as JSON on standard
input, {name: argv}; figures as JSON on standard output, {name: [[wall_ms, cpu_ms], ...]}.
"""

from __future__ import annotations

import json
import os
import sys
import time


def main() -> int:
    rounds = int(sys.argv[1])
    commands: dict[str, list[str]] = json.load(sys.stdin)
    figures: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, argv in commands.items():
            figures[name].append(measure(argv))
    json.dump(figures, sys.stdout)
    return 0


def measure(argv: list[str]) -> tuple[float, float]:
    """Wall and CPU time in ms of a command that must end with 0, its children included."""
    began = time.perf_counter()
    pid = os.posix_spawn(
        argv[0],
        argv,
        dict(os.environ),
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
        ],
    )
    _pid, status, usage = os.wait4(pid, 0)
    wall = time.perf_counter() - began
    if status != 0:
        raise SystemExit(f"{argv[0]} ended with {os.waitstatus_to_exitcode(status)}")
    return wall * 1000, (usage.ru_utime + usage.ru_stime) * 1000


if __name__ == "__main__":
    sys.exit(main())
