# SPDX-License-Identifier: GPL-2.0-or-later
"""A failed operation in a sentence. Pure."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pmkvm.pacemaker.status import Cluster, Failure


def sentence(failure: Failure, resource: str) -> str:
    """With the agent's reason, which Pacemaker does not keep of every operation; else its code."""
    reason = failure.reason or failure.said.lower()
    return f"{failure.task(resource)} failed on {failure.node}" + (f": {reason}" if reason else "")


def sentences(cluster: Cluster, resource: str) -> list[str]:
    return [sentence(each, resource) for each in cluster.failures_of(resource)]


def new(
    known: Iterable[Failure], cluster: Cluster, resource: str, tasks: Iterable[str]
) -> list[Failure]:
    """Those of these tasks that were not known before; one that failed again is new."""
    before, wanted = set(known), set(tasks)
    found = cluster.failures_of(resource)
    return [each for each in found if each.task(resource) in wanted and each not in before]
