# SPDX-License-Identifier: GPL-2.0-or-later
"""What vm-ctl takes for many guests in a live cluster, beside crmsh with the same ones in one file.

The guests are defined on both hosts and never started, and Pacemaker does not probe them: what it
does with a change is the same whoever made it.
"""

from __future__ import annotations

import statistics
import time

import pytest

from tests.lab.cluster import slides
from tests.lab.guests import many
from tests.measurements import record
from tests.measurements.record import Point

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.lab.lab import Lab

GUESTS, ROUNDS, BAR = 200, 3, 0.15
SIZES = (50, 100, 200, 500, 1000)
# How much more a guest may take among a thousand than among two hundred.
LINEAR = 1.5
FILE = "/tmp/guests.crm"
VERBS = ("add", "list", "delete")


@pytest.fixture
def hosts(clean_lab: Lab) -> Iterator[Lab]:
    slides.load(clean_lab)
    argv = ["crm_attribute", "-n", "enable-startup-probes", "-v", "false"]
    clean_lab.cluster.speaker().must(argv)
    with slides.configured(clean_lab, **slides.ENTRIES):
        yield clean_lab


def test_two_hundred_guests_take_a_seventh_of_crmshs_time(hosts: Lab) -> None:
    figures: dict[str, list[float]] = {verb: [] for verb in (*VERBS, "crm")}
    with many.defined(hosts, GUESTS) as names:
        host = hosts.hosts[0]
        rehearsed = ["--dry-run", "--format", "crm"]
        host.write(FILE, host.must([*command("add", names), *rehearsed]))
        for _ in range(ROUNDS):
            for verb in VERBS:
                figures[verb].append(
                    timed(hosts, command(verb, names), changes=int(verb != "list"))
                )
            load = ["crm", "configure", "load", "update", FILE]
            figures["crm"].append(timed(hosts, load, changes=None))
            timed(hosts, command("delete", names), changes=1)
    medians = {name: statistics.median(rounds) for name, rounds in figures.items()}
    print(f"\n{GUESTS} guests{'':12} median    least     most")
    for name, rounds in figures.items():
        what = "crm configure load" if name == "crm" else f"vm-ctl {name}"
        print(f"{what:20} {medians[name]:8.2f} {min(rounds):8.2f} {max(rounds):8.2f} s")
        ratio = round(medians[name] / medians["crm"], 3)
        point = Point("vm-ctl", what, "", "s", ratio=ratio, **record.spread(rounds))
        record.tell([point], hosts.hosts[0])
    for verb in VERBS:
        ratio = medians[verb] / medians["crm"]
        print(f"{verb}: {ratio:.3f} of crm configure load (bar {BAR})")
        assert ratio <= BAR


def test_it_grows_with_the_guests_and_no_faster(hosts: Lab) -> None:
    curve: dict[int, list[float]] = {}
    for size in SIZES:
        with many.defined(hosts, size) as names:
            curve[size] = [
                timed(hosts, command(verb, names), changes=int(verb != "list")) for verb in VERBS
            ]
    print(f"\nguests {''.join(f'{verb:>10}' for verb in VERBS)}   (s; and ms a guest)")
    for size, seconds in curve.items():
        points = [
            Point("vm-ctl-guests", verb, size, "s", median=round(value, 2))
            for verb, value in zip(VERBS, seconds)
        ]
        record.tell(points, hosts.hosts[0])
        each = "".join(f"{1000 * value / size:8.1f}" for value in seconds)
        print(f"{size:6} {''.join(f'{value:10.2f}' for value in seconds)}   {each}")
    for at, verb in enumerate(VERBS):
        few, all_ = curve[GUESTS][at] / GUESTS, curve[SIZES[-1]][at] / SIZES[-1]
        print(f"{verb}: a guest takes {all_ / few:.2f} of what it takes among {GUESTS}")
        assert all_ <= LINEAR * few


def command(verb: str, names: Sequence[str]) -> list[str]:
    listed = [] if verb == "list" else [",".join(names)]
    return ["vm-ctl", "resource", verb, *listed, *(["-a", "host1"] if verb == "add" else [])]


def timed(lab: Lab, argv: Sequence[str], *, changes: int | None) -> float:
    """Seconds of a command in an idle cluster, which changes the configuration so many times."""
    lab.cluster.wait_idle(300)
    before = many.epoch(lab)
    began = time.monotonic()
    lab.hosts[0].must(argv, timeout_s=300)
    took_s = time.monotonic() - began
    done = many.epoch(lab) - before
    assert changes in (None, done), (argv[:3], done)
    return took_s
