# SPDX-License-Identifier: GPL-2.0-or-later
"""python -m tests.fuzz TARGET [options of libFuzzer]: looks for bytes that break a target.

Needs atheris. What it finds it leaves as a file crash-*, which the same command takes in place of
the corpus to show it again; then it belongs among the seeds.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["pmkvm", "daemons"]):
    from tests.fuzz.targets import SEEDS, TARGETS


def main(argv: list[str]) -> int:
    if len(argv) < 3 or argv[1] not in TARGETS:
        sys.stderr.write(f"usage: python -m tests.fuzz {'|'.join(TARGETS)} CORPUS [OPTIONS]\n")
        return 2
    name, corpus = argv[1], Path(argv[2])
    if not corpus.is_file():
        corpus.mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(SEEDS[name]):
            (corpus / f"seed-{number}").write_bytes(seed)
    atheris.Setup([argv[0], *argv[2:]], TARGETS[name])
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
