# SPDX-License-Identifier: GPL-2.0-or-later
"""When a fence may start, when it must begin anew, and when the target is proven dead. Pure.

Each function answers with what is wrong, empty when nothing is: that is the NG's reason.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemons.vm_stonithd.model.facts import Standing
from daemons.vm_stonithd.model.host_report import Objection, Stage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from daemons.vm_stonithd.model.facts import View
    from daemons.vm_stonithd.model.host_report import HostReport
    from pmkvm.fencing.ban import Ban

# What must be left of a lease for an OK.
LEAST_LEASE_S = 20.0

_OBJECTIONS = {
    Objection.CLOCK: "its clock is apart",
    Objection.DIFFERS: "the domain there has another uuid",
    Objection.MISSING: "nothing of it is found there, and Pacemaker does not say stopped",
    Objection.FOREIGN: "its guest is no QEMU of that host",
}


def obstacle(view: View, target: str) -> str:
    """What the create guard will refuse, and what it can't see: whether the target is managed."""
    if not view.quorum:
        return "no quorum"
    if view.maintenance:
        return "maintenance"
    return unfit(view, target)


def unfit(view: View, target: str) -> str:
    """The second look: a host was lost, or the target unmanaged."""
    for host, standing in sorted(view.hosts.items()):
        if standing is Standing.OTHER:
            return f"{host} is neither a member nor down for good"
        if standing is Standing.OK and host not in view.partition:
            return f"{host} is not in this partition"
        if view.may_run(host, target):
            return f"{host} has left and may run {target}"
    resource = view.resources.get(target)
    if resource is None:
        return f"{target} is no VirtualDomain of this cluster any more"
    if not resource.managed:
        return f"{target} is unmanaged"
    # Two of Pacemaker's words: of the histories, and of what crm_mon makes of them.
    remote = {node for node in view.remote if view.may_run_remotely(node, target)}
    remote |= set(resource.runs_on) - set(view.hosts)
    return f"{min(remote)} is a remote node and may run {target}" if remote else ""


def lack(ban: Ban, view: View, reports: Mapping[str, HostReport], wall: float) -> str:
    """What lacks of the proof: every member of now is dead, having seen all members' bars."""
    there = view.bans.get(ban.resource)
    if there is None or there.id != ban.id:
        return "the ban is not in place"
    if there.end - wall < LEAST_LEASE_S:
        return "the lease is too short"
    # The host that is furthest behind is the reason that helps a person.
    behind = sorted(view.members, key=lambda host: (_stage(host, ban, reports), host))
    unproven = (_unproven(host, ban, view, reports) for host in behind)
    return unfit(view, ban.resource) or next(filter(None, unproven), "")


def _stage(host: str, ban: Ban, reports: Mapping[str, HostReport]) -> Stage:
    return reports[host].of(ban.id).stage if host in reports else Stage.SILENT


def _unproven(host: str, ban: Ban, view: View, reports: Mapping[str, HostReport]) -> str:
    if host in judged(ban.id, reports):
        return ""
    if host not in reports:
        return f"not proven on {host}: its vm-stonithd says nothing"
    ban_report = reports[host].of(ban.id)
    if ban_report.objection is not None:
        return f"not proven on {host}: {_OBJECTIONS[ban_report.objection]}"
    if ban_report.stage is not Stage.DEAD or not view.members <= ban_report.saw:
        return f"not proven on {host}: it says {ban_report.stage.name.lower()}"
    return ""


def bars(ban_id: str, reports: Mapping[str, HostReport]) -> frozenset[str]:
    """The hosts that have barred."""
    said = (host for host, said in reports.items() if said.of(ban_id).stage >= Stage.BARRED)
    return frozenset(said) | judged(ban_id, reports)


def judged(ban_id: str, reports: Mapping[str, HostReport]) -> frozenset[str]:
    """The hosts that a coordinator has judged by Pacemaker's record: to everyone barred and
    dead."""
    none: frozenset[str] = frozenset()
    return none.union(*(said.of(ban_id).judged for said in reports.values()))
