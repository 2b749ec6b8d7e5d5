# SPDX-License-Identifier: GPL-2.0-or-later
"""What this host's CIB holds of the resource vm1, and attrd, at the edge: the process runner."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Callable

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


class LocalCib:
    """What `cibadmin --query --local` finds, and what the cluster says of its hosts.

    node1 is this host. hosts: the others that are online, by the kind of their node. guests: the
    uuids that each host's vm-stonithd publishes; published_s: how long ago, by this host's clock.

    looks: for a ban. uuid_looks: for the uuid of vm1.
    """

    def __init__(self) -> None:
        self.answer = ""
        self.is_readable = True
        self.looks = self.uuid_looks = 0
        # vm-uuid of vm1, empty where its primitive has none; None for no such primitive.
        self.uuid: str | None = None
        # Another resource has that very vm-uuid, as one whose lines were copied from it.
        self.is_uuid_copied = False
        self.is_writable = True
        # Pacemaker has written down that vm1 was to migrate here.
        self.has_arrival = False
        # What happens as soon as it has answered.
        self.then: Callable[[], None] = lambda: None
        # Of each name that has been said, each host's value.
        self.attributes: dict[str, dict[str, str]] = {}
        self.is_attrd_there = True
        self.hosts = {"node2": "member"}
        self.guests: dict[str, list[str]] = {"node2": []}
        self.published_s = 0.0
        self.are_hosts_known = True
        # What happens as soon as attrd has answered.
        self.heard: Callable[[], None] = lambda: None

    def ban(self, operation: str = "reset", lease_s: float = 60) -> None:
        end = int(time.time() + lease_s)
        self.answer = to_xml(Ban("vm1", operation, BAN_ID, "vm2", "5be0", "node1", UUID, end))

    def run(self, argv: Sequence[str], **_options: object) -> Completed:
        if argv[0] == "crm_mon":
            return self._nodes(list(argv[1:]))
        if argv[0] == "attrd_updater":
            return self._attrd(list(argv[1:]))
        if argv[0] == "crm_resource":
            return self._write_meta(list(argv))
        assert tuple(argv[:3]) == ("cibadmin", "--query", "--local")
        if "primitive" in argv[-1] or "lrm_resource" in argv[-1]:
            return self._about_vm1(argv[-1])
        self.looks += 1
        if not self.is_readable:
            raise CommandTimeoutError("cibadmin did not end")
        answer = Completed(0, self.answer, "") if self.answer else Completed(105, "", "")
        self.then()
        return answer

    def _nodes(self, argv: list[str]) -> Completed:
        assert argv == ["--output-as=xml", "--include=none,nodes"]
        if not self.are_hosts_known:
            return Completed(102, "", "Could not connect")
        kinds = {"node1": "member", **self.hosts}
        nodes = "".join(f'<node name="{n}" type="{k}" online="true"/>' for n, k in kinds.items())
        ends = f'<nodes>{nodes}</nodes><status code="0" message="OK"/></pacemaker-result>'
        return Completed(0, f"<pacemaker-result>{ends}", "")

    def _about_vm1(self, xpath: str) -> Completed:
        is_of_others = "primitive[@id!='vm1']" in xpath
        assert is_of_others or "[@id='vm1']" in xpath
        if "primitive" in xpath:
            self.uuid_looks += 1
        if not self.is_readable:
            raise CommandTimeoutError("cibadmin did not end")
        if is_of_others:
            assert xpath.endswith(
                f"[meta_attributes/nvpair[@name='vm-uuid'][@value='{self.uuid}']]"
            )
            is_there = self.is_uuid_copied
            return Completed(0, '<primitive id="vm2"/>', "") if is_there else Completed(105, "", "")
        if "lrm_resource" in xpath:
            assert xpath.endswith("[@migrate_target='node1']")
            answer = '<lrm_rsc_op id="vm1_last_0"/>' if self.has_arrival else ""
        elif self.uuid is None:
            answer = ""
        else:
            pair = f'<nvpair id="p" name="vm-uuid" value="{self.uuid}"/>' if self.uuid else ""
            other = '<nvpair id="r" name="target-role" value="Started"/>'
            answer = f'<primitive id="vm1"><meta_attributes id="m">{other}{pair}</meta_attributes>'
            answer += "</primitive>"
        return Completed(0, answer, "") if answer else Completed(105, "", "")

    def _write_meta(self, argv: list[str]) -> Completed:
        if not self.is_writable:
            return Completed(102, "", "Could not connect")
        orders = ["--resource", "vm1", "--meta", "--set-parameter", "vm-uuid", "--parameter-value"]
        assert argv[1:-1] == orders
        self.uuid = argv[-1]
        return Completed(0, "", "")

    def _attrd(self, argv: list[str]) -> Completed:
        if not self.is_attrd_there:
            return Completed(102, "", "Could not connect")
        name = argv[argv.index("--name") + 1]
        values = self.attributes.setdefault(name, {})
        if name == presence.ATTRIBUTE:
            at = time.time() - self.published_s
            values.update({h: presence.encode(at, known) for h, known in self.guests.items()})
        if "--query" in argv:
            self.heard()
            lines = [f'name="{name}" host="{h}" value="{v}"' for h, v in values.items()]
            return Completed(0, "\n".join(lines), "")
        if "--delete" in argv:
            values.pop(argv[argv.index("--node") + 1], None)
        else:
            values["node1"] = argv[argv.index("--update") + 1]
        return Completed(0, "", "")


def owe(life: Life | None, ban_id: str = "0" * 16, age_s: float = 0) -> None:
    """A fence has written a pending stop for that life, so long ago."""
    pending_stops.store("vm1", PendingStop(ban_id, UUID, life, time.monotonic() - age_s))
