# SPDX-License-Identifier: GPL-2.0-or-later
"""What `resource add` writes, beside the slides' own listing, and when it refuses."""

from __future__ import annotations

import pytest
from lxml import etree

from pmkvm.pacemaker import names, status
from pmkvm.pacemaker.document import CibDocument
from pmkvm.virt.survey import Survey
from tests.unit.vmctl import as_crm, world
from tests.unit.vmctl.world import (
    DATA,
    REMOTES,
    cib,
    cluster,
    facts,
    guest,
    running,
    slides_conf,
    survey,
)
from vmctl import checks, command_line, plan
from vmctl.messages import RefusedError


def request(typed: str = "guest1 -a hostA") -> command_line.Request:
    return command_line.parse(["resource", "add", *typed.split()])


def added(
    typed: str = "guest1 -a hostA", more: str = "", found: checks.Facts | None = None
) -> etree._Element:
    """The <configuration> that one --modify is told."""
    known = found or facts()
    change = world.differ(
        cib(), lambda cib_document: plan.add(request(typed), slides_conf(more), known, cib_document)
    )
    assert change is not None
    return etree.fromstring(change.merged)


def numbers(
    found: checks.Facts, typed: str = "guest1 -a hostA", more: str = "", document: str = ""
) -> list[int]:
    with pytest.raises(RefusedError) as caught:
        plan.add(request(typed), slides_conf(more), found, CibDocument(document or cib()))
    return [problem.number for problem in caught.value.problems]


def warnings(found: checks.Facts, more: str = "") -> list[str]:
    return [str(each) for each in checks.warnings(request(), slides_conf(more), found)]


AS_BEFORE = "\nvm_stonithd_col=INFINITY\nvm_stonithd_odr=(0 false)\n"


def test_the_slides_listing_line_by_line_and_as_shipped_only_one_bond_is_softer() -> None:
    listing = (DATA / "slides-guest1.crm").read_text(encoding="utf-8").replace("host1", "hostA")
    ours, slides = as_crm.from_elements(added()), as_crm.from_listing(listing)
    assert as_crm.from_elements(added(more=AS_BEFORE)) == slides
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


def on_b(**values: object) -> Survey:
    """A survey in which guest1 is otherwise on hostB."""
    alike = survey("guest1")
    other = alike.hosts["hostB"]["guest1"]._replace(**values)  # type: ignore[arg-type]
    return alike._replace(hosts={**alike.hosts, "hostB": {"guest1": other}})


TAKEN = '<rsc_location id="locVMCTL_guest1_hostA_ACT" rsc="pclnPingd" node="hostB"/>'
UNFENCED = facts(found=cluster(fencing="false"))
WITH_REMOTES = facts(found=cluster(nodes=REMOTES))


@pytest.mark.parametrize(
    ("typed", "document", "found", "expected"),
    [
        pytest.param("guest1 nosuch -a hostA", "", facts(), [3], id="not defined here"),
        pytest.param("guest1 -a hostX", "", facts(), [16], id="an unknown node"),
        pytest.param("guest1 -a box-0", "", WITH_REMOTES, [75], id="a bundle that is a node"),
        pytest.param("a/b -a hostA", "", facts(), [30], id="a name that no domain can have"),
        pytest.param("a\x07b -a hostA", "", facts(), [30], id="a letter that no name can have"),
        pytest.param("guest1 guest2 -a hostA", cib(guest("guest1")), facts(), [11], id="is there"),
        pytest.param("guest1 -a hostA", cib(constraints=TAKEN), facts(), [36], id="an id in use"),
        pytest.param(
            "guest1 -a hostA", "", facts(undefined=("guest1",)), [33], id="no definition here"
        ),
        pytest.param(
            "guest1 -a hostA", "", facts(known=on_b(autostart=True)), [48], id="libvirt starts it"
        ),
        pytest.param("nosuch -a hostX", "", UNFENCED, [3], id="of domains before the cluster's"),
        pytest.param("guest1 -a hostX", "", UNFENCED, [12, 16], id="all of the cluster's at once"),
    ],
)
def test_what_can_not_be_added_is_refused(
    typed: str, document: str, found: checks.Facts, expected: list[int]
) -> None:
    assert numbers(found, typed, document=document) == expected


def test_disabled_fencing_is_refused_while_failures_are_to_be_fenced() -> None:
    assert numbers(UNFENCED) == [12]
    assert len(added(more="\nvm_stonith=off", found=UNFENCED)) == 2


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ('stonith-enabled="false"', "stonith-enabled"),
        ('fencing-enabled="false" stonith-enabled="false"', "fencing-enabled"),
        ('fencing-enabled="false"', "fencing-enabled"),
    ],
)
def test_the_option_has_the_name_that_the_running_pacemaker_gives_it(
    options: str, name: str
) -> None:
    document = world.crm_mon(fencing="false").replace('stonith-enabled="false"', options)
    with pytest.raises(RefusedError) as caught:
        added(found=facts(found=status.parse(document)))
    (problem,) = caught.value.problems
    assert f"({name})" in str(problem)


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


def test_a_guest_that_runs_is_refused_with_its_host() -> None:
    with pytest.raises(RefusedError, match="MSG31 guest1: runs on hostB"):
        added(found=facts(known=survey("guest1", guest1="hostB")))


def test_running_registers_it_as_started() -> None:
    running = facts(known=survey("guest1", guest1="hostA"))
    document = added("guest1 -a hostA --running", found=running)
    pairs = document.iterfind(".//meta_attributes/nvpair")
    meta = {str(p.get("name")): p.get("value") for p in pairs}
    assert meta["target-role"] == "Started"
    # It need not start: nobody else writes which domain it is.
    assert meta["vm-uuid"] == "u1"


def test_of_a_guest_that_has_yet_to_start_no_uuid_is_written() -> None:
    """Its first start does; so the listing is that of the slides."""
    pairs = added().iterfind(".//meta_attributes/nvpair")
    assert "vm-uuid" not in [pair.get("name") for pair in pairs]


@pytest.mark.parametrize("where", ["hostB", "nowhere"])
def test_running_wants_it_on_the_preferred_node_and_only_there(where: str) -> None:
    found = facts(known=survey("guest1", guest1=where))
    assert numbers(found, "guest1 -a hostA --running") == [32]


def test_running_on_two_hosts_is_refused() -> None:
    here = survey("guest1", guest1="hostA").hosts["hostA"]
    twice = survey("guest1")._replace(hosts={"hostA": here, "hostB": here})
    assert numbers(facts(known=twice), "guest1 -a hostA --running") == [32]


PAIR = '<nvpair id="i-c" name="config" value="/else/guest1.xml"/>'
HEARTBEATS = 'class="ocf" provider="heartbeat" type="VirtualDomain"'
THEIRS = (
    f'<primitive id="vm1" {HEARTBEATS}><instance_attributes id="i">{PAIR}</instance_attributes>'
    "</primitive>"
)


def test_another_resource_s_guest_is_no_matter_for_others() -> None:
    assert numbers(facts(), "guest2 nosuch -a hostA", document=cib(THEIRS)) == [3]


@pytest.mark.parametrize(
    "theirs",
    [
        pytest.param(THEIRS, id="by itself"),
        pytest.param(
            f'<template id="t" {HEARTBEATS}><instance_attributes id="i">{PAIR}'
            '</instance_attributes></template><primitive id="vm1" template="t"/>',
            id="by its template",
        ),
        pytest.param(
            f'<group id="g"><instance_attributes id="i">{PAIR}</instance_attributes>'
            f'<primitive id="vm1" {HEARTBEATS}/></group>',
            id="by its group",
        ),
        pytest.param(
            f'<primitive id="vm1" {HEARTBEATS}><instance_attributes id="i"><rule id="r">'
            '<expression id="e" attribute="#uname" operation="eq" value="hostB"/></rule>'
            f"{PAIR}</instance_attributes></primitive>",
            id="on one host only",
        ),
        pytest.param(
            '<primitive id="o" class="ocf" provider="pacemaker" type="Dummy">'
            f'<instance_attributes id="i">{PAIR}</instance_attributes></primitive>'
            f'<primitive id="vm1" {HEARTBEATS}><instance_attributes id-ref="i"/></primitive>',
            id="by an id-ref",
        ),
    ],
)
def test_a_guest_that_another_resource_may_be_given_is_refused_with_its_name(theirs: str) -> None:
    with pytest.raises(RefusedError, match=r"MSG47 guest1: vm1 \(ocf:heartbeat:VirtualDomain\)"):
        plan.add(request(), slides_conf(), facts(), CibDocument(cib(theirs)))


def test_another_uuid_on_another_host_is_refused() -> None:
    with pytest.raises(RefusedError, match="MSG45 guest1: has uuid u2 on hostB and u1 here"):
        added(found=facts(known=on_b(xml=world.definition("guest1", "u2"))))


OTHER_DISK = "<devices><disk><source file='/b'/></disk></devices>"
ON_BOTH = survey("guest1")


@pytest.mark.parametrize(
    ("known", "said"),
    [
        pytest.param(
            on_b(xml=world.definition("guest1", more=OTHER_DISK)),
            ["MSG46 guest1: its definition on hostB differs from the one here in <domain>"],
            id="another content",
        ),
        pytest.param(
            on_b(xml=world.definition("guest1").replace("><", ">\n  <")), [], id="other blanks"
        ),
        pytest.param(
            ON_BOTH._replace(hosts={**ON_BOTH.hosts, "hostB": {}}),
            ["MSG44 guest1: not defined on hostB, and cannot move there"],
            id="not there",
        ),
        pytest.param(
            ON_BOTH._replace(silent={"hostC": "no route"}),
            ["MSG34 hostC: its libvirt could not be asked about the guests: no route"],
            id="a silent host",
        ),
        pytest.param(
            on_b(is_saved=True),
            [
                "MSG59 guest1: libvirt on hostB keeps a saved memory of it, maybe older than its"
                " disks, and no start there restores it; virsh managedsave-remove guest1"
            ],
            id="a managed save",
        ),
    ],
)
def test_another_host_that_knows_it_otherwise_is_warned_about(
    known: Survey, said: list[str]
) -> None:
    assert warnings(facts(known=known)) == said


def test_libvirt_guests_is_warned_about() -> None:
    assert warnings(facts()._replace(libvirt_guests=True))[0].startswith("MSG49 libvirt-guests is")


def test_what_a_guest_keeps_on_one_host_is_warned_about() -> None:
    kept = {"guest1": ["the state of its TPM (/var/lib/libvirt/swtpm/u1)"], "other": ["x"]}
    assert warnings(facts()._replace(kept_here=kept)) == [
        "MSG62 guest1: as far as this host can tell, the state of its TPM"
        " (/var/lib/libvirt/swtpm/u1) is not on storage that all hosts share; a start on another"
        " host begins with a new one"
    ]


def test_hard_bonds_are_warned_about_with_the_nodes_that_they_bar() -> None:
    copy = running("x", "hostA").replace("prmVMCTL_x", "vm-stonithd")
    partly = facts(cluster(f'<clone id="clnVmStonithd">{copy}</clone>'))
    where = "/etc/vm-ctl.conf: vm_stonithd1"
    assert warnings(partly, AS_BEFORE) == [
        f"MSG35 {where}: score INFINITY: when clnVmStonithd cannot run, the guests stop;"
        " 100 avoids that",
        f"MSG50 {where}: clnVmStonithd does not run on hostB;"
        " with this score the guests can't run there",
    ]
    assert warnings(partly) == []


def test_nothing_is_known_of_an_unasked_libvirt() -> None:
    unasked = facts(known=Survey("hostA", {}, {}))
    assert len(added(found=unasked)) == 2


LONGEST = "g" * 64
ODD = {
    "web-1.example_2": "web-1.example_2",
    "1st": "1st",
    "my guest": "my_x0020_guest",
    "ゲスト": "_x30B2__x30B9__x30C8_",
    "a_x0020_b": "a_x005F_x0020_b",
    "a:b&'\"<*": "a_x003A_b_x0026__x0027__x0022__x003C__x002A_",
    "😀": "_x1F600_",
    LONGEST: LONGEST,
}


@pytest.mark.parametrize("name", ODD)
def test_any_name_becomes_an_id_and_is_read_back(name: str) -> None:
    known = facts(known=survey(name))
    arguments = ["resource", "add", name, "-a", "hostA"]
    cib_document = CibDocument(cib())
    plan.add(command_line.parse(arguments), slides_conf(), known, cib_document)
    after = CibDocument(cib_document.text())
    (element,) = [e for e in after.primitives.values() if e.get("type") == "VirtualDomain"]
    assert element.get("id") == f"prmVMCTL_{ODD[name]}" == names.resource(name)
    assert after.domains() == [name]
    assert after.preferred(name) == "hostA"
    config = element.find("instance_attributes/nvpair[@name='config']")
    assert config is not None
    assert config.get("value") == f"/etc/libvirt/qemu/{name}.xml"
    assert all(names.is_plain(each) for each in after.ids)


def test_names_that_differ_make_ids_that_differ() -> None:
    assert len({names.escaped(name) for name in (*ODD, *ODD.values())}) == len(
        {*ODD, *ODD.values()}
    )
