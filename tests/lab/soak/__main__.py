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
import os
import secrets
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path

from pmkvm.errors import HaError
from tests.lab import evidence, state
from tests.lab import root as hosts_root
from tests.lab.cluster import LOG
from tests.lab.process import CHECKOUT
from tests.lab.soak import draw, judge, pacemaker, record, settle, summary
from tests.lab.soak.course import Course
from tests.lab.soak.logs import Logs
from tests.lab.soak.record import BROKEN, FAILED, HELD, SPOILT
from tests.lab.soak.world import World

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tests.lab.soak.plan import Plan

# A lab that does not come up is tried again so often.
TRIES = 3


class Soak:
    """A run of it: the lab that is used at the moment, and the record."""

    def __init__(self, root: str, rpms: str, build: str) -> None:
        self._root, self._rpms = root, rpms
        self._name = codename(hosts_root.check(root))
        self._build = build
        self.record = os.path.join(build, f"soak-{self._name}.jsonl")
        self._world: World | None = None
        self._versions: dict[str, str] = {}
        self._run = time.strftime("%Y-%m-%d %H:%M:%S")

    def run(self, plan: Plan) -> str:
        """One round, recorded; its verdict. HaError if no lab is to be had."""
        print("\n".join(plan.lines()), flush=True)
        began_s = time.time()
        world = self._ready()
        logs = Logs(world.lab)
        row = {"run": self._run, **record.head(plan), **self._versions}
        row |= self._lived(world, plan, logs)
        row["new_lab"] = not self._mend(world, row)
        row["at"], row["all_s"] = round(began_s, 1), round(time.time() - began_s, 1)
        if row["verdict"] != HELD:
            logs.keep(os.path.join(self._build, f"soak-{self._name}", f"{plan.seed}-{plan.number}"))
        record.append(self.record, row)
        print(_told(row), flush=True)
        if row["new_lab"]:
            self.close()
        return str(row["verdict"])

    def close(self) -> None:
        if self._world is not None:
            try:
                self._world.lab.down()
            except HaError as error:
                # The next lab, or the next run, removes what is left.
                print(f"lab: {error}", flush=True)
            self._world = None

    def _ready(self) -> World:
        for left in reversed(range(TRIES)):
            if self._world is not None:
                break
            try:
                self._world = World.make(self._root, self._rpms)
                self._versions = record.versions(self._world.lab)
            except HaError as error:
                print(f"no lab: {error}", flush=True)
                if not left:
                    raise
        assert self._world is not None
        return self._world

    def _lived(self, world: World, plan: Plan, logs: Logs) -> dict[str, Any]:
        course = None
        try:
            course = Course(world, plan)
            seen = course.live_through()
        except HaError as error:
            traceback.print_exc()
            spoilt = pacemaker.spoilt(logs.lines(LOG))
            return {
                "verdict": FAILED,
                "broken": [f"not lived through: {error}"[:1000]],
                "pacemaker": [one._asdict() for one in spoilt],
                "evidence": evidence.collect(world.lab)[-20000:],
            }
        complaints = judge.broken(plan, seen)
        spoilt = pacemaker.spoilt(logs.lines(LOG))
        rest = pacemaker.unexplained(complaints, spoilt)
        verdict = BROKEN if rest else SPOILT if complaints else HELD
        row = record.row(plan, seen, complaints, spoilt)
        return {
            **row,
            "verdict": verdict,
            "hits": course.hits_s(),
            "notes": course.notes,
            "phases": course.phases,
        }

    def _mend(self, world: World, row: dict[str, Any]) -> bool:
        """Whether the lab is as it was."""
        if row["verdict"] == FAILED:
            return False
        try:
            settle.mend(world)
        except HaError as error:
            row["unmended"] = str(error)[:1000]
            return False
        return True


def codename(root: str) -> str:
    """Of the hosts' distribution."""
    text = Path(root, "etc/os-release").read_text(encoding="utf-8")
    words = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    return words.get("VERSION_CODENAME", "unknown").strip('"')


def _told(row: dict[str, Any]) -> str:
    lines = [f"{row['verdict']} after {row['all_s']} s {row.get('phases', '')}"]
    lines += [f"  {one['answered']} s: {one['text']}" for one in row.get("told", ())]
    lines += [f"  {text}" for text in row["broken"]]
    lines += [f"  Pacemaker: {one['name']} ({one['line']})" for one in row["pacemaker"]]
    lines += [f"  {note}" for note in row.get("notes", ())]
    if row["new_lab"]:
        lines.append(f"  a new lab is made: {row.get('unmended', '')}")
    return "\n".join(lines) + "\n"


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(prog="python3 -m tests.lab.soak")
    found.add_argument("--minutes", type=float, default=60.0)
    found.add_argument("--seed", type=int, default=None, help="(default: drawn)")
    found.add_argument("--round", type=int, default=None, help="that one alone")
    found.add_argument("--first", type=int, default=1, help="the number of the first round")
    found.add_argument("--root", default="/", help="the hosts' root (default: this machine's)")
    found.add_argument("--rpms", default=os.path.join(CHECKOUT, "build", "rpm"), metavar="DIR")
    found.add_argument("--build", default=os.path.join(CHECKOUT, "build"), metavar="DIR")
    found.add_argument("--show", action="store_true", help="print the plan and do nothing")
    return found


def main(argv: list[str]) -> int:
    options = parser().parse_args(argv)
    seed = secrets.randbelow(1_000_000) if options.seed is None else options.seed
    number = options.first if options.round is None else options.round
    if options.show:
        print("\n".join(draw.plan(seed, number).lines()))
        return 0
    with state.exclusive(), tempfile.TemporaryDirectory() as kept:
        # Another build may replace them meanwhile.
        rpms = shutil.copytree(options.rpms, os.path.join(kept, "rpm"))
        soak = Soak(options.root, str(rpms), options.build)
        bad = []
        end = time.monotonic() + 60 * options.minutes
        try:
            while True:
                if soak.run(draw.plan(seed, number)) in (BROKEN, FAILED):
                    bad.append(f"{seed}:{number}")
                number += 1
                if options.round is not None or time.monotonic() > end:
                    break
        finally:
            soak.close()
    record_lines = Path(soak.record).read_text(encoding="utf-8").splitlines()
    print("\n".join(summary.table(summary.last_run(record_lines))))
    if bad:
        print(f"soak: rounds that failed: {', '.join(bad)}", file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
