# SPDX-License-Identifier: GPL-2.0-or-later
"""A failed operation in a sentence. Pure."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pmkvm.pacemaker.status import Cluster, Failure

# What OCF calls running, but degraded.
DEGRADED = "190"


def sentence(failure: Failure, resource: str) -> str:
    """With the agent's reason, which Pacemaker does not keep of every operation; else its code."""
    reason = failure.reason or failure.said.lower()
    return f"{failure.task(resource)} failed on {failure.node}" + (f": {reason}" if reason else "")


def sentences(cluster: Cluster, resource: str) -> list[str]:
    """crm_mon lists a monitor that found it degraded among the failures, and it is none."""
    failures = cluster.failures_of(resource)
    return [sentence(each, resource) for each in failures if each.code != DEGRADED]


def new(
    known: Iterable[Failure], cluster: Cluster, resource: str, tasks: Iterable[str]
) -> list[Failure]:
    """Those of these tasks that were not known before; one that failed again is new."""
    before, wanted = set(known), set(tasks)
    found = cluster.failures_of(resource)
    return [each for each in found if each.task(resource) in wanted and each not in before]
