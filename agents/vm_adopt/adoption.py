# SPDX-License-Identifier: GPL-2.0-or-later
"""VirtualDomain resources change their provider while their guests run on.

Pacemaker restarts a resource whose provider changes. So: maintenance on, the provider changed in
one write, the history cleared, the new provider's probes awaited, maintenance off. What goes
wrong on the way leaves the resources in maintenance, the guests alone, and says how to go on.
"""

from __future__ import annotations

from typing import NamedTuple
from xml.etree import ElementTree as ET

from pmkvm import process
from pmkvm.errors import DeadlineError, HaError
from pmkvm.fencing import ban as bans
from pmkvm.pacemaker import cib, primitives, resource_meta, status, tools
from pmkvm.virt import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from pmkvm.deadline import Deadline
    from pmkvm.pacemaker.primitives import Primitive
    from pmkvm.pacemaker.status import Cluster

TYPE = "VirtualDomain"
HEARTBEAT, EXTRA = "heartbeat", "extra"

_POLL_S = 0.5


class AdoptionError(HaError):
    """It can't be done, or not to its end."""


class Guest(NamedTuple):
    """A resource, the nodes that it runs on, and whether somebody else has it in maintenance."""

    resource: str
    nodes: tuple[str, ...]
    was_in_maintenance: bool


def plan(document: str, resources: Collection[str], new: str) -> cib.Change | None:
    """The one write: of each resource only the provider, which is its template's if it has one.

    Clones are none of ours. Raises AdoptionError. Pure.
    """
    old = HEARTBEAT if new == EXTRA else EXTRA
    section = ET.fromstring(document).find("configuration/resources")
    there = [] if section is None else list(primitives.find(section))
    named = [each for each in there if each.id in resources and each.is_alone]
    merged = ET.Element("resources")
    for each in named:
        _require_kind(each, old, new)
        _require_company(each, there, resources)
        if each.kind.get("provider") == old:
            path = (*each.around, each.element) if each.template is None else (each.template,)
            _add(merged, path, new)
    missing = sorted(set(resources) - {each.id for each in named})
    if missing:
        raise AdoptionError(f"there is no resource {', '.join(missing)}")
    if len(merged) == 0:
        return None
    text = ET.tostring(merged, encoding="unicode")
    return cib.Change(merged=f"<configuration>{text}</configuration>")


def guests(cluster: Cluster, resources: Sequence[str]) -> list[Guest]:
    """As they are now. Raises AdoptionError for one whose state is not clear. Pure."""
    found = []
    for resource in resources:
        instances = cluster.instances(resource)
        if len(instances) != 1:
            raise AdoptionError(f"{resource} has {len(instances)} instances, and must have one")
        (one,) = instances
        if one.failed or one.blocked or one.pending or len(one.nodes) > 1:
            raise AdoptionError(f"{resource} is failed, blocked or on its way: settle that first")
        found.append(Guest(resource, one.nodes, was_in_maintenance=not one.managed))
    return found


def is_adopted(cluster: Cluster, guest: Guest, new: str) -> bool:
    """Whether the new provider's probes have found the guest where it was. Pure."""
    agent = f"ocf:{new}:{TYPE}"
    return any(
        one.agent == agent and one.nodes == guest.nodes and not one.failed and not one.pending
        for one in cluster.instances(guest.resource)
    )


def adopt(
    resources: Sequence[str], new: str, deadline: Deadline, say: Callable[[str], None]
) -> None:
    """Raises AdoptionError, and HaError from Pacemaker's tools."""
    if plan(cib.query(deadline), resources, new) is None:
        say(f"all of them are ocf:{new}:{TYPE} already")
        return
    found = guests(status.query(deadline), resources)
    for guest in found:
        _refuse_ban(guest.resource, deadline)
    ours = [guest for guest in found if not guest.was_in_maintenance]
    for guest in ours:
        _maintenance(guest.resource, deadline, on=True)
    try:
        _wait("maintenance", deadline, lambda now: all(_is_unmanaged(now, one) for one in found))
        say("in maintenance")
        cib.change(lambda document: plan(document, resources, new), deadline)
        say(f"provider is {new}")
        for guest in found:
            tools.call(("crm_resource", "--refresh", "--resource", guest.resource), deadline)
        _wait(
            "the probes to find every guest where it was",
            deadline,
            lambda now: all(is_adopted(now, guest, new) for guest in found),
        )
        say("found by the new provider where they were")
        if new == EXTRA:
            _write_uuids(found, deadline, say)
    except HaError as error:
        raise AdoptionError(_advice(error, [guest.resource for guest in ours])) from error
    for guest in ours:
        _maintenance(guest.resource, deadline, on=False)
    say("maintenance is over")


def _write_uuids(found: Sequence[Guest], deadline: Deadline, say: Callable[[str], None]) -> None:
    """The cluster's uuid of each that runs on this host, as its probe has remembered it.

    Any other's is written by its next start.
    """
    for guest in found:
        remembered = record.load(guest.resource)
        life = remembered.life if remembered is not None else None
        if remembered is None or life is None or not process.is_alive(life):
            continue
        name, uuid = resource_meta.VM_UUID, remembered.identity.uuid
        if uuid:
            try:
                resource_meta.write(guest.resource, name, uuid, deadline)
            except HaError as error:
                say(f"{guest.resource}: {name} is not written, its next start does: {error}")


def _require_kind(primitive: Primitive, old: str, new: str) -> None:
    if primitive.agent not in (f"ocf:{old}:{TYPE}", f"ocf:{new}:{TYPE}"):
        raise AdoptionError(f"{primitive.id} is {primitive.agent}, and not ocf:{old}:{TYPE}")


def _require_company(
    primitive: Primitive, there: Sequence[Primitive], resources: Collection[str]
) -> None:
    """Who has the same template changes with it, and must be in maintenance then."""
    template = primitive.template
    if template is None:
        return
    same = [each for each in there if each.template is template and each.id not in resources]
    if same:
        names = ", ".join(each.id for each in same)
        raise AdoptionError(f"{primitive.id} has its template with {names}: name all of them")


def _add(merged: ET.Element, path: tuple[ET.Element, ...], new: str) -> None:
    place = merged
    for element in path:
        there = place.find(f"{element.tag}[@id='{element.get('id')}']")
        place = (
            ET.SubElement(place, element.tag, id=element.attrib["id"]) if there is None else there
        )
    place.set("provider", new)


def _refuse_ban(resource: str, deadline: Deadline) -> None:
    if bans.find(cib.query_local(bans.xpath(resource), deadline), resource) is not None:
        raise AdoptionError(f"{resource} is being fenced: try again when that is over")


def _maintenance(resource: str, deadline: Deadline, *, on: bool) -> None:
    argv = ["crm_resource", "--resource", resource, "--meta"]
    argv += ["--set-parameter", "maintenance", "--parameter-value", "true"] if on else []
    argv += [] if on else ["--delete-parameter", "maintenance"]
    tools.call(argv, deadline)


def _is_unmanaged(cluster: Cluster, guest: Guest) -> bool:
    return all(not one.managed and not one.pending for one in cluster.instances(guest.resource))


def _wait(what: str, deadline: Deadline, is_so: Callable[[Cluster], bool]) -> None:
    try:
        while not is_so(status.query(deadline)):
            deadline.pause(_POLL_S)
    except DeadlineError as error:
        raise DeadlineError(f"out of time while waiting for {what}") from error


def _advice(error: HaError, resources: Sequence[str]) -> str:
    names = " ".join(resources)
    return (
        f"{error}. The guests run on, in maintenance. Look at `crm_mon -1`; repeat this command, or"
        f" undo it with --back; at last, for each of {names}:"
        " crm_resource --resource ID --meta --delete-parameter maintenance"
    )
