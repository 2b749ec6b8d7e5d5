# SPDX-License-Identifier: GPL-2.0-or-later
"""A plain round, and what may disturb it: guest1 on host1 resets guest2 on host2."""

from __future__ import annotations

from tests.lab.faults import faults
from tests.lab.faults.faults import Fault
from tests.lab.guests.fencing_guest import CONNECT
from tests.lab.soak import draw
from tests.lab.soak.plan import (
    SEALED,
    Disturbance,
    Moment,
    Plan,
    Request,
    Since,
    Situation,
)

REQUEST = Request("guest1", "guest2", faults.RESET, CONNECT, SEALED, 0.0, 30.0)
HOMES = {"guest1": "host1", "guest2": "host2"}
PLAN = Plan(7, 1, HOMES, Situation.AT_REST, "host3", (REQUEST,), ())
LOSS = Fault(faults.HOST, draw.POWER, "host2", ("host2",), moves=True)
LEAVE = Fault(faults.HOST, draw.LEAVES, "host3", moves=True)
STANDBY = Fault(faults.ADMINISTRATOR, faults.STANDS_BY, "host1", moves=True)
MOVE = Fault(faults.ADMINISTRATOR, faults.MOVES, "host3", moves=True)
STOP = Fault(faults.ADMINISTRATOR, faults.STOPS, moves=True, stays=True)
KILL = Fault(faults.STONITHD, faults.KILLED, "host1")


def disturbed(*own: Fault) -> Plan:
    moment = Moment(Since.ASKED, 0.0)
    return PLAN._replace(disturbances=tuple(Disturbance(one, moment) for one in own))
