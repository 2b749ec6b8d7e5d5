# SPDX-License-Identifier: GPL-2.0-or-later
"""python -m tests.fuzz TARGET [options of libFuzzer]: looks for bytes that break a target.

Needs atheris. What it finds it leaves as a file crash-*, which the same command takes as an
argument to show it again; then it belongs among the seeds.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["pmkvm", "daemons"]):
    from tests.fuzz.targets import SEEDS, TARGETS


def main(argv: list[str]) -> int:
    if len(argv) < 2 or argv[1] not in TARGETS:
        sys.stderr.write(f"usage: python -m tests.fuzz {'|'.join(TARGETS)} [libFuzzer's options]\n")
        return 2
    target = TARGETS[argv[1]]
    for seed in SEEDS[argv[1]]:
        target(seed)
    atheris.Setup([argv[0], *argv[2:]], target)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
