# SPDX-License-Identifier: GPL-2.0-or-later
"""The fault table: who is hit, by what, at which state of a reset and of an off. Pure.

The states are those of vm-stonithd's machine as they can be seen from outside it.
"""

from __future__ import annotations

import random
from enum import Enum
from typing import NamedTuple

RESET, OFF = "reset", "off"


class State(Enum):
    """How far a fence is when the fault comes."""

    WAITING = "the request waits"
    WRITING = "the ban is being written"
    BANNED = "the ban is there"
    KILLED = "the target is killed"
    BARRED = "a host says barred"
    DEAD = "a host says dead"
    ROLE = "the role is being written"
    ANSWERING = "the answer is being remembered"
    ANSWERED = "it is answered"
    ENDING = "the ban is being removed"


STATES = {
    RESET: tuple(state for state in State if state is not State.ROLE),
    # Its ban is left to run out.
    OFF: tuple(state for state in State if state is not State.ENDING),
}

COORDINATOR, TARGET = "host1", "host2"
# Of the ban in the copy that the administrator pushes.
NO_REQUEST = "0" * 16

GUEST_CONNECTD = "the guest's vm-connectd"
CONNECTD, STONITHD = "vm-connectd", "vm-stonithd"
FENCER, CIB, ATTRD, CONTROLLER = (
    "pacemaker-fenced",
    "pacemaker-based",
    "pacemaker-attrd",
    "pacemaker-controld",
)
LIBVIRTD = "libvirtd"
HOST, CLUSTER, ADMINISTRATOR = "the host", "the cluster", "the administrator"

KILLED, PAUSED, FROZEN = "killed", "stopped for 4 s", "stopped for 85 s"
# SIGHUP: it executes what is installed, under the same pid.
ANEW = "begun anew"
PAUSE_S = 4.0
# Longer than a ban stands without its coordinator: the target lives anew when the stopped one wakes
# up.
FREEZE_S = 85.0


class Fault(NamedTuple):
    """host: where it happens, empty for everywhere.

    risk: the hosts that Pacemaker may fence, or that are gone, because of it. moves: it stops or
    moves resources by itself. stays: the target need not come back by itself. cost_s: what a cell
    with it takes, more or less. lost_s: how much longer the target may be away.
    """

    who: str
    what: str
    host: str = ""
    risk: tuple[str, ...] = ()
    moves: bool = False
    stays: bool = False
    cost_s: float = 22.0
    lost_s: float = 0.0

    @property
    def name(self) -> str:
        if self.who == HOST:
            return f"{self.host} {self.what}"
        if self.what == STANDS_BY:
            return f"{self.who} puts {self.host} into standby"
        return f"{self.who}{f' of {self.host}' if self.host else ''} {self.what}"


class Cell(NamedTuple):
    """One fault at one state of one operation."""

    operation: str
    state: State
    fault: Fault

    @property
    def name(self) -> str:
        return f"{self.operation}, {self.state.value}: {self.fault.name}"


LOSS_S = 90.0
# What Pacemaker sends to a controller that dies and is back within the second is lost: "did not
# send stop result within 180000ms", the stop's time and cluster-delay. Then it fences the host.
LOST_S = 120.0 + 60.0 + 45.0


def _processes() -> list[Fault]:
    found = [Fault(GUEST_CONNECTD, what) for what in (KILLED, PAUSED, ANEW)]
    # The clone's monitor comes every 10 s.
    found.append(Fault(CONNECTD, KILLED, COORDINATOR, cost_s=30))
    found += [Fault(CONNECTD, what, COORDINATOR) for what in (PAUSED, ANEW)]
    for host in (COORDINATOR, TARGET):
        found += [
            Fault(STONITHD, KILLED, host, cost_s=30),
            Fault(STONITHD, PAUSED, host),
            Fault(STONITHD, ANEW, host),
            Fault(STONITHD, FROZEN, host, cost_s=130),
        ]
        found += [Fault(who, what, host) for who in (FENCER, ATTRD) for what in (KILLED, PAUSED)]
        for who in (CIB, CONTROLLER):
            # Without its controller a host is unclean to the others.
            killed = Fault(who, KILLED, host, (host,), moves=True, cost_s=LOSS_S, lost_s=LOST_S)
            found.append(killed)
            found.append(Fault(who, PAUSED, host))
        found += [Fault(LIBVIRTD, what, host) for what in (KILLED, PAUSED)]
    return found


def _hosts() -> list[Fault]:
    found = []
    for host in (COORDINATOR, TARGET):
        found += [
            Fault(HOST, "loses its power", host, (host,), moves=True, cost_s=LOSS_S),
            Fault(HOST, "leaves, and comes back", host, moves=True, cost_s=60),
        ]
    apart = Fault(
        HOST, "loses its network", COORDINATOR, (COORDINATOR, TARGET), moves=True, cost_s=LOSS_S
    )
    moved = Fault(CLUSTER, "has its DC leave, and come back", moves=True, cost_s=60)
    return [*found, apart, moved]


STOPS, STARTS, RESTARTS = "stops the target", "starts the target", "restarts the target"
CLEANS, REFRESHES, MOVES = "cleans the target up", "refreshes the target", "moves the target"
UNMANAGES, MAINTAINS = "unmanages the target for 4 s", "has maintenance for 4 s"
STANDS_BY = "puts a host into standby"
DELETES = "deletes the ban"
PUSHES, PUSHES_BAN = "pushes an older copy", "pushes a copy with an older ban"


def _administrator() -> list[Fault]:
    def he(what: str, *, moves: bool = False, stays: bool = False) -> Fault:
        return Fault(ADMINISTRATOR, what, moves=moves, stays=stays)

    found = [
        he(STOPS, moves=True, stays=True),
        he(STARTS),
        he(RESTARTS, moves=True),
        he(CLEANS),
        he(REFRESHES),
        he(MOVES, moves=True),
        he(UNMANAGES),
        he(MAINTAINS),
        he(DELETES),
        he(PUSHES),
        he(PUSHES_BAN, moves=True),
    ]
    standby = Fault(ADMINISTRATOR, STANDS_BY, moves=True, cost_s=35)
    return [*found, standby._replace(host=COORDINATOR), standby._replace(host=TARGET)]


FAULTS = (*_processes(), *_hosts(), *_administrator())


def cells() -> list[Cell]:
    """The whole table."""
    return [
        Cell(operation, state, fault)
        for operation, states in STATES.items()
        for fault in FAULTS
        for state in states
        if _makes_sense(state, fault)
    ]


def _makes_sense(state: State, fault: Fault) -> bool:
    """There is nothing to delete before the write; and who waits is held up by being unmanaged."""
    if state is State.WAITING:
        return fault.what not in (DELETES, UNMANAGES, MAINTAINS)
    return state is not State.WRITING or fault.what != DELETES


def shuffled(seed: int) -> list[Cell]:
    """The whole table in an order that follows from the seed: each fault once, at some state, then
    each once more, so that any part of it is broad."""
    draw = random.Random(seed)
    left = {fault: draw.sample(own, len(own)) for fault, own in _by_fault().items()}
    found = []
    while left:
        for fault in draw.sample(list(left), len(left)):
            found.append(left[fault].pop())
            if not left[fault]:
                del left[fault]
    return found


def _by_fault() -> dict[Fault, list[Cell]]:
    found: dict[Fault, list[Cell]] = {fault: [] for fault in FAULTS}
    for cell in cells():
        found[cell.fault].append(cell)
    return found


def sample(seed: int, seconds: float) -> list[Cell]:
    """As many cells as there is time for."""
    chosen, left = [], seconds
    for cell in shuffled(seed):
        if cell.fault.cost_s <= left:
            chosen.append(cell)
            left -= cell.fault.cost_s
    return chosen
