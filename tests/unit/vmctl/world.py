# SPDX-License-Identifier: GPL-2.0-or-later
"""A cluster of two hosts as documents, and a survey of its libvirts, for plans to be made on."""

from __future__ import annotations

import sys
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import pytest
from lxml import etree

from pmkvm.pacemaker import difference, status
from pmkvm.pacemaker.cib import Change, selection
from pmkvm.pacemaker.document import CibDocument
from pmkvm.virt.survey import Domain, Survey
from tests.unit.virtual_domain.fake_libvirtmod import FakeHypervisor, FakeLibvirt
from vmctl import configuration, main
from vmctl.checks import Facts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

DATA = Path(__file__).parent / "data"

CLONES = ("clnPingd", "clnDiskd1", "clnVmStonithd", "clnVmManagerd")
MIGRATE = (
    '<meta_attributes id="m"><nvpair id="n" name="allow-migrate" value="true"/></meta_attributes>'
)


def slides_conf(more: str = "") -> configuration.Configuration:
    text = (DATA / "slides.conf").read_text(encoding="utf-8") + more
    return configuration.from_text(text, "/etc/vm-ctl.conf")


def guest(domain: str, meta: str = "") -> str:
    name = f"prmVMCTL_{domain}"
    agent = 'class="ocf" provider="extra" type="VirtualDomain"'
    return f'<primitive id="{name}" {agent}>{meta}</primitive>'


def target_role(domain: str, role: str) -> str:
    name = f"prmVMCTL_{domain}-meta_attributes"
    pair = f'<nvpair id="{name}-target-role" name="target-role" value="{role}"/>'
    return f'<meta_attributes id="{name}">{pair}</meta_attributes>'


def cib(resources: str = "", constraints: str = "", *, tags: str = "", status: str = "") -> str:
    clones = "".join(f'<clone id="{c}"><primitive id="p{c}"/></clone>' for c in CLONES)
    nodes = '<node id="1" uname="hostA"/><node id="2" uname="hostB"/>'
    return (
        '<cib admin_epoch="0" epoch="5" num_updates="0"><configuration><crm_config/>'
        f"<nodes>{nodes}</nodes><resources>{clones}{resources}</resources>"
        f"<constraints>{constraints}</constraints><tags>{tags}</tags></configuration>"
        f"<status>{status}</status></cib>"
    )


# A Pacemaker Remote node, and a bundle that is a node.
REMOTES = (
    '<node name="remote1" id="remote1" online="true" type="remote"/>'
    '<node name="box-0" id="box-0" online="true" type="remote" id_as_resource="box-docker-0"/>'
)


# As the slides' clones of ping and diskd keep them.
WELL = {"default_ping_set": "100", "diskcheck_status": "normal"}
ATTRIBUTES = "".join(f'<attribute name="{name}" value="{WELL[name]}"/>' for name in WELL)


def crm_mon(
    resources: str = "", *, fencing: str = "true", online: str = "true", nodes: str = ""
) -> str:
    return (
        '<pacemaker-result><summary><current_dc name="hostA" with_quorum="true"/>'
        f'<cluster_options stonith-enabled="{fencing}"/></summary>'
        '<nodes><node name="hostA" id="1" online="true" type="member"/>'
        f'<node name="hostB" id="2" online="{online}" type="member"/>{nodes}</nodes>'
        f'<node_attributes><node name="hostA">{ATTRIBUTES}</node></node_attributes>'
        f'<resources>{resources}</resources><status code="0"/></pacemaker-result>'
    )


def running(domain: str, *nodes: str, role: str = "Started", more: str = "") -> str:
    managed = "" if "managed" in more else 'managed="true"'
    on = "".join(f'<node name="{node}" id="{node}" cached="true"/>' for node in nodes)
    active = "true" if nodes else "false"
    return (
        f'<resource id="prmVMCTL_{domain}" resource_agent="ocf:extra:VirtualDomain" role="{role}"'
        f' active="{active}" {managed} {more}>{on}</resource>'
    )


def cluster(
    resources: str = "", *, fencing: str = "true", online: str = "true", nodes: str = ""
) -> status.Cluster:
    return status.parse(crm_mon(resources, fencing=fencing, online=online, nodes=nodes))


def definition(domain: str, uuid: str = "u1", more: str = "") -> str:
    return f"<domain type='kvm'><name>{escape(domain)}</name><uuid>{uuid}</uuid>{more}</domain>"


def survey(*defined: str, **running_on: str) -> Survey:
    """On both hosts the domains defined; running_on: domain=host."""
    found = {
        host: {
            each: Domain(running_on.get(each) == host, False, definition(each))
            for each in {*defined, *(d for d, where in running_on.items() if where == host)}
        }
        for host in ("hostA", "hostB")
    }
    return Survey("hostA", found, {})


def libvirt(defined: Iterable[str]) -> FakeHypervisor:
    """One that has these, all of them off."""
    made = FakeHypervisor()
    for domain in defined:
        made.add(domain, "u1").xml = definition(domain)
    return made


HERE, THERE = "qemu:///system", "qemu+ssh://hostB/system?no_tty=1"


def nothing_runs() -> dict[str, FakeHypervisor]:
    """Both hosts' libvirts, which have two guests."""
    return {uri: libvirt(("guest1", "guest2")) for uri in (HERE, THERE)}


class Ended(NamedTuple):
    rc: int
    out: str
    err: str
    calls: list[tuple[tuple[str, ...], str | None, dict[str, str]]]


def vm_ctl(arguments: Sequence[str], libvirts: Mapping[str, FakeHypervisor]) -> int:
    """Its exit code; libvirts are those of the hosts, by URI."""
    played = FakeLibvirt()
    played.hypervisors.update(libvirts)
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(sys.modules, "libvirtmod", played.module())
        try:
            return main.main(arguments)
        finally:
            played.close()


def facts(
    found: status.Cluster | None = None,
    known: Survey | None = None,
    undefined: tuple[str, ...] = (),
) -> Facts:
    return Facts(found or cluster(), known or survey("guest1", "guest2"), undefined)


def differ(document: str, plan: Callable[[CibDocument], None]) -> Change | None:
    """The write that a plan comes down to."""
    before, after = CibDocument(document), CibDocument(document)
    plan(after)
    return difference.change(before, after)


def applied(document: str, change: Change | None) -> CibDocument:
    """A document after a write of removals or of constraints, as the CIB manager makes it."""
    root = etree.fromstring(document)
    if change is not None and change.constraints:
        (constraints,) = root.iterfind("configuration/constraints")
        root[0].replace(constraints, etree.fromstring(change.constraints))
    elif change is not None:
        xpath = selection(change.removed, "/cib")
        for element in cast("Any", root.getroottree().xpath(xpath)):
            element.getparent().remove(element)
    return CibDocument(etree.tostring(root, encoding="unicode"))
