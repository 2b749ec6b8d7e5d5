# SPDX-License-Identifier: GPL-2.0-or-later
"""The guarded writes of a ban: XPaths, evaluated in the CIB manager on the ordered CIB.

Each is a compare-and-swap: it matches, and the change is made on all hosts, or it does not, and
nothing changes (--modify says 105; --delete says 0 all the same: read the ban back). Pure text.
"""

from __future__ import annotations

from itertools import combinations, starmap

from pmkvm.fencing import ban as bans
from pmkvm.fencing import instant
from pmkvm.fencing import status_words as status
from pmkvm.fencing.ban import Ban, check_id
from pmkvm.light_types import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_TARGET = "@class='ocf' and @provider='extra' and @type='VirtualDomain'"


class Write(NamedTuple):
    """cibadmin's arguments: --modify or --delete, the --xpath, and the --xml-text of a --modify."""

    command: str
    xpath: str
    xml: str = ""

    def argv(self) -> tuple[str, ...]:
        text = ("--xml-text", self.xml) if self.xml else ()
        return ("cibadmin", self.command, "--xpath", self.xpath, *text)


class Histories(NamedTuple):
    """What was read of the histories: the highest call-ids, of the requester's on the coordinator's
    host and of the target's on each member (-1 where there is none); and on which members an
    operation of the target was under way."""

    requester: int
    target: tuple[tuple[str, int], ...]
    busy: frozenset[str] = frozenset()


class Creation(NamedTuple):
    """A ban to be, what was read before it, and what may stand in its place: a settle ban, or an
    expired one."""

    ban: Ban
    read: Histories
    replaced: Ban | None = None


def create(*wanted: Creation) -> Write:
    """The one write that starts a fence, or several: all of them or none, each under the whole
    GUARD.

    A write that the CIB manager held back, and that was taken for lost, can come after its sender
    was fenced, or when the target lives anew: by then a stop is recorded with a call-id above those
    that were read, or the start of the new life as under way. Pacemaker writes that down before it
    calls the agent, unless a person has set record-pending=false.

    Raises ValueError for two that are not independent(): together they are judged on one CIB.
    """
    pairs = combinations((one.ban for one in wanted), 2)
    if not all(starmap(independent, pairs)):
        raise ValueError("of two bans in one write neither may be about the other's guests")
    guard = (condition for one in wanted for condition in conditions(*one).values())
    return _modify(" and ".join(dict.fromkeys(guard)), *(one.ban for one in wanted))


def independent(one: Ban, other: Ban) -> bool:
    """Whether neither ban, written first, could keep the other from being written.

    Of two guests that fence each other the second one is refused because it is under a ban: in
    one write both would be let through, and both would die.
    """
    targets, requesters = {one.resource, other.resource}, {one.requester, other.requester}
    return len(targets) == 2 and not targets & requesters  # noqa: PLR2004 - one each


def conditions(ban: Ban, read: Histories, replaced: Ban | None = None) -> dict[str, str]:
    """The conditions of the create guard, each a predicate of /cib."""
    target, requester = check_id(ban.resource), check_id(ban.requester)
    nodes, states = "configuration/nodes/node", "status/node_state"
    transient = "transient_attributes/instance_attributes"
    good = f"[{status.CLUSTER_NODE}][({status.OK}) or ({status.DOWN})]"
    return {
        "quorum": "@have-quorum='1'",
        # An id is compared with all ids of a set at once: the text does not grow with the hosts.
        "hosts": f"not({nodes}[not(@type='remote')][not(@id=/cib/{states}{good}/@id)])",
        "states": f"not({states}[{status.CLUSTER_NODE}][not(({status.OK}) or ({status.DOWN}))])",
        "may run": f"not({states}[{status.CLUSTER_NODE}][{status.DOWN}][{status.may_run(target)}])",
        "may run remotely": f"not({states}[{status.may_run_remotely(target)}])",
        "maintenance": "not(configuration/crm_config/cluster_property_set"
        "/nvpair[@name='maintenance-mode' or @name='stop-all-resources']"
        f"[{status.TRUE}])",
        "node maintenance": f"not({nodes}/instance_attributes/nvpair[@name='maintenance']"
        f"[{status.TRUE}])",
        "transient maintenance": f"not({states}/{transient}/nvpair[@name='maintenance']"
        f"[{status.TRUE}])",
        "target": _is_target(target),
        "no ban on the target": _no_ban(target, replaced),
        "no ban on the requester": _no_ban(requester, None),
        "requester unchanged": _unchanged(ban.coordinator, requester, read.requester),
        **_unchanged_target(target, read),
    }


def settle(ban: Ban, host: str, call_id: int, replaced: Ban | None = None) -> Write:
    """A ban without a request, to settle a host's pending stop. call_id: the highest that host's
    reading had."""
    resource = check_id(ban.resource)
    entry = _history(host, resource)
    elsewhere = f"status/node_state[{status.CLUSTER_NODE}][@uname!='{host}'][{status.OK}]"
    guard = (
        "@have-quorum='1'",
        _no_ban(resource, replaced),
        # Present and not ended: a missing entry is nothing that Pacemaker would stop.
        f"{entry}[lrm_rsc_op][not({status.ended(resource)})][not({status.PENDING})]",
        f"not({entry}/lrm_rsc_op[@call-id>{int(call_id)}])",
        f"not({elsewhere}[not(lrm/lrm_resources/lrm_resource[@id='{resource}']"
        f"[{status.ended(resource)}])])",
    )
    return _modify(" and ".join(guard), ban)


def rewrite(old: Ban, new: Ban) -> Write:
    """Renewal, takeover, or `off` under a `reset`: only while the ban says what old says.

    A requester that is new to the ban must not be under one itself.
    """
    guard = _has(old)
    if new.requester != old.requester:
        guard += f" and {_no_ban(new.requester, None)}"
    return _modify(guard, new)


def remove(ban: Ban) -> Write:
    """The end: only while it says this, and UNRECORDED on no member."""
    unrecorded = status.unrecorded(check_id(ban.resource))
    members = f"status/node_state[{status.CLUSTER_NODE}][{status.OK}]"
    return Write("--delete", f"/cib[not({members}[{unrecorded}])]{_place(ban)}")


def remove_expired(ban: Ban) -> Write:
    """Only while it says this and has this end."""
    return Write("--delete", f"/cib{_place(ban, with_end=True)}")


def forget_history(host: str, resource: str) -> Write:
    """A silent member's entry of the target, so that a probe newer than the ban takes its place."""
    state = f"//node_state[@uname='{check_id(host)}']"
    return Write("--delete", f"{state}//lrm_resource[@id='{check_id(resource)}']")


def _modify(guard: str, *wanted: Ban) -> Write:
    xpath = f"/cib[{guard}]/configuration/constraints"
    return Write(
        "--modify", xpath, f"<constraints>{''.join(map(bans.to_xml, wanted))}</constraints>"
    )


def _unchanged(host: str, resource: str, call_id: int) -> str:
    return f"not({_history(host, resource)}/lrm_rsc_op[@call-id>{int(call_id)}])"


def _unchanged_target(target: str, read: Histories) -> dict[str, str]:
    new, idle = (_members_but(hosts) for hosts in ((h for h, _ in read.target), sorted(read.busy)))
    same = [_unchanged(host, target, call_id) for host, call_id in read.target]
    begun = f"{idle}/lrm/lrm_resources/lrm_resource[@id='{target}'][{status.PENDING}]"
    return {
        "no new member": f"not({new})",
        "target unchanged": " and ".join(same) or "true()",
        "nothing begun": f"not({begun})",
    }


def _members_but(hosts: Iterable[str]) -> str:
    named = " or ".join(f"@uname='{check_id(host)}'" for host in hosts)
    return f"status/node_state[{status.CLUSTER_NODE}][{status.OK}][not({named or 'false()'})]"


def _history(host: str, resource: str) -> str:
    state = f"status/node_state[@uname='{check_id(host)}']"
    return f"{state}/lrm/lrm_resources/lrm_resource[@id='{resource}']"


def _is_target(target: str) -> str:
    # As pmkvm.pacemaker.targets: a template says alone what its primitives are, and neither in a
    # clone nor in a bundle can one be fenced.
    template = f"@template=/cib/configuration/resources/template[{_TARGET}]/@id"
    return (
        f"configuration/resources/descendant::primitive[@id='{target}']"
        f"[(@template!='' and {template}) or (not(@template!='') and {_TARGET})]"
        "[parent::resources or parent::group/parent::resources]"
    )


def _no_ban(resource: str, replaced: Ban | None) -> str:
    place = f"configuration/constraints/rsc_location[@id='{bans.name(resource)}']"
    if replaced is None:
        return f"not({place})"
    return f"(not({place}) or {_has(replaced, with_end=True)})"


def _has(ban: Ban, *, with_end: bool = False) -> str:
    return _place(ban, with_end=with_end).lstrip("/")


def _place(ban: Ban, *, with_end: bool = False) -> str:
    own = bans.name(ban.resource)
    value = f"expression[@id='{own}-request' and @value='{ban.value}']"
    end = f" and date_expression[@id='{own}-lease' and @end='{instant.to_text(ban.end)}']"
    rule = f"rule[{value}{end if with_end else ''}]"
    return f"/configuration/constraints/rsc_location[@id='{own}'][{rule}]"
