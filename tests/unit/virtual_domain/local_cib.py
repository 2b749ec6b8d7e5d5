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
from tests.unit.virtual_domain.world import UUID

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pmkvm.process import Life

BAN_ID = "9c41d7e02b6f5a13"


class LocalCib:
    """What `cibadmin --query --local` finds; `crm_node --partition` has two members."""

    def __init__(self) -> None:
        self.answer = ""
        # Meta attributes of the resource's own.
        self.facts: dict[str, str] = {}
        self.nodes = {"node1": True, "node2": True}
        self.is_readable = True
        self.looks = 0
        # What happens as soon as it has answered.
        self.then: Callable[[], None] = lambda: None
        # Of each name that has been said, each host's value; node1 is this host.
        self.attributes: dict[str, dict[str, str]] = {}
        self.is_attrd_there = True

    def ban(self, operation: str = "reset", lease_s: float = 60) -> None:
        end = int(time.time() + lease_s)
        self.answer = to_xml(Ban("vm1", operation, BAN_ID, "vm2", "5be0", "node1", UUID, end))

    def run(self, argv: Sequence[str], **_options: object) -> Completed:
        if argv[0] == "crm_node":
            return Completed(0, "node1" if "--name" in argv else "node1 node2", "")
        if argv[0] == "crm_mon":
            return Completed(0, self._status(), "")
        if argv[0] == "crm_resource":
            return self._set(list(argv[1:]))
        if argv[0] == "attrd_updater":
            return self._attrd(list(argv[1:]))
        assert tuple(argv[:3]) == ("cibadmin", "--query", "--local")
        self.looks += 1
        if not self.is_readable:
            raise CommandTimeoutError("cibadmin did not end")
        pairs = "".join(f"<nvpair name='{k}' value={quoteattr(v)}/>" for k, v in self.facts.items())
        is_asked = "nvpair" in argv[-1] and pairs
        found = f"<xpath-query>{self.answer}{pairs}</xpath-query>" if is_asked else self.answer
        answer = Completed(0, found, "") if found else Completed(105, "", "")
        self.then()
        return answer

    def _status(self) -> str:
        nodes = "".join(
            f"<node name='{name}' id='{name}' online='{str(is_up).lower()}' type='member'/>"
            for name, is_up in self.nodes.items()
        )
        return (
            f"<pacemaker-result><status code='0'/><summary/><nodes>{nodes}</nodes>"
            "</pacemaker-result>"
        )

    def _set(self, argv: list[str]) -> Completed:
        assert argv[:3] == ["--resource", "vm1", "--meta"]
        if argv[3] == "--delete-parameter":
            self.facts.pop(argv[4], None)
        else:
            self.facts[argv[4]] = argv[6]
        return Completed(0, "", "")

    def _attrd(self, argv: list[str]) -> Completed:
        if not self.is_attrd_there:
            return Completed(102, "", "Could not connect")
        values = self.attributes.setdefault(argv[argv.index("--name") + 1], {})
        if "--query" in argv:
            name = argv[argv.index("--name") + 1]
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
