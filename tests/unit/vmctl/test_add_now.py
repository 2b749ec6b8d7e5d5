# SPDX-License-Identifier: GPL-2.0-or-later
"""What `resource add` warns of that is so now, and need not stay so."""

from __future__ import annotations

from tests.unit.vmctl.world import cluster, facts, slides_conf
from vmctl import checks, command_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vmctl.checks import Facts


def warnings(found: Facts, more: str = "") -> list[str]:
    request = command_line.parse(["resource", "add", "guest1", "-a", "hostA"])
    return [str(each) for each in checks.warnings(request, slides_conf(more), found)]


def test_a_node_that_is_offline_is_said() -> None:
    off = cluster().nodes[0]._replace(online=False)
    (b,) = cluster().nodes[1:]
    found = facts(cluster()._replace(nodes=(off, b)))
    said = "MSG81 hostA: is offline; started now, the guests would run elsewhere"
    assert said in warnings(found)
    # In a file all of them are.
    found = facts(cluster()._replace(nodes=(off, b._replace(online=False))))
    assert said not in warnings(found)


def test_an_attribute_that_no_node_has_is_said() -> None:
    more = "\nvm_pingd1=(clnPingd default_ping_set)\n"
    nothing = facts(
        cluster()._replace(attributes={"hostA": {}, "hostB": {"diskcheck_status": "x"}})
    )
    assert any(
        line.startswith("MSG82 /etc/vm-ctl.conf:") and "default_ping_set" in line
        for line in warnings(nothing, more)
    )
    assert any("MSG82" in line for line in warnings(facts(cluster()._replace(attributes={})), more))
    there = facts(cluster()._replace(attributes={"hostA": {"default_ping_set": "100"}}))
    assert not any("default_ping_set" in line for line in warnings(there, more))
