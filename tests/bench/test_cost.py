# SPDX-License-Identifier: GPL-2.0-or-later
"""What fencing costs each host: while nothing happens, and for one fence, however many hosts.

Programs are counted by vm-stonithd itself, processor time by the kernel. The count is the same on
any machine. `--lab-hosts 4` gives the figures of a cluster of four.
"""

from __future__ import annotations

import statistics
import time
from typing import NamedTuple

from tests.bench import crowd
from tests.bench.test_fence import asked
from tests.lab.cluster import stonith
from tests.measurements import record
from tests.measurements.record import Point

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.lab.guests.pair import Pair
    from tests.lab.hosts.machine import Machine
    from tests.lab.lab import Lab

IDLE_S = 60.0
# The clocks are compared closely first.
SETTLE_S = 20.0
# Of one core, for the daemons of fencing with all that they start. 0.01 is what is wanted: see
# doc/measurements/daemons.md for what is left.
IDLE_BAR = 0.03
# The same on any machine.
IDLE_PROGRAMS = 50
FENCES = 8


class Cost(NamedTuple):
    """programs: by name. own: CPU seconds of the daemons, whole: with those of what they ran."""

    programs: dict[str, int]
    own: float
    whole: float

    @staticmethod
    def of(host: Machine) -> Cost:
        spent = crowd.spent(host).values()
        own, whole = (sum(each[at] for each in spent) for at in (0, 1))
        found = stonith.status(host)["programs_run"]
        assert isinstance(found, dict)
        return Cost({str(name): int(count) for name, count in found.items()}, own, whole)

    def since(self, before: Cost) -> Cost:
        names = sorted(self.programs)
        more = {name: self.programs[name] - before.programs.get(name, 0) for name in names}
        return Cost(more, self.own - before.own, self.whole - before.whole)


def test_what_an_idle_host_pays(clean_lab: Lab) -> None:
    stonith.load_daemons(clean_lab)
    clean_lab.cluster.wait_idle(120)
    time.sleep(SETTLE_S)
    before = [Cost.of(host) for host in clean_lab.hosts]
    began = time.monotonic()
    time.sleep(IDLE_S)
    minutes = (time.monotonic() - began) / 60
    found = [Cost.of(host).since(old) for host, old in zip(clean_lab.hosts, before)]
    print(f"\na minute, idle: programs, CPU seconds itself, with programs; {len(found)} hosts")
    for host, cost in zip(clean_lab.hosts, found):
        print(line(host, cost, minutes))
    record.tell(points(found, minutes), clean_lab.hosts[0])
    shares = [cost.whole / minutes / 60 for cost in found]
    assert max(shares) <= IDLE_BAR, shares
    counts = [sum(cost.programs.values()) / minutes for cost in found]
    assert max(counts) <= IDLE_PROGRAMS, counts


def test_what_a_host_pays_for_a_fence(pair: Pair) -> None:
    """From before it is asked for until the ban has gone."""
    lab = pair.lab
    costs: list[list[Cost]] = [[] for _ in lab.hosts]
    took = []
    for _ in range(FENCES):
        boot = pair.place(lab.hosts[0])
        lab.cluster.wait_idle()
        before = [Cost.of(host) for host in lab.hosts]
        answered = asked(pair)
        assert answered.is_ok, answered
        took.append(answered.took_s)
        stonith.wait_clean(lab)
        for number, host in enumerate(lab.hosts):
            costs[number].append(Cost.of(host).since(before[number]))
        pair.returned(boot)
    print(f"\na fence: median {statistics.median(took):.2f} s asked until answered")
    print(f"programs, CPU seconds itself, with programs; {len(lab.hosts)} hosts")
    for host, each in zip(lab.hosts, costs):
        print(line(host, total(each), len(each)))


def points(found: Sequence[Cost], minutes: float) -> Iterator[Point]:
    """Of the host that pays most."""
    dearest = max(found, key=lambda cost: cost.whole)
    also = {"programs a minute": round(sum(dearest.programs.values()) / minutes)}
    for series, spent_s in (
        ("both daemons", dearest.own),
        ("both with the tools they start", dearest.whole),
    ):
        median = round(spent_s / minutes, 2)
        yield Point("idle-by-hosts", series, len(found), "CPU s", median=median, also=also)


def total(costs: Sequence[Cost]) -> Cost:
    names = {name for each in costs for name in each.programs}
    programs = {name: sum(each.programs.get(name, 0) for each in costs) for name in names}
    own, whole = (sum(pair) for pair in zip(*((each.own, each.whole) for each in costs)))
    return Cost(programs, own, whole)


def line(host: Machine, cost: Cost, by: float) -> str:
    count = sum(cost.programs.values()) / by
    told = ", ".join(f"{name} {n / by:.1f}" for name, n in sorted(cost.programs.items()) if n)
    return f"{host.name:8} {count:6.1f} {cost.own / by:7.3f} {cost.whole / by:7.3f}   {told}"
