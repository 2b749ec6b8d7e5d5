# SPDX-License-Identifier: GPL-2.0-or-later
"""How long a guest waits for the proof that another is dead, beside fence_xvm and behind others."""

from __future__ import annotations

import contextlib
import re
import statistics
import time
from typing import NamedTuple

from tests.bench import fence_virtd
from tests.lab.cluster import stonith
from tests.lab.cluster.cib import primitive
from tests.lab.cluster.registration import Registered, register
from tests.lab.faults.situations import is_stopping, wait_until
from tests.lab.guests.fencing_guest import AGENT, CONNECT, REQUEST_S, Asking, Timed
from tests.lab.guests.guests import Guest
from tests.measurements import record
from tests.measurements.record import Point

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.lab.guests.fencing_guest import Answered
    from tests.lab.guests.pair import Pair

PAIR = {"has_interface": True}

ROUNDS = 20
BAR = 0.5
HEAD_ROUNDS = 10
HEAD_BAR = 2.0
STRANGERS_STOP_S = 60
BEHIND = {
    "idle": "while nothing else happens",
    "stop": "behind another resource's stop",
    "migration": "behind another guest's migration",
}
BOOT_S = 60.0


# Asks without the start of a program: of Python's, in an emulated guest, half of the time is made.
ASKED = "asked"
_ASK = """
import glob, sys, time
sys.path[:0] = glob.glob("/usr/share/pm_kvm_tools/*-*")
from pmkvm.deadline import Deadline
from pmkvm.wire import client
began = time.monotonic()
text = client.ask("stonith", sys.argv[1], Deadline(20))
print(time.monotonic() - began, int(text != "OK"))
print(text)
"""


class Stages(NamedTuple):
    """Seconds. The guest's own part is what the host does not account for."""

    whole: float
    guest: float
    until_killed: float
    until_answered: float


def test_a_fence_takes_half_of_fence_xvms_time(pair: Pair) -> None:
    """In one emulated guest, in turn; both targets on its own host. Judged is the time from asking
    to the answer; what whole programs take is told beside it."""
    lab, host = pair.lab, pair.lab.hosts[0]
    peer = Guest("peer")
    lab.guests.define(peer)
    lab.guests.start(peer, host)
    fence_virtd.start(host, lab.guests, pair.requester.guest)
    try:
        figures: dict[str, list[Stages]] = {ASKED: [], AGENT: [], CONNECT: []}
        peers, empty = [], []
        for _ in range(ROUNDS):
            for through, rounds in figures.items():
                rounds.append(fence(pair, through))
            peers.append(fence_by_xvm(pair, peer))
            empty.append(timed(pair, [AGENT, "-o", "metadata"]))
    finally:
        fence_virtd.stop(host)
        host.must(["virsh", "-q", "destroy", peer.name])
    report = {name: [stage(rounds, at) for at in range(4)] for name, rounds in figures.items()}
    print(f"\n{'':18} whole   of it in the guest   host: until killed   until answered")
    for name, medians in report.items():
        print(
            f"{name:18} {medians[0]:5.2f} {medians[1]:18.2f} {medians[2]:18.2f} {medians[3]:15.2f}"
        )
    print(f"{'fence_xvm':18} {statistics.median(peers):5.2f}")
    print(f"{AGENT} metadata: {statistics.median(empty):.2f} (what Python's start costs there)")
    record.tell(_points(figures, peers), host)
    for name, medians in report.items():
        print(f"{name}: {medians[0] / statistics.median(peers):.2f} of fence_xvm (bar {BAR})")
    assert report[ASKED][0] / statistics.median(peers) <= BAR


def test_no_fence_waits_for_another_resource(pair: Pair) -> None:
    """Behind a stranger's stop, and behind another guest's long migration."""
    lab = pair.lab
    mover = register(lab, other_guest(pair), lab.hosts[0], "-m", "on")
    mover.start()
    add_stranger(pair)
    medians = {}
    threshold = ["crm_resource", "--meta", "-r", pair.target.resource, "-p", "migration-threshold"]
    lab.hosts[0].must([*threshold, "-v", "1"])
    busy: dict[str, Callable[[], contextlib.AbstractContextManager[None]]] = {
        "idle": contextlib.nullcontext,
        "stop": lambda: stranger_stops(pair),
        "migration": lambda: migrates(mover),
    }
    rounds: dict[str, list[Stages]] = {name: [] for name in busy}
    for _ in range(HEAD_ROUNDS):
        for name, enter in busy.items():
            rounds[name].append(fence(pair, CONNECT, enter))
            # The target's monitor has had its time to count a failure.
            assert stonith.fail_counts(lab) == []
            assert pair.target.hosts() == ["host1"]
    for name, found in rounds.items():
        medians[name] = (stage(found, 0), stage(found, 3))
        values = record.spread([one.until_answered for one in found])
        point = Point("fence-beside", BEHIND[name], "on the host", "s", **values)
        record.tell([point], lab.hosts[0])
        print(f"{name:10} whole {medians[name][0]:.2f}, host {medians[name][1]:.2f} s")
    assert lab.fencing.events() == []
    for name in ("stop", "migration"):
        for at in (0, 1):
            assert medians[name][at] <= HEAD_BAR * medians["idle"][at]


def _points(figures: dict[str, list[Stages]], peers: list[float]) -> Iterator[Point]:
    """Those of whole runs with their share of fence_xvm's, and the stages of each of ours."""
    peers_s = statistics.median(peers)
    for name, rounds in figures.items():
        for at, field in enumerate(Stages._fields):
            values = record.spread([one[at] for one in rounds])
            ratio = None if at else round(values["median"] / peers_s, 3)
            yield Point("fence", name, field.replace("_", " "), "s", ratio=ratio, **values)
    yield Point("fence", "fence_xvm", "whole", "s", ratio=1.0, **record.spread(peers))


def fence(
    pair: Pair,
    through: str,
    enter: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext,
) -> Stages:
    """One reset of guest2 on host1; back when it has returned."""
    boot = pair.place(pair.lab.hosts[0])
    pair.lab.cluster.wait_idle()
    with enter():
        began = time.time()
        answered = asked(pair) if through == ASKED else pair.answer("reset", through=through)
    assert answered.is_ok, answered
    proven = next(one for one in pair.proven() if one.at_s > began)
    found = re.search(r"\((\d+) ms", proven.line)
    assert found is not None
    host_s = int(found.group(1)) / 1000
    killed_s = killed_at(pair, proven.request) - (proven.at_s - host_s)
    pair.returned(boot)
    stonith.wait_clean(pair.lab)
    return Stages(answered.took_s, answered.took_s - host_s, killed_s, host_s)


def asked(pair: Pair) -> Answered:
    text = f"reset {stonith.token(pair.target.resource)}"
    argv = ["/usr/bin/python3", "-c", _ASK, text]
    guest = pair.requester.guest
    return Asking(pair.lab.guests.begin(guest, argv, timeout_s=REQUEST_S + 20)).answered()


def killed_at(pair: Pair, request: str) -> float:
    lines = pair.lab.hosts[0].read(stonith.LOG).splitlines()
    line = next(line for line in lines if request in line and "killed QEMU" in line)
    return stonith.time_of(line)


def fence_by_xvm(pair: Pair, peer: Guest) -> float:
    """fence_virtd destroys the domain and creates it anew before it answers."""
    counter = pair.lab.guests.counter(peer)
    boot = counter.wait_for_boot(BOOT_S).boot
    took_s = timed(pair, ["fence_xvm", "-o", "reboot", "-H", peer.name])
    counter.wait_for_boot(BOOT_S, other_than=boot)
    return took_s


def timed(pair: Pair, argv: list[str]) -> float:
    answered = Timed(argv).begin(pair.lab.guests, pair.requester.guest).answered()
    assert answered.is_ok, answered
    return answered.took_s


def add_stranger(pair: Pair) -> None:
    values = {"op_sleep": str(STRANGERS_STOP_S)}
    operations = (("start", "0", "90s"), ("stop", "0", "90s"))
    stopped = {"target-role": "Stopped"}
    stranger = primitive("stranger", parameters=values, meta=stopped, operations=operations)
    pair.lab.cluster.add(stranger)
    # Each of its actions takes that long, its probes too.
    hurry(pair, pair.lab.cluster.is_idle, "its probes")


@contextlib.contextmanager
def stranger_stops(pair: Pair) -> Iterator[None]:
    """In its 60 s stop, which is cut short afterwards: nobody wants to wait ten times."""
    host = pair.lab.hosts[0]
    role = ["crm_resource", "--meta", "-r", "stranger", "-p", "target-role", "-v"]
    host.must([*role, "Started"])
    hurry(pair, lambda: bool(pair.lab.status().hosts_of("stranger")), "its start")
    host.must([*role, "Stopped"])
    wait_until(lambda: is_stopping(pair, "stranger"), "its stop")
    yield
    hurry(pair, lambda: not is_stopping(pair, "stranger"), "its stop's end")


def hurry(pair: Pair, is_done: Callable[[], bool], what: str) -> None:
    """End the sleep that an action of the stranger consists of."""

    def is_over() -> bool:
        for host in pair.lab.hosts:
            host.run(["pkill", "-x", "-f", f"sleep {STRANGERS_STOP_S}"])
        return is_done()

    wait_until(is_over, what)


@contextlib.contextmanager
def migrates(mover: Registered) -> Iterator[None]:
    """A migration that would take minutes, hurried afterwards."""
    lab, name = mover.lab, mover.guest.name
    source, goal = (lab.hosts if mover.hosts() == ["host1"] else lab.hosts[::-1])[:2]
    source.must(["virsh", "-q", "migrate-setspeed", name, "1"])
    source.spawn("mover", ["vm-ctl", "resource", "move", name, "-n", goal.name])
    wait_until(lambda: len(mover.hosts()) == 2, "a migration under way")
    yield
    assert len(mover.hosts()) == 2
    source.must(["virsh", "-q", "migrate-setspeed", name, "1000"])
    wait_until(lambda: source.pid_of("mover") is None, "the migration's end", 120)


def other_guest(pair: Pair) -> Guest:
    guest = Guest("guest3")
    pair.lab.guests.define(guest)
    return guest


def stage(rounds: list[Stages], at: int) -> float:
    return statistics.median(one[at] for one in rounds)
