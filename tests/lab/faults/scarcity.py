# SPDX-License-Identifier: GPL-2.0-or-later
"""The table of scarcity: what a host or its processes lack for 15 s, from which moment on. Pure.

The moments are states of a fence, and the begin of each action of the agents under Pacemaker.
"""

from __future__ import annotations

import random
from typing import NamedTuple

from tests.lab.faults import faults
from tests.lab.faults.faults import COORDINATOR, OFF, RESET, Fault, State

LASTS_S = 15.0
# How many cells an everyday run takes, of 45 s each.
SAMPLED = 1

STONITHD, CONNECTD = faults.STONITHD, faults.CONNECTD
VIRTUAL_DOMAIN, ANYTHING = "VirtualDomain", "vm-anything"

RUN, OURS = "/run", "/run/pm_kvm_tools"
LOGS, STATE = "/var/log", "/var/lib/pacemaker/cib"


class Lack(NamedTuple):
    """What is wanting. of: a path, a program, or the agents of the host.

    starts_nothing: so little that not even the interpreter begins. Then nothing of ours runs, and
    what Pacemaker makes of it is its own.
    """

    of: str
    what: str
    starts_nothing: bool = False

    @property
    def name(self) -> str:
        return f"{self.of} {self.what}"


FULL, NO_NAMES = "is full", "has no room for a name"
READ_ONLY, DELETED, A_FILE = "is read-only", "is deleted", "is a plain file"
NO_MEMORY = "gets no memory"
NO_DESCRIPTOR = "gets no descriptor"
NO_PROCESS = "gets no process and no thread"
AGENTS = "the agents"
TOO_LITTLE = "get too little memory for Python"
FOR_PYTHON = "get memory for Python alone"
FOR_LIBVIRT = "get memory for libvirt or a thread"
NO_STACK = "get no memory for a thread"
SINGLE = "get no process and no thread"
ONE_FILE, FEW_FILES = "get one descriptor", "get five descriptors"

VAR = "/var, with the CIB,"
PATHS = (
    Lack(RUN, FULL),
    Lack(RUN, NO_NAMES),
    Lack(OURS, READ_ONLY),
    Lack(OURS, DELETED),
    Lack(OURS, A_FILE),
    *(Lack(f"{OURS}/{name}", A_FILE) for name in ("domains", "debts", "anything")),
    Lack(LOGS, FULL),
    Lack(VAR, FULL),
)
OF_DAEMONS = (NO_MEMORY, NO_DESCRIPTOR, NO_PROCESS)
OF_AGENTS = (
    Lack(AGENTS, TOO_LITTLE, starts_nothing=True),
    *(
        Lack(AGENTS, what)
        for what in (FOR_PYTHON, FOR_LIBVIRT, NO_STACK, SINGLE, ONE_FILE, FEW_FILES)
    ),
)


class Fence(NamedTuple):
    """A state of a fence."""

    operation: str
    state: State

    @property
    def name(self) -> str:
        return f"{self.operation}, {self.state.value}"


class Action(NamedTuple):
    """An action of an agent that Pacemaker calls; a probe is a monitor that it calls once."""

    agent: str
    operation: str

    @property
    def name(self) -> str:
        return f"{self.agent} {self.operation}"

    @property
    def call(self) -> str:
        """As the agent is told."""
        return "monitor" if self.operation == PROBE else self.operation

    @property
    def is_recurring(self) -> bool:
        return self.operation == MONITOR


START, STOP, MONITOR, PROBE = "start", "stop", "monitor", "probe"
MIGRATE_TO, MIGRATE_FROM = "migrate_to", "migrate_from"
RELOAD, VALIDATE = "reload-agent", "validate-all"
ACTIONS = (
    *(
        Action(VIRTUAL_DOMAIN, operation)
        for operation in (START, STOP, MONITOR, PROBE, MIGRATE_TO, MIGRATE_FROM, RELOAD, VALIDATE)
    ),
    *(Action(ANYTHING, operation) for operation in (START, MONITOR, STOP)),
)
# An off has one state more than a reset.
FENCES = (
    Fence(RESET, State.WAITING),
    Fence(RESET, State.WRITING),
    Fence(RESET, State.KILLED),
    Fence(RESET, State.BARRED),
    Fence(OFF, State.ROLE),
    Fence(RESET, State.ANSWERED),
)
# Of a fence host1 has the requester, host2 the target; actions are on the host of the target.
HOME = faults.TARGET


class Cell(NamedTuple):
    """A lack on a host, from that state of a fence on, or from the begin of that action there."""

    lack: Lack
    host: str
    moment: Fence | Action

    @property
    def name(self) -> str:
        return f"{self.moment.name}: {self.lack.name} on {self.host}"


def fault(cell: Cell, moment: Fence) -> faults.Cell:
    """The same as a cell of the fault table. The target may be started elsewhere for it."""
    lack = Fault(cell.lack.name, f"on {cell.host}", moves=True)
    return faults.Cell(moment.operation, moment.state, lack)


def fence_cells() -> list[Cell]:
    daemons = [
        (Lack(program, what), host)
        for program, hosts in ((STONITHD, (COORDINATOR, HOME)), (CONNECTD, (COORDINATOR,)))
        for host in hosts
        for what in OF_DAEMONS
    ]
    paths = [(lack, host) for host in (COORDINATOR, HOME) for lack in PATHS]
    # Without an interpreter a fenced guest's stop fails, and Pacemaker fences its host for that.
    agents = [(lack, HOME) for lack in OF_AGENTS if not lack.starts_nothing]
    places = [*paths, *daemons, *agents]
    return [Cell(lack, host, moment) for moment in FENCES for lack, host in places]


def action_cells() -> list[Cell]:
    lacks = (*PATHS, *OF_AGENTS)
    return [Cell(lack, HOME, moment) for moment in ACTIONS for lack in lacks]


def cells() -> list[Cell]:
    """The whole table."""
    return [*fence_cells(), *action_cells()]


def shuffled(seed: int) -> list[Cell]:
    """The whole table in an order that follows from the seed: each lack of a host once, at some
    moment, then each once more, so that any part of it is broad."""
    draw = random.Random(seed)
    left: dict[tuple[Lack, str], list[Cell]] = {}
    for cell in draw.sample(cells(), len(cells())):
        left.setdefault((cell.lack, cell.host), []).append(cell)
    found = []
    while left:
        for place in draw.sample(list(left), len(left)):
            found.append(left[place].pop())
            if not left[place]:
                del left[place]
    return found
