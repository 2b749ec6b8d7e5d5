# SPDX-License-Identifier: GPL-2.0-or-later
"""What `resource add` writes, beside the slides' own listing, and when it refuses."""

from __future__ import annotations

import pytest
from lxml import etree

from pmkvm.pacemaker import status
from tests.unit.vmctl import as_crm, world
from tests.unit.vmctl.world import DATA, cib, cluster, facts, guest, slides_conf, survey
from vmctl import command_line, names, plan
from vmctl.messages import RefusedError


def request(typed: str = "guest1 -a hostA") -> command_line.Request:
    return command_line.parse(["resource", "add", *typed.split()])


def added(typed: str = "guest1 -a hostA", more: str = "") -> etree._Element:
    return plan.add(request(typed), slides_conf(more), facts())


def numbers(found: plan.Facts, typed: str = "guest1 -a hostA", more: str = "") -> list[int]:
    with pytest.raises(RefusedError) as caught:
        plan.add(request(typed), slides_conf(more), found)
    return [problem.number for problem in caught.value.problems]


AS_BEFORE = "\nvm_stonithd_col=INFINITY\nvm_stonithd_odr=(0 false)\n"


def test_the_slides_listing_line_by_line() -> None:
    listing = (DATA / "slides-guest1.crm").read_text(encoding="utf-8").replace("host1", "hostA")
    assert as_crm.from_elements(added(more=AS_BEFORE)) == as_crm.from_listing(listing)


def test_as_shipped_only_the_bond_to_vm_stonithd_is_softer() -> None:
    listing = (DATA / "slides-guest1.crm").read_text(encoding="utf-8").replace("host1", "hostA")
    ours, slides = as_crm.from_elements(added()), as_crm.from_listing(listing)
    assert ours - slides == {
        "colocation colVMCTL_guest1_clnVmStonithd 100: prmVMCTL_guest1 clnVmStonithd",
        "order odrVMCTL_guest1_clnVmStonithd 0: clnVmStonithd prmVMCTL_guest1 symmetrical=true",
    }
    assert len(slides - ours) == len(ours - slides)


def test_the_emitted_xml_is_the_golden_one() -> None:
    more = "\nvm_managerd1=(clnVmManagerd operator_check_status)\n"
    document = added(more=more)
    etree.indent(document)
    golden = (DATA / "guest1.xml").read_text(encoding="utf-8")
    assert etree.tostring(document, encoding="unicode") + "\n" == golden


def test_ids_are_those_of_crmsh() -> None:
    ids = [str(element.get("id")) for element in added().iterfind(".//*[@id]")]
    assert len(ids) == len(set(ids))
    name = "prmVMCTL_guest1"
    assert {
        f"{name}-instance_attributes",
        f"{name}-instance_attributes-config",
        f"{name}-meta_attributes-target-role",
        f"{name}-start-0",
        f"{name}-monitor-10s",
        "locVMCTL_guest1_hostA_ACT",
        "locVMCTL_guest1_diskcheck_status-rule-expression",
        "locVMCTL_guest1_diskcheck_status-rule-expression-0",
    } <= set(ids)


def test_an_entry_without_an_attribute_has_no_rule() -> None:
    document = added(more="\nvm_pingd1=(clnPingd)\n")
    ids = {str(e.get("id")) for e in document.iterfind("constraints/*")}
    assert "colVMCTL_guest1_clnPingd" in ids
    assert not any("default_ping_set" in each for each in ids)


@pytest.mark.parametrize(
    ("typed", "more", "migrate"),
    [
        ("guest1 -a hostA", "", "false"),
        ("guest1 -a hostA -m on", "", "true"),
        ("guest1 -a hostA", "\nvm_allow_migrate=on", "true"),
        ("guest1 -a hostA -m off", "\nvm_allow_migrate=on", "false"),
    ],
)
def test_live_migration_is_as_m_says_else_as_configured(
    typed: str, more: str, migrate: str
) -> None:
    pairs = added(typed, more).iterfind(".//meta_attributes/nvpair")
    assert {str(p.get("name")): p.get("value") for p in pairs}["allow-migrate"] == migrate


def test_any_number_of_guests_is_one_document() -> None:
    document = added("guest2, guest1 -a hostA")
    assert [e.get("id") for e in document.iterfind("resources/primitive")] == [
        "prmVMCTL_guest1",
        "prmVMCTL_guest2",
    ]
    assert [child.tag for child in document] == ["resources", "constraints"]


def test_what_is_not_defined_here_is_refused() -> None:
    assert numbers(facts(), "guest1 nosuch -a hostA") == [3]


def test_what_is_registered_is_refused() -> None:
    assert numbers(facts(cib(guest("guest1"))), "guest1 guest2 -a hostA") == [11]


def test_a_definition_that_is_not_here_is_refused() -> None:
    assert numbers(facts(undefined=("guest1",))) == [33]


def test_disabled_fencing_is_refused_while_failures_are_to_be_fenced() -> None:
    unfenced = facts(found=cluster(fencing="false"))
    assert numbers(unfenced) == [12]
    plan.add(request(), slides_conf("\nvm_stonith=off"), unfenced)


def test_an_unknown_node_is_refused() -> None:
    assert numbers(facts(), "guest1 -a hostX") == [16]


@pytest.mark.parametrize(
    ("entry", "number"),
    [
        ("vm_pingd2=(clnX x)", 9),
        ("vm_diskd2=(clnX x)", 10),
        ("vm_managerd1=(clnX x)", 23),
        ("vm_stonithd2=(clnX)", 24),
    ],
)
def test_a_clone_that_the_cluster_has_not_is_refused(entry: str, number: int) -> None:
    assert numbers(facts(), more=f"\n{entry}\n") == [number]


def test_a_name_that_cannot_be_an_id_is_refused() -> None:
    for name in ("a:b", "a/b", "ゲスト", "a&b", 'a"b', "a*"):
        assert numbers(facts(), f"{name} -a hostA") == [30]
    assert names.is_usable("web-1.example_2")


def test_an_id_in_use_is_never_merged_into() -> None:
    taken = '<rsc_location id="locVMCTL_guest1_hostA_ACT" rsc="pclnPingd" node="hostB"/>'
    assert numbers(facts(cib(constraints=taken))) == [36]


def test_domain_problems_come_before_those_of_the_cluster() -> None:
    assert numbers(facts(found=cluster(fencing="false")), "nosuch -a hostX") == [3]
    assert numbers(facts(found=cluster(fencing="false")), "guest1 -a hostX") == [12, 16]


def test_a_guest_that_runs_is_refused_with_its_host() -> None:
    with pytest.raises(RefusedError, match="MSG31 guest1: runs on hostB"):
        plan.add(request(), slides_conf(), facts(hosts=survey("guest1", guest1="hostB")))


def test_running_registers_it_as_started() -> None:
    running = facts(hosts=survey("guest1", guest1="hostA"))
    document = plan.add(request("guest1 -a hostA --running"), slides_conf(), running)
    pairs = document.iterfind(".//meta_attributes/nvpair")
    assert {str(p.get("name")): p.get("value") for p in pairs}["target-role"] == "Started"


@pytest.mark.parametrize("where", ["hostB", "nowhere"])
def test_running_wants_it_on_the_preferred_node_and_only_there(where: str) -> None:
    assert numbers(facts(hosts=survey("guest1", guest1=where)), "guest1 -a hostA --running") == [32]


def test_running_on_two_hosts_is_refused() -> None:
    twice = survey("guest1", guest1="hostA")
    both = twice._replace(running={**twice.running, "hostB": frozenset(["guest1"])})
    assert numbers(facts(hosts=both), "guest1 -a hostA --running") == [32]


def test_hosts_that_could_not_be_asked_and_hard_bonds_are_warned_about() -> None:
    silent = survey("guest1")._replace(silent={"hostB": "no route"})
    found = [str(each) for each in plan.warnings(slides_conf(AS_BEFORE), silent)]
    assert found[0] == "MSG34 hostB: could not be asked whether the guests run there: no route"
    assert found[1].startswith("MSG35 /etc/vm-ctl.conf: vm_stonithd1: score INFINITY")
    assert list(plan.warnings(slides_conf(), survey("guest1"))) == []


def test_nothing_is_known_of_an_unasked_libvirt() -> None:
    unasked = facts(hosts=world.survey()._replace(local=None, running={}))
    assert isinstance(unasked.cluster, status.Cluster)
    assert len(plan.add(request(), slides_conf(), unasked)) == 2
