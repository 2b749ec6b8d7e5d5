# SPDX-License-Identifier: GPL-2.0-or-later
"""What the disturbances of a round do by themselves, fence or no fence. Pure."""

from __future__ import annotations

from typing import NamedTuple

from tests.lab.faults import faults
from tests.lab.soak import draw
from tests.lab.soak.plan import HOSTS, MOVES_ASKER, Situation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.lab.faults.faults import Fault
    from tests.lab.soak.plan import Plan

# What moves the guests of a host away, alive.
_EMPTIES = (draw.LEAVES, faults.STANDS_BY)


class Allowance(NamedTuple):
    """risk: hosts that may be lost or fenced. upset: hosts whose resources may be stopped or moved.

    moves: lives of guests may end. migrates: guests may be on two hosts. kept: a guest stays
    stopped until it is started. has_quorum: always.
    """

    risk: frozenset[str]
    upset: frozenset[str]
    moves: bool
    migrates: bool
    kept: bool
    has_quorum: bool


def allowance(plan: Plan) -> Allowance:
    own = [one.fault for one in plan.disturbances]
    has_quorum = len(_away(own)) < 2
    risk = frozenset(host for fault in own for host in fault.risk)
    upset = {fault.host for fault in own if _upsets(fault)}
    if not has_quorum or any(fault.who == faults.CLUSTER for fault in own):
        upset = set(HOSTS)
    is_moved = any(fault.what in (faults.MOVES, MOVES_ASKER) for fault in own)
    return Allowance(
        risk=risk,
        upset=frozenset(upset),
        moves=not has_quorum or any(fault.moves for fault in own),
        migrates=bool(upset) or is_moved or plan.situation is Situation.MIGRATING,
        kept=any(fault.stays for fault in own) or plan.situation is Situation.STOPPING,
        has_quorum=has_quorum,
    )


def _upsets(fault: Fault) -> bool:
    """Whether what runs on its host may be stopped, moved, or started anew."""
    return bool(fault.risk) or fault.what in _EMPTIES


def _away(own: list[Fault]) -> set[str]:
    """Hosts that may be gone at one time; any host may be the DC."""
    gone = {fault.host for fault in own if fault.risk or fault.what == draw.LEAVES}
    return gone | {"the DC" for fault in own if fault.who == faults.CLUSTER}
