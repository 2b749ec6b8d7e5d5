# SPDX-License-Identifier: GPL-2.0-or-later
"""Facts of a healthy cluster of two hosts whose guests fence each other, and ways to break it.

guest1 runs on host1 and guest2 on host2, both live, with vm-connectd and vm-stonithd as clones.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Callable
from xml.etree import ElementTree

from lxml import etree

from check.vm_check.facts import Domain, Facts, Guest, HostFacts
from pmkvm.pacemaker.status import Cluster, Node
from pmkvm.pacemaker.status import Resource as Instance

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType
    from xml.etree.ElementTree import Element

NOW = 1_795_370_000.0
HOSTS = ("host1", "host2")
GUESTS = {"guest1": "host1", "guest2": "host2"}
UUIDS = {
    "guest1": "11111111-1111-4111-8111-111111111111",
    "guest2": "22222222-2222-4222-8222-222222222222",
}
CHANNEL = (
    "<channel type='unix'><source mode='bind'/>"
    "<target type='virtio' name='vmconnectd' state='connected'/></channel>"
)
TIMEOUTS = {"start": "120s", "stop": "90s", "migrate_to": "300s", "migrate_from": "240s"}
WORDS = "up={up:.3f}; key=0123abcd since=1795360000 used=1795369800"
STONITHD, CONNECTD = "prmVmStonithd", "prmVmConnectd"


def domain_xml(name: str, channel: str = CHANNEL, kind: str = "kvm") -> str:
    return (
        f"<domain type='{kind}'><name>{name}</name><uuid>{UUIDS[name]}</uuid>"
        f"<memory unit='KiB'>4194304</memory><devices>{channel}</devices></domain>"
    )


def element(text: str) -> Element:
    return ElementTree.fromstring(text)


def _operation(resource: str, name: str, rc: int, call_id: int) -> str:
    return (
        f'<lrm_rsc_op id="{resource}_last_0" operation="{name}" rc-code="{rc}" op-status="0"'
        f' call-id="{call_id}" interval="0" exec-time="2000"/>'
    )


def _state(number: int, host: str) -> str:
    entries = "".join(
        f'<lrm_resource id="prm{guest}" class="ocf" provider="extra" type="VirtualDomain">'
        + (
            _operation(f"prm{guest}", "start", 0, 20)
            if at == host
            else _operation(f"prm{guest}", "monitor", 7, 10)
        )
        + "</lrm_resource>"
        for guest, at in GUESTS.items()
    )
    return (
        f'<node_state id="{number}" uname="{host}" in_ccm="true" crmd="online" join="member"'
        f' expected="member"><lrm id="{number}"><lrm_resources>{entries}</lrm_resources></lrm>'
        "</node_state>"
    )


def _pair(name: str, value: str) -> str:
    return f'<nvpair id="x-{name}-{value}" name="{name}" value="{value}"/>'


def _guest(name: str) -> str:
    operations = "".join(
        f'<op id="prm{name}-{each}" name="{each}" interval="0" timeout="{timeout}"/>'
        for each, timeout in TIMEOUTS.items()
    )
    return (
        f'<primitive id="prm{name}" class="ocf" provider="extra" type="VirtualDomain">'
        f'<instance_attributes id="p{name}">{_pair("config", f"/etc/libvirt/qemu/{name}.xml")}'
        f"</instance_attributes><operations>{operations}</operations></primitive>"
    )


def _daemon(name: str, binfile: str) -> str:
    return (
        f'<clone id="cln{name}"><primitive id="{name}" class="ocf" provider="extra"'
        f' type="vm-anything"><instance_attributes id="{name}-p">{_pair("binfile", binfile)}'
        "</instance_attributes></primitive></clone>"
    )


def cib() -> etree._Element:
    guests = "".join(map(_guest, GUESTS))
    daemons = _daemon(STONITHD, "/usr/sbin/vm-stonithd")
    daemons += _daemon(CONNECTD, "/usr/sbin/vm-connectd")
    return etree.fromstring(
        '<cib crm_feature_set="3.16.1" have-quorum="1"><configuration><crm_config>'
        f'<cluster_property_set id="o">{_pair("stonith-enabled", "true")}</cluster_property_set>'
        '</crm_config><nodes><node id="1" uname="host1"/><node id="2" uname="host2"/></nodes>'
        f'<resources>{guests}{daemons}<primitive id="fence" class="stonith" type="fence_x">'
        '<operations><op id="f" name="monitor" interval="60s"/></operations></primitive>'
        '</resources><constraints/><rsc_defaults><meta_attributes id="r">'
        f"{_pair('resource-stickiness', '100')}</meta_attributes></rsc_defaults><op_defaults/>"
        f"</configuration><status>{_state(1, 'host1')}{_state(2, 'host2')}</status></cib>"
    )


def instance(name: str, agent: str, *nodes: str) -> Instance:
    return Instance(
        id=name,
        agent=agent,
        role="Started" if nodes else "Stopped",
        target_role=None,
        active=bool(nodes),
        managed=True,
        failed=False,
        blocked=False,
        pending=None,
        nodes=nodes,
        parents=(),
    )


def instances() -> tuple[Instance, ...]:
    return (
        *(instance(f"prm{g}", "ocf:extra:VirtualDomain", at) for g, at in GUESTS.items()),
        *(instance(d, "ocf:extra:vm-anything", h) for d in (STONITHD, CONNECTD) for h in HOSTS),
        instance("fence", "stonith:fence_x", "host1"),
    )


def cluster(resources: tuple[Instance, ...] | None = None) -> Cluster:
    return Cluster(
        stonith_enabled=True,
        fencing_option="stonith-enabled",
        nodes=tuple(Node(host, "member", online=True) for host in HOSTS),
        resources=instances() if resources is None else resources,
        failures=(),
    )


def host(name: str) -> HostFacts:
    return HostFacts({guest: domain(guest, runs=at == name) for guest, at in GUESTS.items()})


def domain(name: str, *, runs: bool) -> Domain:
    inactive = element(domain_xml(name, CHANNEL.replace(" state='connected'", "")))
    live = element(domain_xml(name)) if runs else None
    return Domain(name, UUIDS[name], "running" if runs else "shut off", runs, inactive, live)


def facts(**changes: Any) -> Facts:
    known = {each.id: each for each in instances()}
    guests = {
        name: Guest(
            f"prm{name}",
            name,
            "ocf:extra:VirtualDomain",
            f"/etc/libvirt/qemu/{name}.xml",
            instances=(known[f"prm{name}"],),
            meta={"allow-migrate": "true"},
            operations={
                "monitor": {"interval": "10s", "timeout": "30s"},
                **{each: {"timeout": timeout} for each, timeout in TIMEOUTS.items()},
            },
        )
        for name in GUESTS
    }
    made = Facts(
        cib=cib(),
        cluster=cluster(),
        hosts={name: host(name) for name in HOSTS},
        guests=guests,
        attributes={name: {"vm-stonith": WORDS.format(up=NOW - 2)} for name in HOSTS},
        this_host="host1",
        now=NOW,
    )
    return made._replace(**changes)


def with_cib(change: Callable[[etree._Element], None]) -> Facts:
    made = facts()
    change(made.cib)
    return made


def option(name: str, value: str) -> Facts:
    """A property of the cluster is set."""

    def change(root: etree._Element) -> None:
        owner = root.find("configuration/crm_config/cluster_property_set")
        assert owner is not None
        for old in owner.findall(f"nvpair[@name='{name}']"):
            owner.remove(old)
        owner.append(etree.fromstring(_pair(name, value)))

    return with_cib(change)


def words(name: str, text: str) -> Facts:
    """What that host's vm-stonithd says."""
    made = facts()
    return made._replace(attributes={**made.attributes, name: {"vm-stonith": text}})


def without_instance(name: str, node: str) -> Facts:
    """It does not run there, by crm_mon."""
    kept = [each for each in instances() if (each.id, each.nodes) != (name, (node,))]
    return facts(cluster=cluster(tuple(kept)))


def guest(**changes: Any) -> Facts:
    """guest2 is another one."""
    made = facts()
    return made._replace(
        guests={**made.guests, "guest2": made.guests["guest2"]._replace(**changes)}
    )


def there(name: str, guest_name: str, **changes: Any) -> Facts:
    """What that host's libvirt says of a guest."""
    made = copy.copy(facts())
    known = made.hosts[name]
    assert known is not None
    changed = {**known.domains, guest_name: known.domains[guest_name]._replace(**changes)}
    return made._replace(hosts={**made.hosts, name: known._replace(domains=changed)})


def found(module: ModuleType, made: Facts) -> list[tuple[str, str]]:
    """Ids and subjects."""
    every: Iterable[object] = module.findings(made)
    return [(each.kind.id, each.subject) for each in every]  # type: ignore[attr-defined]
