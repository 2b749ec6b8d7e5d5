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
    from daemons.vm_stonithd.model.host_report import Words
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
    """What the GUARD will refuse, and what it can't see: whether the target is managed."""
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


def lack(ban: Ban, view: View, words: Mapping[str, Words], wall: float) -> str:
    """What lacks of the proof: every member of now is dead, having seen all members' bars."""
    there = view.bans.get(ban.resource)
    if there is None or there.id != ban.id:
        return "the ban is not in place"
    if there.end - wall < LEAST_LEASE_S:
        return "the lease is too short"
    # The host that is furthest behind is the reason that helps a person.
    behind = sorted(view.members, key=lambda host: (_stage(host, ban, words), host))
    unproven = (_unproven(host, ban, view, words) for host in behind)
    return unfit(view, ban.resource) or next(filter(None, unproven), "")


def _stage(host: str, ban: Ban, words: Mapping[str, Words]) -> Stage:
    return words[host].of(ban.id).stage if host in words else Stage.SILENT


def _unproven(host: str, ban: Ban, view: View, words: Mapping[str, Words]) -> str:
    if host in judged(ban.id, words):
        return ""
    if host not in words:
        return f"not proven on {host}: its vm-stonithd says nothing"
    word = words[host].of(ban.id)
    if word.objection is not None:
        return f"not proven on {host}: {_OBJECTIONS[word.objection]}"
    if word.stage is not Stage.DEAD or not view.members <= word.saw:
        return f"not proven on {host}: it says {word.stage.name.lower()}"
    return ""


def bars(ban_id: str, words: Mapping[str, Words]) -> frozenset[str]:
    """The hosts that have barred."""
    said = (host for host, said in words.items() if said.of(ban_id).stage >= Stage.BARRED)
    return frozenset(said) | judged(ban_id, words)


def judged(ban_id: str, words: Mapping[str, Words]) -> frozenset[str]:
    """The hosts that an owner has judged by Pacemaker's record: to everyone barred and dead."""
    none: frozenset[str] = frozenset()
    return none.union(*(said.of(ban_id).judged for said in words.values()))
