# SPDX-License-Identifier: GPL-2.0-or-later
"""Waiting until the cluster has done what it was told, never longer than without any progress."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

from pmkvm.deadline import Deadline
from pmkvm.pacemaker import status

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pmkvm.pacemaker.status import Cluster

POLL_S = 0.5
# For the transition to begin, and for the answer of one crm_mon on a busy host.
SLACK_S = 15.0


class Outcome(NamedTuple):
    """late: what did not get there; the last look."""

    late: Sequence[str]
    cluster: Cluster


def wait_for(
    resources: Sequence[str],
    reached: Callable[[Cluster, str], bool],
    patience_s: float,
    doing: Callable[[], str],
) -> Outcome:
    """Until reached(cluster, resource) for all, while one gets there each patience_s at least.

    Pacemaker works through many guests a few at a time, so one operation's time-out bounds
    the time to the next success and not the whole. doing tells a person at a terminal more.
    """
    waiting = list(resources)
    deadline = Deadline(patience_s)
    is_watched = sys.stderr.isatty()
    try:
        while True:
            cluster = status.query(Deadline(SLACK_S))
            left = [each for each in waiting if not reached(cluster, each)]
            if len(left) < len(waiting):
                deadline = Deadline(patience_s)
            waiting = left
            if not waiting or deadline.expired():
                return Outcome(waiting, cluster)
            if is_watched:
                done = len(resources) - len(waiting)
                # Back to the line's beginning, write, clear what is left of it (ECMA-48 EL).
                sys.stderr.write(f"\r{done} of {len(resources)} {doing()}\x1b[K")
                sys.stderr.flush()
            deadline.pause(POLL_S)
    finally:
        if is_watched:
            sys.stderr.write("\r\x1b[K")


def why(cluster: Cluster, resource: str) -> str:
    """What Pacemaker remembers as failed of it, to stand behind a sentence."""
    said = ""
    for key, node, reason in cluster.failures:
        if key.startswith(f"{resource}_"):
            task, _, _interval = key[len(resource) + 1 :].rpartition("_")
            said += f"; {task} failed on {node}" + (f": {reason}" if reason else "")
    return said
