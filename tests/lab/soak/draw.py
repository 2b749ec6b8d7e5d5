# SPDX-License-Identifier: GPL-2.0-or-later
"""Rounds of the soak, drawn: the same seed and number give the same plan on every Python. Pure."""

from __future__ import annotations

import random

from tests.lab.faults import faults
from tests.lab.faults.faults import OFF, RESET, Fault
from tests.lab.guests.fencing_guest import AGENT, CONNECT, PLUGIN
from tests.lab.soak.plan import (
    ASKERS,
    GUESTS,
    HOSTS,
    MOVES_ASKER,
    OF_2011,
    SEALED,
    SMALL,
    STATUS,
    Disturbance,
    Moment,
    Plan,
    Request,
    Since,
    Situation,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TypeVar

    T = TypeVar("T")

REQUEST_S = 30.0
# The loss of a host, and its fencing, is waited for.
LOSS_S = 45.0
POWER, NETWORK, LEAVES = "loses its power", "loses its network", "leaves, and comes back"

_SITUATIONS = {
    Situation.AT_REST: 50,
    Situation.MIGRATING: 14,
    Situation.STARTING: 10,
    Situation.STOPPING: 10,
    Situation.BEHIND: 16,
}
# How the second request is related to the first one, if there is one.
ALONE, JOINED, MUTUAL, OTHER, AGAIN = "alone", "joined", "mutual", "other", "again"
_COMPANY = {ALONE: 56, JOINED: 12, MUTUAL: 12, OTHER: 12, AGAIN: 8}
_COUNTS = {0: 6, 1: 34, 2: 34, 3: 26}
_THROUGH = {CONNECT: 50, AGENT: 30, PLUGIN: 20}


def _ours() -> dict[Fault, float]:
    whats = {faults.KILLED: 3.0, faults.PAUSED: 3.0, faults.ANEW: 2.0}
    found = {
        Fault(who, what, host): weight
        for who in (faults.STONITHD, faults.CONNECTD)
        for what, weight in whats.items()
        for host in HOSTS
    }
    # A minute and a half that nothing else happens in: not often.
    found |= {Fault(faults.STONITHD, faults.FROZEN, host): 0.2 for host in HOSTS}
    return found


def _of_pacemaker() -> dict[Fault, float]:
    found = {}
    for who in (faults.FENCER, faults.CIB, faults.ATTRD, faults.CONTROLLER):
        for host in HOSTS:
            is_unclean = who in (faults.CIB, faults.CONTROLLER)
            risk = (host,) if is_unclean else ()
            found[Fault(who, faults.KILLED, host, risk, moves=is_unclean)] = 1.0
            found[Fault(who, faults.PAUSED, host)] = 1.0
    return found


def _of_hosts() -> dict[Fault, float]:
    found = {}
    for host in HOSTS:
        for what in (POWER, NETWORK):
            found[Fault(faults.HOST, what, host, (host,), moves=True)] = 1.0
        found[Fault(faults.HOST, LEAVES, host, moves=True)] = 1.0
    found[Fault(faults.CLUSTER, "has its DC leave, and come back", moves=True)] = 1.0
    return found


def _of_administrator() -> dict[Fault, float]:
    def he(what: str, host: str = "", *, moves: bool = False, stays: bool = False) -> Fault:
        return Fault(faults.ADMINISTRATOR, what, host, moves=moves, stays=stays)

    found = {
        he(faults.STOPS, moves=True, stays=True): 1.0,
        he(faults.STARTS): 1.0,
        he(faults.RESTARTS, moves=True): 1.0,
        he(faults.CLEANS): 1.0,
        he(faults.REFRESHES): 1.0,
        he(faults.UNMANAGES): 1.0,
        he(faults.MAINTAINS): 1.0,
        he(faults.DELETES): 1.0,
        he(faults.PUSHES): 1.0,
        he(faults.PUSHES_BAN, moves=True): 1.0,
    }
    for what in (faults.MOVES, MOVES_ASKER, faults.STANDS_BY):
        found |= {he(what, host, moves=True): 0.5 for host in HOSTS}
    return found


# Sorts of faults, how often each is drawn, and its faults with their weights.
SORTS: tuple[tuple[float, Mapping[Fault, float]], ...] = (
    (30, _ours()),
    (
        8,
        {Fault(faults.GUEST_CONNECTD, w): 1.0 for w in (faults.KILLED, faults.PAUSED, faults.ANEW)},
    ),
    (22, _of_pacemaker()),
    (8, {Fault(faults.LIBVIRTD, w, h): 1.0 for w in (faults.KILLED, faults.PAUSED) for h in HOSTS}),
    (12, _of_hosts()),
    (20, _of_administrator()),
)


def plan(seed: int, number: int) -> Plan:
    """The round of that number."""
    chance = random.Random(f"{seed}:{number}")
    situation = _weighted(chance, _SITUATIONS)
    disturbances = _disturbances(chance)
    timeout_s = LOSS_S if any(one.fault.risk for one in disturbances) else REQUEST_S
    requests = _requests(chance, seed, number, timeout_s)
    guests = dict.fromkeys(name for one in requests for name in (one.target, one.asker))
    homes = {guest: _home(chance, guest) for guest in guests}
    goal = chance.choice([host for host in HOSTS if host != homes[requests[0].target]])
    return Plan(seed, number, homes, situation, goal, tuple(requests), tuple(disturbances))


def _home(chance: random.Random, guest: str) -> str:
    """Most often where Pacemaker has started it, since a big one takes long to move."""
    if guest == SMALL or chance.random() < 0.3:
        return chance.choice(HOSTS)
    return HOSTS[ASKERS.index(guest)]


def asker(seed: int, number: int) -> str:
    """Who asks first in that round: the round before fences another one, if it can, so that nobody
    has to wait for it to boot."""
    return random.Random(f"{seed}:{number}:asker").choice(ASKERS)


def _requests(chance: random.Random, seed: int, number: int, timeout_s: float) -> list[Request]:
    first, spared = asker(seed, number), asker(seed, number + 1)
    company = _weighted(chance, _COMPANY)
    peers = [one for one in ASKERS if one not in (first, spared)]
    # Only one who asks itself can fence back.
    weights = {**dict.fromkeys(peers, 1.0), **({} if company == MUTUAL else {SMALL: 2.0})}
    target = _weighted(chance, weights)

    def request(asker: str, target: str, after_s: float, operation: str = "") -> Request:
        return Request(
            asker,
            target,
            operation or _weighted(chance, {RESET: 2, OFF: 1}),
            _weighted(chance, _THROUGH),
            chance.choice((OF_2011, SEALED)),
            round(after_s, 2),
            timeout_s,
        )

    found = [request(first, target, 0.0)]
    others = [one for one in ASKERS if one not in (first, target)]
    if company == JOINED:
        found.append(request(chance.choice(others), target, chance.uniform(0, 1.5)))
    elif company == MUTUAL:
        found.append(request(target, first, chance.choice((0.0, chance.uniform(0, 1.0)))))
    elif company == OTHER:
        second = chance.choice([one for one in ASKERS if one != first])
        victims = [one for one in GUESTS if one not in (second, target, first)]
        found.append(request(second, chance.choice(victims), chance.uniform(0, 1.5)))
    elif company == AGAIN:
        found.append(request(first, target, chance.uniform(0, 3.0)))
    if chance.random() < 0.15:
        found.append(request(chance.choice(others), target, chance.uniform(0, 3.0), STATUS))
    return found


def _disturbances(chance: random.Random) -> list[Disturbance]:
    count, found = _weighted(chance, _COUNTS), list[Disturbance]()
    while len(found) < count:
        (sort,) = chance.choices([each for _, each in SORTS], [weight for weight, _ in SORTS])
        fault = _weighted(chance, sort)
        if not _clashes(fault, [one.fault for one in found]):
            found.append(Disturbance(fault, _moment(chance, fault), _lasts_s(chance, fault)))
    return found


def _clashes(fault: Fault, others: Sequence[Fault]) -> bool:
    """The same one again; and of hosts that are lost one at a time is enough."""
    if any((fault.who, fault.host) == (one.who, one.host) for one in others if one.host):
        return True
    return fault in others or (is_loss(fault) and any(map(is_loss, others)))


def is_loss(fault: Fault) -> bool:
    return fault.what in (POWER, NETWORK)


def _moment(chance: random.Random, fault: Fault) -> Moment:
    """Most come while the fence is under way, which is less than a second."""
    within = Moment(Since.BANNED, round(chance.choice((0.0, chance.uniform(0, 1.0))), 2))
    if fault.what == faults.DELETES:
        return within
    before = Moment(Since.ASKED, round(-chance.uniform(0.1, 3.0), 2))
    soon = Moment(Since.ASKED, round(chance.uniform(0, 3.0), 2))
    together = Moment(Since.ASKED, 0.0)
    return _weighted(chance, {before: 22, together: 13, soon: 20, within: 45})


def _lasts_s(chance: random.Random, fault: Fault) -> float:
    if fault.what in (faults.PAUSED, faults.UNMANAGES, faults.MAINTAINS):
        return round(chance.uniform(0.3, 6.0), 1)
    if fault.what == LEAVES or fault.who == faults.CLUSTER:
        return round(chance.uniform(1.0, 6.0), 1)
    # corosync notices after 3 s, and the host is fenced then.
    if fault.what == NETWORK and chance.random() < 0.4:
        return round(chance.uniform(0.5, 8.0), 1)
    return 0.0


def _weighted(chance: random.Random, weights: Mapping[T, float]) -> T:
    return chance.choices(list(weights), list(weights.values()))[0]
