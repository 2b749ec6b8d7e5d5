# SPDX-License-Identifier: GPL-2.0-or-later
"""The soak: three hosts, random requests and disturbances, every promise judged after each round.

    python3 -m tests.lab.soak --minutes 60               as many rounds as go into an hour
    python3 -m tests.lab.soak --seed 5 --round 7         that one round again
    python3 -m tests.lab.soak --seed 5 --round 7 --show  its plan, without a lab

Each round is a line of build/soak-ROOT.jsonl as soon as it is over. A round that breaks a promise
does not end the run, it fails it.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import secrets
import shutil
import sys
import tempfile
import time
from pathlib import Path

from pmkvm.errors import HaError
from tests.lab import state
from tests.lab.hosts.process import CHECKOUT
from tests.lab.soak import draw, summary
from tests.lab.soak.record import BROKEN, FAILED
from tests.lab.soak.run import Soak

BUILD = os.path.join(CHECKOUT, "build")


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(prog="python3 -m tests.lab.soak")
    found.add_argument("--minutes", type=float, default=60.0)
    found.add_argument("--seed", type=int, help="by which all is drawn (default: any)")
    found.add_argument("--round", type=int, help="that one alone")
    found.add_argument("--first", type=int, default=1, help="the number of the first round")
    found.add_argument("--root", default="/", help="the hosts' root (default: this machine's)")
    found.add_argument("--rpms", default=os.path.join(BUILD, "rpm"), metavar="DIR")
    text = "where the record and the logs go (default: build)"
    found.add_argument("--build", default=BUILD, metavar="DIR", help=text)
    found.add_argument("--show", action="store_true", help="print the plan and do nothing")
    return found


def main(argv: list[str]) -> int:
    options = parser().parse_args(argv)
    if options.seed is None:
        options.seed = secrets.randbelow(1_000_000)
    number = options.first if options.round is None else options.round
    if options.show:
        print("\n".join(draw.plan(options.seed, number).lines()))
        return 0
    try:
        with state.exclusive(), tempfile.TemporaryDirectory() as kept:
            soak = Soak(options.root, _copy(options.rpms, kept), options.build)
            bad = _run(soak, options, number)
    except HaError as error:
        print(f"soak: {error}", file=sys.stderr)
        return 1
    _summarise(soak.record)
    if bad:
        print(f"soak: rounds that failed: {', '.join(bad)}", file=sys.stderr)
    return 1 if bad else 0


def _run(soak: Soak, options: argparse.Namespace, number: int) -> list[str]:
    """Rounds from that number on; those that failed."""
    bad = []
    end = time.monotonic() + 60 * options.minutes
    try:
        while True:
            row = soak.lead(draw.plan(options.seed, number))
            if row["verdict"] in (BROKEN, FAILED):
                bad.append(f"{options.seed}:{number}")
            if options.round is not None or time.monotonic() > end:
                return bad
            number += 1
    finally:
        soak.close()


def _copy(rpms: str, where: str) -> str:
    """The packages of this moment: another run's build may replace them meanwhile."""
    with open(os.path.join(os.path.dirname(rpms), "soak.lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return str(shutil.copytree(rpms, os.path.join(where, "rpm")))


def _summarise(record: str) -> None:
    rows = summary.last_run(Path(record).read_text(encoding="utf-8").splitlines())
    print("\n".join(summary.table(rows)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
