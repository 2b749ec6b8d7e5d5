# SPDX-License-Identifier: GPL-2.0-or-later
"""Rounds of the soak, one after the other: in a lab that is mended after each, or a new one."""

from __future__ import annotations

import os
import time
import traceback
from pathlib import Path

from pmkvm.errors import HaError
from tests.lab import evidence
from tests.lab.cluster.cluster import LOG
from tests.lab.hosts import root as hosts_root
from tests.lab.soak import judge, pacemaker, record, settle
from tests.lab.soak.course import Course
from tests.lab.soak.logs import Logs
from tests.lab.soak.record import BROKEN, FAILED, HELD, SPOILT
from tests.lab.soak.world import World
from tests.measurements.record import append

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.lab.soak.plan import Plan
    from tests.lab.soak.record import Row

# A lab that does not come up is tried again so often.
TRIES = 3
EVIDENCE_BYTES = 20_000


class Soak:
    """A run: the lab that is used at the moment, and the record, which goes on from run to run.

    build: where the record is, and the logs of rounds that did not hold.
    """

    def __init__(self, root: str, rpms: str, build: str) -> None:
        self._root, self._rpms = root, rpms
        name = _codename(hosts_root.check(root))
        self._logs = os.path.join(build, f"soak-{name}")
        self.record = os.path.join(build, f"soak-{name}.jsonl")
        self._began = time.strftime("%Y-%m-%d %H:%M:%S")
        self._world: World | None = None
        self._versions: Row = {}

    def lead(self, plan: Plan) -> Row:
        """One round, told and recorded. HaError if no lab is to be had for it."""
        print("\n".join(plan.lines()), flush=True)
        began_s = time.time()
        world = self._world or self._make()
        logs = Logs(world.lab)
        row: Row = {"run": self._began, **record.head(plan), **self._versions}
        row |= _lived(world, plan, logs)
        row["new_lab"] = not _is_mended(world, row)
        row["at"], row["all_s"] = round(began_s, 1), round(time.time() - began_s, 1)
        if row["verdict"] != HELD or row["new_lab"]:
            logs.keep(os.path.join(self._logs, f"{plan.seed}-{plan.number}"))
        append(self.record, row)
        print(record.told(row), flush=True)
        if row["new_lab"]:
            self.close()
        return row

    def close(self) -> None:
        if self._world is not None:
            try:
                self._world.lab.down()
            except HaError as error:
                # The next lab, or the next run, removes what is left.
                print(f"lab: {error}", flush=True)
            self._world = None

    def _make(self) -> World:
        for _ in range(TRIES - 1):
            try:
                return self._made()
            except HaError as error:
                print(f"no lab: {error}", flush=True)
        return self._made()

    def _made(self) -> World:
        self._world = World.make(self._root, self._rpms)
        self._versions = record.versions(self._world.lab)
        return self._world


def _lived(world: World, plan: Plan, logs: Logs) -> Row:
    """The round itself, judged."""
    try:
        course = Course(world, plan)
        seen = course.live_through()
    except HaError as error:
        traceback.print_exc()
        return {
            "verdict": FAILED,
            "broken": [f"not lived through: {error}"[:1000]],
            "spoilt": [one._asdict() for one in pacemaker.spoilt(logs.lines(LOG))],
            "evidence": evidence.collect(world.lab)[-EVIDENCE_BYTES:],
        }
    complaints = judge.broken(plan, seen)
    spoilt = pacemaker.spoilt(logs.lines(LOG))
    rest = pacemaker.unexplained(complaints, spoilt)
    return {
        **record.row(seen, complaints, spoilt),
        "verdict": BROKEN if rest else SPOILT if complaints else HELD,
        **course.notes,
    }


def _is_mended(world: World, row: Row) -> bool:
    """Whether the lab is as it was; if not, the row says why."""
    if row["verdict"] == FAILED:
        return False
    try:
        settle.mend(world)
    except HaError as error:
        row["unmended"] = str(error)[:1000]
        return False
    return True


def _codename(root: str) -> str:
    """Of the distribution there."""
    text = Path(root, "etc/os-release").read_text(encoding="utf-8")
    settings = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    return settings.get("VERSION_CODENAME", "unknown").strip('"')
