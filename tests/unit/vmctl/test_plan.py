# SPDX-License-Identifier: GPL-2.0-or-later
"""delete, start and stop as plans, and the table of list."""

from __future__ import annotations

import pytest
from lxml import etree

from pmkvm.pacemaker import cib as pacemaker_cib
from tests.unit.vmctl.world import cib, cluster, guest, running, target_role
from vmctl import list_table, plan
from vmctl.messages import RefusedError
from vmctl.registry import Registry

ORDER = '<rsc_order id="{}" first="clnPingd" then="prmVMCTL_{}"/>'


def remaining(document: str, *domains: str) -> set[str]:
    """The ids left in resources, constraints and tags after a delete."""
    registry = Registry(document)
    ids = plan.delete(domains, registry, cluster())
    for element in registry.select(pacemaker_cib.selection(ids, "/cib")):
        parent = element.getparent()
        if parent is not None:
            parent.remove(element)
    sections = ("resources", "constraints", "tags")
    return {
        str(e.get("id")) for tag in sections for e in registry.configuration.iterfind(f"{tag}//*")
    }


def test_delete_takes_the_primitive_and_all_that_refers_to_it() -> None:
    constraints = (
        '<rsc_location id="l" rsc="prmVMCTL_g1" node="hostA"/>'
        '<rsc_location id="cli-prefer-prmVMCTL_g1" rsc="prmVMCTL_g1" node="hostA"/>'
        '<rsc_colocation id="c" rsc="prmVMCTL_g1" with-rsc="clnPingd"/>'
        '<rsc_colocation id="c2" rsc="prmVMCTL_g2" with-rsc="prmVMCTL_g1"/>'
        '<rsc_order id="o" first="clnPingd" then="prmVMCTL_g1"/>'
        '<rsc_order id="o2" first="prmVMCTL_g1" then="prmVMCTL_g2"/>'
        '<rsc_ticket id="t" rsc="prmVMCTL_g1" ticket="x"/>'
        '<rsc_order id="kept" first="clnPingd" then="prmVMCTL_g2"/>'
    )
    left = remaining(cib(guest("g1") + guest("g2"), constraints), "g1")
    assert {"prmVMCTL_g2", "kept"} <= left
    assert not left & {"prmVMCTL_g1", "l", "cli-prefer-prmVMCTL_g1", "c", "c2", "o", "o2", "t"}


def test_a_name_that_begins_alike_is_another() -> None:
    constraints = ORDER.format("o1", "g1") + ORDER.format("o10", "g10") + ORDER.format("og", "g")
    left = remaining(cib(guest("g1") + guest("g10") + guest("g"), constraints), "g1")
    assert {"prmVMCTL_g10", "prmVMCTL_g", "o10", "og"} <= left
    assert not left & {"prmVMCTL_g1", "o1"}


def test_members_leave_sets_and_tags_and_empty_ones_go() -> None:
    refs = '<resource_ref id="prmVMCTL_g1"/>'
    constraints = (
        f'<rsc_order id="mixed"><resource_set id="ms">{refs}<resource_ref id="clnPingd"/>'
        "</resource_set></rsc_order>"
        f'<rsc_order id="half"><resource_set id="h1">{refs}</resource_set>'
        '<resource_set id="h2"><resource_ref id="clnPingd"/></resource_set></rsc_order>'
        f'<rsc_order id="all"><resource_set id="as">{refs}</resource_set></rsc_order>'
    )
    tags = (
        '<tag id="only"><obj_ref id="prmVMCTL_g1"/></tag>'
        '<tag id="more"><obj_ref id="prmVMCTL_g1"/><obj_ref id="clnPingd"/></tag>'
    )
    left = remaining(cib(guest("g1"), constraints, tags=tags), "g1")
    assert {"mixed", "ms", "half", "h2", "more"} <= left
    assert not left & {"h1", "all", "as", "only", "prmVMCTL_g1"}


@pytest.mark.parametrize("role", ["Started", "Stopping"])
def test_delete_is_refused_for_all_while_one_runs(role: str) -> None:
    registry = Registry(cib(guest("g1") + guest("g2")))
    with pytest.raises(RefusedError, match="MSG13 g2: running on hostB"):
        plan.delete(("g1", "g2"), registry, cluster(running("g2", "hostB", role=role)))


def test_delete_of_what_is_not_there() -> None:
    with pytest.raises(RefusedError, match="MSG15 g9: no resource prmVMCTL_g9"):
        plan.delete(("g9",), Registry(cib()), cluster())


def test_delete_leaves_a_group_to_its_maker() -> None:
    registry = Registry(cib(f'<group id="grp">{guest("g1")}</group>'))
    with pytest.raises(RefusedError, match="MSG39 g1: its resource is in grp"):
        plan.delete(("g1",), registry, cluster())


def merged(document: str, *domains: str, role: str = "Started") -> str:
    found = plan.role(domains, Registry(document), role)
    return "" if found is None else etree.tostring(found, encoding="unicode")


def test_a_role_is_set_where_it_stands() -> None:
    document = cib(guest("g1", target_role("g1", "Stopped")))
    assert merged(document, "g1") == (
        '<configuration><resources><primitive id="prmVMCTL_g1">'
        '<meta_attributes id="prmVMCTL_g1-meta_attributes">'
        '<nvpair id="prmVMCTL_g1-meta_attributes-target-role" name="target-role" value="Started"/>'
        "</meta_attributes></primitive></resources></configuration>"
    )


def test_a_role_that_holds_already_is_not_written() -> None:
    assert merged(cib(guest("g1", target_role("g1", "Started"))), "g1") == ""


@pytest.mark.parametrize(
    ("meta", "set_id", "pair_id"),
    [
        ("", "prmVMCTL_g1-meta_attributes", "prmVMCTL_g1-meta_attributes-target-role"),
        ('<meta_attributes id="own"/>', "own", "own-target-role"),
        (
            '<meta_attributes id="a"/><meta_attributes id="b">'
            '<nvpair id="odd" name="target-role" value="Stopped"/></meta_attributes>',
            "b",
            "odd",
        ),
        (
            '<meta_attributes id="prmVMCTL_g1-meta_attributes"><rule id="r"/>'
            '<nvpair id="n" name="target-role" value="Stopped"/></meta_attributes>',
            "prmVMCTL_g1-meta_attributes-vm-ctl",
            "prmVMCTL_g1-meta_attributes-vm-ctl-target-role",
        ),
        (
            '<meta_attributes id-ref="shared"/>',
            "prmVMCTL_g1-meta_attributes",
            "prmVMCTL_g1-meta_attributes-target-role",
        ),
    ],
)
def test_the_right_set_gets_the_role(meta: str, set_id: str, pair_id: str) -> None:
    found = plan.role(("g1",), Registry(cib(guest("g1", meta))), "Started")
    assert found is not None
    (own,) = found.iterfind(".//meta_attributes")
    (pair,) = own
    assert (own.get("id"), pair.get("id")) == (set_id, pair_id)


def test_roles_of_many_share_one_path_through_their_group() -> None:
    document = cib(f'<group id="grp">{guest("g1")}{guest("g2")}</group>{guest("g3")}')
    found = plan.role(("g1", "g2", "g3"), Registry(document), "Started")
    assert found is not None
    (resources,) = found
    assert [(e.tag, e.get("id")) for e in resources] == [
        ("group", "grp"),
        ("primitive", "prmVMCTL_g3"),
    ]
    assert len(resources[0]) == 2


def test_a_role_for_what_is_not_there() -> None:
    with pytest.raises(RefusedError, match="MSG15"):
        plan.role(("g1", "g9"), Registry(cib(guest("g1"))), "Started")


CONSTRAINTS = (
    '<rsc_location id="locVMCTL_g1_hostA_ACT" rsc="prmVMCTL_g1" score="200" node="hostA"/>'
    '<rsc_location id="cli-ban-prmVMCTL_g1-on-hostB" rsc="prmVMCTL_g1" node="hostB"/>'
    '<rsc_location id="other" rsc="prmVMCTL_g2" score="200" node="hostB"/>'
)
MIGRATE = (
    '<meta_attributes id="m"><nvpair id="n" name="allow-migrate" value="true"/></meta_attributes>'
)


def test_list_has_a_row_for_each_guest() -> None:
    registry = Registry(cib(guest("g1", MIGRATE) + guest("g2"), CONSTRAINTS))
    found = cluster(running("g1", "hostA") + running("g2"))
    rows = [list_table.row(domain, registry, found) for domain in registry.domains()]
    assert rows == [
        ("g1", "prmVMCTL_g1", "on", "hostA", "hostA", "yes"),
        ("g2", "prmVMCTL_g2", "NONE", "NONE", "Stopped", "no"),
    ]
    assert list_table.table(rows).splitlines() == [
        "Domain  Resource     Migration  Preferred  Running  Move constraint",
        "------  -----------  ---------  ---------  -------  ---------------",
        "g1      prmVMCTL_g1  on         hostA      hostA    yes",
        "g2      prmVMCTL_g2  NONE       NONE       Stopped  no",
    ]


def test_list_of_a_node_has_the_guests_of_others_too() -> None:
    registry = Registry(cib(guest("g1")))
    foreign = running("x", "hostA").replace("prmVMCTL_x", "their-guest")
    found = cluster(running("g1", "hostA") + foreign + running("g3", "hostB"))
    assert [row[:2] for row in list_table.on_node("hostA", registry, found)] == [
        ("g1", "prmVMCTL_g1"),
        ("-", "their-guest"),
    ]
