# SPDX-License-Identifier: GPL-2.0-or-later
"""What a fence of a guest would be answered now, short of the write. Pure.

By vm-stonithd's own decisions: which request is allowed, what stands in a ban's way, what lacks of
a proof; and by the guard of the write, which the CIB manager would evaluate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lxml import etree

from check.vm_check import of_definitions, of_fencing
from check.vm_check.finding import Kind, Severity
from daemons.vm_stonithd.cluster import cib_parser
from daemons.vm_stonithd.intake import requests
from daemons.vm_stonithd.intake.grant import Grant
from daemons.vm_stonithd.machine import proof
from daemons.vm_stonithd.machine.clocks import SILENT_S, Clocks
from daemons.vm_stonithd.model.facts import REFUSED, Operation
from daemons.vm_stonithd.model.host_report import BanReport, HostReport, Objection, Stage
from pmkvm.fencing import guard
from pmkvm.fencing.ban import LEASE_S, RESET, SETTLE, Ban
from pmkvm.fencing.guard import Histories
from pmkvm.wire.message import Forwarded, Sender

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from check.vm_check.facts import Facts, Guest
    from check.vm_check.finding import Finding
    from daemons.vm_stonithd.cluster.cib_parser import Seen

FENCE_REFUSED = Kind(
    "fence-refused",
    Severity.ERROR,
    "A fence of the guest would be answered NG now.",
    "look the words up in doc/fencing.md, What an NG says",
)
KINDS = (FENCE_REFUSED,)

# Of vm-stonithd's words: keys, clocks, uuids, daemons and what an administrator has set.
_TOLD_ELSEWHERE = (
    *("NG maintenance", "is unmanaged", "NG clocks: ", "can't read tokens"),
    *("the domain there has another uuid", "have the same uuid", "its vm-stonithd says nothing"),
)
_QEMU = ("kvm", "qemu", "hvf")
_ID = "rehearsal"
_SECONDS = 20.0
_ENOUGH = 2


class Answer(NamedTuple):
    """asked_on: the host whose vm-stonithd would be asked. requester: the resource of the guest
    that would ask, empty if no other one runs. text: OK, or NG and why; slowly: hosts that would be
    judged by Pacemaker's record, which takes seconds more."""

    requester: str
    asked_on: str
    text: str
    slowly: tuple[str, ...] = ()

    @property
    def is_ok(self) -> bool:
        return self.text == "OK"

    @property
    def is_told_elsewhere(self) -> bool:
        """Whether what is in the way is a finding of its own."""
        return any(words in self.text for words in _TOLD_ELSEWHERE)

    def __str__(self) -> str:
        who = f"asked by {self.requester} on {self.asked_on}" if self.requester else "asked by any"
        more = f"; by Pacemaker's record on {', '.join(self.slowly)}" if self.slowly else ""
        return f"{self.text} ({who}{more})"


def findings(facts: Facts) -> Iterator[Finding]:
    if not of_fencing.is_configured(facts):
        return
    rehearsal = Rehearsal(facts)
    for guest in facts.guests.values():
        if guest.is_alone and guest.runs_on and rehearsal.is_target(guest.resource):
            answer = rehearsal.answer(guest)
            if not answer.is_ok and not answer.is_told_elsewhere:
                yield FENCE_REFUSED.finding(guest.domain, f"a fence of it would get {answer}")


class Rehearsal:
    """All fences of one moment: the CIB is read once."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._cib = facts.cib.getroottree()
        self._seen: Seen = cib_parser.read(
            etree.tostring(facts.cib, encoding="unicode"),
            facts.cluster.online_members(),
            facts.cluster.resources,
        )
        self._held: dict[str, bool] = {}
        self._uuids = {
            each.resource: of_definitions.uuid(facts, each) for each in facts.guests.values()
        }
        self._whose: dict[str, list[str]] = {}
        for name, uuid in self._uuids.items():
            self._whose.setdefault(uuid, []).append(name)
        self._reports = {
            host: each
            for host, each in of_fencing.reports(facts).items()
            if of_fencing.age_s(facts, each) <= SILENT_S
        }
        self._disagreement = self._clocks()
        self._running = self._runners()

    def is_target(self, resource: str) -> bool:
        return resource in self._seen.view.resources

    def answer(self, target: Guest) -> Answer:
        requester, host = self._requester(target)
        by = requester.resource if requester is not None else ""
        reason = (
            self._refusal(target, requester, host)
            or self._in_the_way(target, by)
            or self._guard(target, by, host)
            or self._lack(target, by, host)
        )
        members = self._seen.view.members
        slowly = () if reason else tuple(sorted(members - set(self._reports)))
        return Answer(by, host, f"NG {reason}" if reason else "OK", slowly)

    def _requester(self, target: Guest) -> tuple[Guest | None, str]:
        """Another guest that runs, better on another host than the target."""
        others = [
            (host in target.runs_on, each.resource, each, host)
            for host, guests in self._running.items()
            for each in guests
            if each.resource != target.resource
        ]
        if not others:
            return None, self._facts.this_host
        _same, _name, guest, host = min(others, key=lambda each: each[:2])
        return guest, host

    def _runners(self) -> dict[str, list[Guest]]:
        """Two guests of each member at most: one of them is another than the target."""
        found: dict[str, list[Guest]] = {host: [] for host in sorted(self._seen.view.members)}
        for guest in self._facts.guests.values():
            for host in guest.runs_on:
                if host in found and len(found[host]) < _ENOUGH:
                    found[host].append(guest)
        return found

    def _refusal(self, target: Guest, requester: Guest | None, host: str) -> str:
        """What is said at once: of the token that vm-stonith-key would make, and of the key."""
        said = self._reports.get(host)
        if said is not None and not said.keys and not of_fencing.takes_old_tokens(self._facts):
            return "this host's vm-stonithd can't read tokens"
        if self._seen.configs[target.resource].per_operation:
            return f"{REFUSED}: {self._seen.configs[target.resource].per_operation}"
        uuid = self._uuids.get(target.resource, "")
        asks = "" if requester is None else self._uuids.get(requester.resource, "")
        name = "" if requester is None else requester.resource
        sender = Sender(asks, 1, 1, "" if requester is None else requester.domain, name)
        place = requests.Place(self._seen.cluster, self._uuids.get, self._whose_uuid)
        grant = Grant(target.resource, uuid or None)
        asked = Forwarded(1, sender, "stonith", _ID, _SECONDS, "reset TOKEN")
        request = requests.allowed(1, asked, Operation.RESET, grant, place)
        if request.refusal:
            return f"{request.refusal}: {request.why}"
        ban = self._seen.view.bans.get(name)
        if ban is not None and ban.operation != SETTLE and ban.is_live(self._facts.now):
            return "you are being fenced"
        return ""

    def _whose_uuid(self, uuid: str) -> list[str]:
        return self._whose.get(uuid, [])

    def _in_the_way(self, target: Guest, requester: str) -> str:
        """What a fence waits for before its ban."""
        view = self._seen.view
        if requester in view.bans:
            return "the requester's own ban has to go first"
        return proof.obstacle(view, target.resource) or self._disagreement

    def _guard(self, target: Guest, requester: str, host: str) -> str:
        """The conditions of the write, as the CIB manager would evaluate them."""
        view, name = self._seen.view, target.resource
        there = view.bans.get(name)
        if there is not None and there.operation != SETTLE:
            # A second request joins it.
            return ""
        members = tuple((each, view.call_id(each, name)) for each in sorted(view.members))
        asks = view.call_id(host, requester or name)
        ban = self._ban(target, requester or name, host)
        read = Histories(asks, members, view.busy(name))
        for what, condition in guard.conditions(ban, read, there).items():
            if not self._holds(condition):
                return f"the CIB manager refuses the ban: {what}"
        return ""

    def _holds(self, condition: str) -> bool:
        """Most are about the hosts, and the same for all guests."""
        if condition not in self._held:
            self._held[condition] = bool(self._cib.xpath(f"/cib[{condition}]"))
        return self._held[condition]

    def _lack(self, target: Guest, requester: str, host: str) -> str:
        """Of the proof, if the ban stood and each host that can would have said dead."""
        view, name = self._seen.view, target.resource
        ban = view.bans.get(name) or self._ban(target, requester or name, host)
        objections = self._objections(target)
        silent = view.members - set(self._reports)
        said = {
            each: self._dead(each, ban.id, objections, silent)
            for each in sorted(view.members - silent)
        }
        if not said:
            return f"not proven on {min(silent)}: its vm-stonithd says nothing" if silent else ""
        under = view._replace(bans={**view.bans, name: ban})
        return proof.lack(ban, under, said, self._facts.now)

    def _dead(
        self, host: str, ban_id: str, objections: Mapping[str, Objection], silent: frozenset[str]
    ) -> HostReport:
        objection = objections.get(host)
        stage = Stage.DEAD if objection is None else Stage.SILENT
        report = BanReport(stage, self._seen.view.members, objection, silent)
        return HostReport(self._facts.now, {ban_id: report})

    def _objections(self, target: Guest) -> dict[str, Objection]:
        wanted = self._uuids.get(target.resource, "")
        found = {}
        for host, domain in self._facts.domains(target.domain).items():
            definition = domain.definition
            if domain.uuid != wanted:
                found[host] = Objection.DIFFERS
            elif definition is not None and definition.get("type") not in _QEMU and domain.runs:
                found[host] = Objection.FOREIGN
        return found

    def _ban(self, target: Guest, requester: str, host: str) -> Ban:
        uuid = self._uuids.get(target.resource, "")
        end = int(self._facts.now) + LEASE_S
        return Ban(target.resource, RESET, _ID, requester, _ID, host, uuid, end)

    def _clocks(self) -> str:
        """By one reading: a word is 5 s old at most while its vm-stonithd is well."""
        clocks = Clocks()
        for host, said in self._reports.items():
            if host != self._facts.this_host:
                for step in (0, 1):
                    up = said.up - 1 + step
                    clocks.heard(host, up, now=step, since=step)
        others = self._seen.view.members - {self._facts.this_host}
        return clocks.disagreement(others, now=1.0, wall=self._facts.now)
