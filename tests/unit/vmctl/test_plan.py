# SPDX-License-Identifier: GPL-2.0-or-later
"""All plans but that of add, the one write that each comes down to."""

from __future__ import annotations

import time

import pytest
from lxml import etree

from pmkvm.fencing import ban as bans
from pmkvm.fencing.ban import Ban
from pmkvm.pacemaker.cib import Change
from pmkvm.pacemaker.document import CibDocument, text
from tests.unit.vmctl.world import (
    applied,
    cib,
    cluster,
    differ,
    guest,
    running,
    slides_conf,
    target_role,
)
from vmctl import guest as objects
from vmctl import list_table, plan
from vmctl.list_table import Known
from vmctl.messages import RefusedError

ORDER = '<rsc_order id="{}" first="clnPingd" then="prmVMCTL_{}"/>'


def delete(document: str, *domains: str, resources: str = "") -> Change | None:
    return differ(document, lambda r: plan.delete(domains, cluster(resources), r, time.time()))


def remaining(document: str, *domains: str) -> set[str]:
    """The ids left in resources, constraints and tags after a delete."""
    left = applied(document, delete(document, *domains))
    planned = CibDocument(document)
    plan.delete(domains, cluster(), planned, time.time())
    # What the write's XPath selects is what the plan takes away.
    assert left.text() == planned.text()
    sections = ("resources", "constraints", "tags")
    return {str(e.get("id")) for tag in sections for e in left.configuration.iterfind(f"{tag}//*")}


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
    with pytest.raises(RefusedError, match="MSG13 g2: running on hostB"):
        delete(
            cib(guest("g1") + guest("g2")), "g1", "g2", resources=running("g2", "hostB", role=role)
        )


def test_delete_leaves_what_is_not_there_and_a_group_to_its_maker() -> None:
    with pytest.raises(RefusedError, match="MSG15 g9: no resource prmVMCTL_g9"):
        delete(cib(), "g9")
    with pytest.raises(RefusedError, match="MSG39 g1: its resource is in grp"):
        delete(cib(f'<group id="grp">{guest("g1")}</group>'), "g1")


def role(document: str, *domains: str) -> str:
    change = differ(document, lambda cib_document: plan.role(domains, "Started", cib_document))
    return "" if change is None else change.merged


def test_a_role_is_set_where_it_stands_and_not_written_where_it_holds() -> None:
    assert role(cib(guest("g1", target_role("g1", "Started"))), "g1") == ""
    document = cib(guest("g1", target_role("g1", "Stopped")))
    (pair,) = etree.fromstring(role(document, "g1")).iter("nvpair")
    assert dict(pair.items()) == {
        "id": "prmVMCTL_g1-meta_attributes-target-role",
        "name": "target-role",
        "value": "Started",
    }
    path = [(str(e.tag), e.get("id")) for e in pair.iterancestors()]
    assert path == [
        ("meta_attributes", "prmVMCTL_g1-meta_attributes"),
        ("primitive", "prmVMCTL_g1"),
        ("resources", None),
        ("configuration", None),
    ]


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
            '<meta_attributes id-ref="shared"/><meta_attributes id-ref="shared2"/>',
            "prmVMCTL_g1-meta_attributes",
            "prmVMCTL_g1-meta_attributes-target-role",
        ),
    ],
)
def test_the_right_set_gets_the_role_and_nothing_else_is_told(
    meta: str, set_id: str, pair_id: str
) -> None:
    found = etree.fromstring(role(cib(guest("g1", meta)), "g1"))
    (own,) = found.iterfind(".//meta_attributes")
    (pair,) = own
    assert (own.get("id"), pair.get("id")) == (set_id, pair_id)


def test_what_an_administrator_stops_no_guest_switches_on() -> None:
    """An off has stopped it before; see pmkvm.fencing.role."""
    mark = '<nvpair id="k" name="stopped-by-fence" value="prmVMCTL_g2"/>'
    off = f'<meta_attributes id="m"><nvpair id="r" name="target-role" value="Stopped"/>{mark}'
    document = cib(guest("g1", f"{off}</meta_attributes>"))
    change = differ(document, lambda cib_document: plan.role(["g1"], "Stopped", cib_document))
    assert change is not None
    pairs = etree.fromstring(change.merged).iter("nvpair")
    assert [(each.get("id"), each.get("value")) for each in pairs] == [("k", "")]


def test_roles_of_many_share_one_path_through_their_group() -> None:
    document = cib(f'<group id="grp">{guest("g1")}{guest("g2")}</group>{guest("g3")}')
    (resources,) = etree.fromstring(role(document, "g1", "g2", "g3"))
    assert [(str(e.tag), e.get("id")) for e in resources] == [
        ("group", "grp"),
        ("primitive", "prmVMCTL_g3"),
    ]
    assert len(resources[0]) == 2


def test_a_role_for_what_is_not_there() -> None:
    with pytest.raises(RefusedError, match="MSG15"):
        role(cib(guest("g1")), "g1", "g9")


HOME = '<rsc_location id="locVMCTL_{0}_{1}_ACT" rsc="prmVMCTL_{0}" score="300" node="{1}"/>'


def located(document: str, resources: str, *domains: str) -> dict[str, str | None]:
    """The write of location move as node by constraint; empty when there is none."""

    def planned(cib_document: CibDocument) -> None:
        plan.locate(domains, cluster(resources), slides_conf(), cib_document)

    change = differ(document, planned)
    written = change.constraints or change.merged if change else ""
    found = etree.fromstring(written).iter("rsc_location") if written else ()
    return {str(e.get("id")): e.get("node") for e in found}


def test_location_move_is_one_write_of_the_constraints() -> None:
    homes = HOME.format("g1", "hostA") + HOME.format("g2", "hostA")
    document = cib(guest("g1") + guest("g2"), homes)
    here = running("g1", "hostB") + running("g2", "hostB")
    assert located(document, here, "g1") == {
        "locVMCTL_g2_hostA_ACT": "hostA",
        "locVMCTL_g1_hostB_ACT": "hostB",
    }
    assert located(document, here, "g1", "g2") == {
        "locVMCTL_g1_hostB_ACT": "hostB",
        "locVMCTL_g2_hostB_ACT": "hostB",
    }


@pytest.mark.parametrize("place", [running("g1", "hostA"), running("g1"), ""])
def test_location_move_of_one_that_is_at_home_or_stopped_does_nothing(place: str) -> None:
    assert located(cib(guest("g1"), HOME.format("g1", "hostA")), place, "g1") == {}


def test_location_move_gives_a_home_to_one_that_has_none_and_runs_once() -> None:
    assert located(cib(guest("g1")), running("g1", "hostB"), "g1") == {
        "locVMCTL_g1_hostB_ACT": "hostB"
    }
    with pytest.raises(RefusedError, match="MSG38"):
        located(cib(guest("g1")), running("g1", "hostA", "hostB"), "g1")


def test_the_guests_at_home_on_a_node() -> None:
    homes = HOME.format("g1", "hostA") + HOME.format("g2", "hostB")
    cib_document = CibDocument(cib(guest("g1") + guest("g2") + guest("g3"), homes))
    assert plan.preferring("hostA", cib_document, cluster()) == ["g1"]
    with pytest.raises(RefusedError, match="MSG16 hostX"):
        plan.preferring("hostX", cib_document, cluster())


LEFT = (
    '<rsc_location id="cli-ban-prmVMCTL_g1-on-hostB" rsc="prmVMCTL_g1" node="hostB"/>'
    '<rsc_location id="cli-prefer-prmVMCTL_g2" rsc="prmVMCTL_g2" node="hostB"/>'
    '<rsc_location id="cli-ban-other" rsc="other" node="hostB"/>'
)


def test_unmove_takes_away_what_moves_of_that_guest_have_left() -> None:
    document = cib(guest("g1") + guest("g2"), LEFT)
    assert differ(document, lambda cib_document: plan.unmove("g1", cib_document)) == Change(
        removed=["cli-ban-prmVMCTL_g1-on-hostB"]
    )
    assert differ(cib(guest("g1")), lambda cib_document: plan.unmove("g1", cib_document)) is None


def moved(cib_document: CibDocument) -> None:
    plan.unmove("g1", cib_document)
    cib_document.section("constraints").extend(
        objects.move("g1", "hostB", "hostA", time.time() + 60)
    )


def test_a_move_over_what_another_has_left_is_still_one_write() -> None:
    document = cib(guest("g1"), LEFT + HOME.format("g1", "hostA"))
    change = differ(document, moved)
    assert change is not None
    assert not change.merged
    left = CibDocument(applied(document, change).text())
    assert [str(e.get("id")) for e in left.move_constraints("g1")] == [
        "cli-ban-prmVMCTL_g1-on-hostB",
        "cli-prefer-prmVMCTL_g1",
    ]
    # The new ban has a rule and ends; an attribute of the old one would make it one for ever.
    ban = left.move_constraints("g1")[0]
    assert ban.get("node") is None
    assert list(plan.expired(["g1"], left, time.time())) == []


def ban(domain: str, seconds: int) -> str:
    end = int(time.time()) + seconds
    return bans.to_xml(Ban(f"prmVMCTL_{domain}", "reset", "1", "r", "h", "hostA", "u", end))


def test_expired_bans_and_moves_are_found_and_live_ones_are_not() -> None:
    old = map(text, objects.move("g2", "hostA", "hostB", 5))
    constraints = ban("g1", -1) + ban("g3", 60) + "".join(old) + LEFT
    cib_document = CibDocument(cib(guest("g1") + guest("g2") + guest("g3"), constraints))
    now, domains = time.time(), ["g1", "g2", "g3"]
    assert list(plan.expired(domains, cib_document, now)) == [
        "vm-stonith-prmVMCTL_g1",
        "cli-ban-prmVMCTL_g2-on-hostA",
        "cli-prefer-prmVMCTL_g2",
    ]
    assert [each.number for each in plan.held(domains, cib_document, now)] == [52]


def test_a_guest_that_a_fence_holds_is_not_deleted() -> None:
    with pytest.raises(RefusedError, match="MSG52 g1: a fence keeps it stopped, until 20"):
        delete(cib(guest("g1"), ban("g1", 60)), "g1")
    assert remaining(cib(guest("g1"), ban("g1", -1)), "g1") >= {"clnPingd"}


def test_a_ban_that_nobody_understands_is_never_taken_for_none() -> None:
    broken = '<rsc_location id="vm-stonith-prmVMCTL_g1" rsc="prmVMCTL_g1" node="hostA"/>'
    document = cib(guest("g1"), broken)
    with pytest.raises(bans.BanError):
        delete(document, "g1")
    row = list_table.row("g1", Known(CibDocument(document), cluster(), time.time()))
    assert row[6] == "not understood"


def test_removals_beside_additions_outside_of_the_constraints_are_no_one_write() -> None:
    def both(cib_document: CibDocument) -> None:
        plan.delete(["g1"], cluster(), cib_document, time.time())
        plan.role(["g2"], "Started", cib_document)

    with pytest.raises(ValueError, match="removals beside additions"):
        differ(cib(guest("g1") + guest("g2")), both)
