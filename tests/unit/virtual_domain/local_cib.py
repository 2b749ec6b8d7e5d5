# SPDX-License-Identifier: GPL-2.0-or-later
"""What this host's CIB holds of the resource vm1, and attrd, at the edge: the process runner."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Callable
from xml.sax.saxutils import quoteattr

from pmkvm.errors import CommandTimeoutError
from pmkvm.fencing import pending_stop as pending_stops
from pmkvm.fencing.ban import Ban, to_xml
from pmkvm.fencing.pending_stop import PendingStop
from pmkvm.run import Completed
from pmkvm.virt import presence
from tests.unit.virtual_domain.world import UUID

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pmkvm.process import Life

BAN_ID = "9c41d7e02b6f5a13"
NOTHING = Completed(105, "", "")


class LocalCib:
    """What `cibadmin --query --local` finds, and what the cluster says of its hosts.

    node1 is this host. hosts: the others, by the kind of their node; down: those of them that are
    offline. guests: the uuids that each host's vm-stonithd publishes; published_s: how long ago, by
    this host's clock. facts: the meta attributes of vm1.

    looks: questions for a ban, whatever else they ask for; fact_looks: those for vm1 alone.
    """

    def __init__(self) -> None:
        # Of bans.
        self.answer = ""
        self.facts: dict[str, str] = {}
        # Without one a person has called for what is no resource.
        self.has_primitive = True
        # Another resource has that very vm-uuid, as one whose lines were copied from it.
        self.is_uuid_copied = False
        # Pacemaker has written down that vm1 was to migrate here.
        self.has_arrival = False
        self.is_readable = self.is_writable = True
        self.looks = self.fact_looks = 0
        # What happens as soon as it has answered.
        self.then: Callable[[], None] = lambda: None
        # Of each name that has been said, each host's value.
        self.attributes: dict[str, dict[str, str]] = {}
        self.is_attrd_there = True
        self.hosts = {"node2": "member"}
        self.down: set[str] = set()
        self.guests: dict[str, list[str]] = {"node2": []}
        self.published_s = 0.0
        self.are_hosts_known = True
        # What happens as soon as attrd has answered.
        self.heard: Callable[[], None] = lambda: None

    @property
    def questions(self) -> int:
        """All that the CIB was asked."""
        return self.looks + self.fact_looks

    def ban(self, operation: str = "reset", lease_s: float = 60) -> None:
        end = int(time.time() + lease_s)
        self.answer = to_xml(Ban("vm1", operation, BAN_ID, "vm2", "5be0", "node1", UUID, end))

    def run(self, argv: Sequence[str], **_options: object) -> Completed:
        if argv[0] == "crm_mon":
            return self._nodes(list(argv[1:]))
        if argv[0] == "crm_node":
            assert argv[1:] == ("--name",)
            return Completed(0, "node1", "")
        if argv[0] == "attrd_updater":
            return self._attrd(list(argv[1:]))
        if argv[0] == "crm_resource":
            return self._change(list(argv[1:]))
        assert tuple(argv[:4]) == ("cibadmin", "--query", "--local", "--xpath")
        return self._find(argv[4])

    def _find(self, xpath: str) -> Completed:
        asks_for_bans = "rsc_location" in xpath
        if asks_for_bans:
            self.looks += 1
        else:
            self.fact_looks += 1
        if not self.is_readable:
            raise CommandTimeoutError("cibadmin did not end")
        if "primitive[@id!='vm1']" in xpath:
            return self._find_others(xpath)
        found = self.answer if asks_for_bans else ""
        if "primitive[@id='vm1']" in xpath and self.has_primitive:
            found += self._primitive()
        if "lrm_resource" in xpath:
            assert xpath.endswith("[@id='vm1']/lrm_rsc_op[@migrate_target='node1']")
            found += '<lrm_rsc_op id="vm1_last_0"/>' if self.has_arrival else ""
        if asks_for_bans and found:
            found = f"<xpath-query>{found}</xpath-query>"
        if asks_for_bans:
            self.then()
        return Completed(0, found, "") if found else NOTHING

    def _find_others(self, xpath: str) -> Completed:
        uuid = self.facts["vm-uuid"]
        assert xpath.endswith(f"[meta_attributes/nvpair[@name='vm-uuid'][@value='{uuid}']]")
        return Completed(0, '<primitive id="vm2"/>', "") if self.is_uuid_copied else NOTHING

    def _primitive(self) -> str:
        pairs = {"target-role": "Started", **self.facts}
        text = "".join(f"<nvpair name='{k}' value={quoteattr(v)}/>" for k, v in pairs.items())
        return f"<primitive id='vm1'><meta_attributes id='m'>{text}</meta_attributes></primitive>"

    def _nodes(self, argv: list[str]) -> Completed:
        assert argv in (
            ["--output-as=xml", "--include=none,nodes"],
            ["--output-as=xml", "--inactive"],
        )
        if not self.are_hosts_known:
            return Completed(102, "", "Could not connect")
        nodes = "".join(
            f"<node name='{name}' type='{kind}' online='{str(name not in self.down).lower()}'/>"
            for name, kind in {"node1": "member", **self.hosts}.items()
        )
        ends = f"<summary/><nodes>{nodes}</nodes><status code='0' message='OK'/>"
        return Completed(0, f"<pacemaker-result>{ends}</pacemaker-result>", "")

    def _change(self, argv: list[str]) -> Completed:
        if not self.is_writable:
            return Completed(102, "", "Could not connect")
        assert argv[:3] == ["--resource", "vm1", "--meta"]
        if argv[3] == "--delete-parameter":
            self.facts.pop(argv[4], None)
        else:
            assert (argv[3], argv[5]) == ("--set-parameter", "--parameter-value")
            self.facts[argv[4]] = argv[6]
        return Completed(0, "", "")

    def _attrd(self, argv: list[str]) -> Completed:
        if not self.is_attrd_there:
            return Completed(102, "", "Could not connect")
        options = _options(argv)
        name = options["--name"]
        values = self.attributes.setdefault(name, {})
        if name == presence.ATTRIBUTE:
            at = time.time() - self.published_s
            values.update({h: presence.encode(at, known) for h, known in self.guests.items()})
        if "--query" in argv:
            self.heard()
            lines = [f'name="{name}" host="{h}" value="{v}"' for h, v in values.items()]
            return Completed(0, "\n".join(lines), "")
        if "--delete" in argv:
            values.pop(options["--node"], None)
        else:
            values["node1"] = options["--update"]
        return Completed(0, "", "")


def _options(argv: list[str]) -> dict[str, str]:
    """As --name value and as --name=value."""
    found = dict(zip(argv, argv[1:]))
    return {**found, **dict(word.split("=", 1) for word in argv if "=" in word)}


def owe(life: Life | None, ban_id: str = "0" * 16, age_s: float = 0) -> None:
    """A fence has written a pending stop for that life, so long ago."""
    pending_stops.store("vm1", PendingStop(ban_id, UUID, life, time.monotonic() - age_s))
