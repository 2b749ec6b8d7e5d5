# SPDX-License-Identifier: GPL-2.0-or-later
"""A cluster of two hosts as documents, and a survey of its libvirts, for plans to be made on."""

from __future__ import annotations

from pathlib import Path

from pmkvm.pacemaker import status
from vmctl import configuration, plan
from vmctl.domains import HostDomains, Survey
from vmctl.registry import Registry

DATA = Path(__file__).parent / "data"

CLONES = ("clnPingd", "clnDiskd1", "clnVmStonithd", "clnVmManagerd")


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


def cib(resources: str = "", constraints: str = "", *, tags: str = "") -> str:
    clones = "".join(f'<clone id="{c}"><primitive id="p{c}"/></clone>' for c in CLONES)
    nodes = '<node id="1" uname="hostA"/><node id="2" uname="hostB"/>'
    return (
        '<cib admin_epoch="0" epoch="5" num_updates="0"><configuration><crm_config/>'
        f"<nodes>{nodes}</nodes><resources>{clones}{resources}</resources>"
        f"<constraints>{constraints}</constraints><tags>{tags}</tags></configuration></cib>"
    )


def crm_mon(resources: str = "", *, fencing: str = "true", online: str = "true") -> str:
    return (
        '<pacemaker-result><summary><current_dc name="hostA" with_quorum="true"/>'
        f'<cluster_options stonith-enabled="{fencing}"/></summary>'
        '<nodes><node name="hostA" id="1" online="true" type="member"/>'
        f'<node name="hostB" id="2" online="{online}" type="member"/></nodes>'
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


def cluster(resources: str = "", *, fencing: str = "true", online: str = "true") -> status.Cluster:
    return status.parse(crm_mon(resources, fencing=fencing, online=online))


def survey(*defined: str, **running_on: str) -> Survey:
    """running_on: domain=host."""
    hosts = {
        host: frozenset(d for d, where in running_on.items() if where == host)
        for host in ("hostA", "hostB")
    }
    return Survey(HostDomains(frozenset(defined), hosts["hostA"]), hosts, {})


def facts(
    document: str = "",
    found: status.Cluster | None = None,
    hosts: Survey | None = None,
    undefined: tuple[str, ...] = (),
) -> plan.Facts:
    return plan.Facts(
        Registry(document or cib()),
        found or cluster(),
        hosts or survey("guest1", "guest2"),
        undefined,
    )
