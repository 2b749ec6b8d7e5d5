# SPDX-License-Identifier: GPL-2.0-or-later
"""Waiting until the cluster has done what it was told, or has nothing left to do for it; never
longer than without any progress.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

from pmkvm.deadline import Deadline
from pmkvm.errors import HaError
from pmkvm.pacemaker import status, tools

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pmkvm.pacemaker.status import Cluster

POLL_S = 0.5
# For the transition to begin, and for the answer of one crm_mon on a busy host.
SLACK_S = 15.0
# A cluster that is idle so long after it was told, and twice in a row, does no more.
BEGINS_S = 2.0
# For the node that decides to say what it does.
IDLE_S = 5.0

# A line that is begun anew, and empty (ECMA-48 EL).
CLEAR = "\r\x1b[K"


class Outcome(NamedTuple):
    """late: what did not get there; the last look; whether the cluster had nothing left to do."""

    late: Sequence[str]
    cluster: Cluster
    is_settled: bool = False


def wait_for(
    resources: Sequence[str],
    reached: Callable[[Cluster, str], bool],
    patience_s: float,
    doing: Callable[[], str],
) -> Outcome:
    """Until reached(cluster, resource) for all, or until the cluster is idle without it, while one
    gets there each patience_s at least.

    Pacemaker works through many guests a few at a time, so one operation's time-out bounds
    the time to the next success and not the whole. doing tells a person at a terminal more.
    """
    waiting = list(resources)
    deadline, begins = Deadline(patience_s), Deadline(BEGINS_S)
    idle = 0
    is_watched = sys.stderr.isatty()
    try:
        while True:
            cluster = status.query(Deadline(SLACK_S))
            if is_watched:
                # What reached() says begins a line.
                sys.stderr.write(CLEAR)
            left = [each for each in waiting if not reached(cluster, each)]
            if len(left) < len(waiting):
                deadline = Deadline(patience_s)
            waiting = left
            idle = idle + 1 if waiting and begins.expired() and is_idle(cluster) else 0
            if not waiting or idle > 1 or deadline.expired():
                return Outcome(waiting, cluster, idle > 1)
            if is_watched:
                done = len(resources) - len(waiting)
                # Back to the line's beginning, write, clear what is left of it (ECMA-48 EL).
                sys.stderr.write(f"\r{done} of {len(resources)} {doing()}\x1b[K")
                sys.stderr.flush()
            deadline.pause(POLL_S)
    finally:
        if is_watched:
            sys.stderr.write(CLEAR)


def is_idle(cluster: Cluster) -> bool:
    """Whether the node that decides has no transition under way; not known counts as no."""
    if any(each.pending for each in cluster.resources):
        return False
    if not cluster.dc:
        return False
    argv = ("crmadmin", "--status", cluster.dc)
    try:
        return "S_IDLE" in tools.call(argv, Deadline(IDLE_S)).out
    except HaError:
        return False
