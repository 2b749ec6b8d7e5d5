# SPDX-License-Identifier: GPL-2.0-or-later
"""Facts of a healthy cluster of two hosts, and ways to break what guests need of a host.

By fenced.py: guest1 lives on host1 and guest2 on host2. Here they have disks, a bridge, a CPU, and
all is there on both hosts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from check.vm_check import kinds, report
from check.vm_check.facts import Domain, Facts, HostFacts
from pmkvm.virt.private_state import State
from tests.unit.vm_check import fenced

if TYPE_CHECKING:
    from collections.abc import Mapping

    from check.vm_check.report import Report

HOST1, HOST2 = fenced.HOSTS
DISK, ISO, BRIDGE = "/shared/{}.img", "/iso/{}.iso", "/sys/class/net/br0/ifindex"
EMULATOR, LOADER, NVRAM = "/usr/bin/qemu", "/usr/share/code.fd", "/nvram/{}.fd"
GIB = 1 << 20

DEVICES = (
    f"<emulator>{EMULATOR}</emulator>"
    "<disk type='file' device='disk'><driver cache='none'/><source file='/shared/NAME.img'/>"
    "<target dev='vda'/></disk>"
    "<disk type='file' device='cdrom'><source file='/iso/NAME.iso'/><target dev='hda'/></disk>"
    "<disk type='volume' device='disk'><driver cache='none'/><source pool='p' volume='v'/>"
    "<target dev='vdb'/></disk>"
    "<interface type='bridge'><source bridge='br0'/></interface>"
    "<interface type='network'><source network='n'/></interface>"
)
HEAD = (
    "<memory unit='GiB'>2</memory><vcpu>2</vcpu><os><type arch='x86_64' machine='pc'>hvm</type>"
    f"<loader type='pflash'>{LOADER}</loader><nvram>/nvram/NAME.fd</nvram></os>"
    "<cpu mode='custom' match='exact'><model>qemu64</model></cpu>"
)


def xml(name: str, devices: str = DEVICES, head: str = HEAD) -> str:
    return (
        f"<domain type='kvm'><name>{name}</name><uuid>{fenced.UUIDS[name]}</uuid>"
        f"{head}<devices>{devices}{fenced.CHANNEL}</devices></domain>"
    ).replace("NAME", name)


def domain(name: str, *, runs: bool, text: str = "") -> Domain:
    defined = text or xml(name)
    inactive = fenced.element(defined.replace(" state='connected'", ""))
    live = fenced.element(defined) if runs else None
    uuid = (inactive.findtext("uuid") or "").strip()
    return Domain(name, uuid, "running" if runs else "shutoff", runs, inactive, live)


def paths() -> dict[str, str]:
    known = [EMULATOR, LOADER, BRIDGE]
    for name in fenced.GUESTS:
        known += [each.format(name) for each in (DISK, ISO, NVRAM)]
        known.append(f"/etc/libvirt/qemu/{name}.xml")
    return dict.fromkeys(known, "")


def host(name: str) -> HostFacts:
    return HostFacts(
        {each: domain(each, runs=at == name) for each, at in fenced.GUESTS.items()},
        uri=f"qemu+ssh://{name}/system",
        networks={"n": True},
        pools={"p": True},
        volumes={"p": frozenset({"v"})},
        paths=paths(),
        cpus=dict.fromkeys(fenced.GUESTS, ""),
        memory_kib=16 * GIB,
        free_kib=8 * GIB,
        processors=8,
        libvirt=9_000_000,
        hypervisor=7_002_000,
    )


def facts(**changes: Any) -> Facts:
    made = fenced.facts(
        hosts={name: host(name) for name in fenced.HOSTS},
        uris={name: f"qemu+ssh://{name}/system" for name in fenced.HOSTS},
    )
    guests = {
        name: guest._replace(file=fenced.element(xml(name).replace(" state='connected'", "")))
        for name, guest in made.guests.items()
    }
    return made._replace(guests=guests)._replace(**changes)


def on(node: str, made: Facts | None = None, **changes: Any) -> Facts:
    """That host's libvirt says something else."""
    made = facts() if made is None else made
    known = made.hosts[node]
    assert known is not None
    return made._replace(hosts={**made.hosts, node: known._replace(**changes)})


def lacking(node: str, path: str) -> Facts:
    """A path is not there on that host."""
    return on(node, paths={**paths(), path: "No such file or directory"})


def having(name: str, node: str, **changes: Any) -> Facts:
    """That host's libvirt has something else of a guest."""
    known = facts().hosts[node]
    assert known is not None
    changed = {**known.domains, name: known.domains[name]._replace(**changes)}
    return on(node, domains=changed)


def defined(name: str, devices: str = DEVICES, head: str = HEAD) -> Facts:
    """A guest is another one, on all hosts and in the file."""
    text = xml(name, devices, head)
    made = facts()
    for node in fenced.HOSTS:
        known = made.hosts[node]
        assert known is not None
        changed = domain(name, runs=fenced.GUESTS[name] == node, text=text)
        made = on(node, made, domains={**known.domains, name: changed})
    file = fenced.element(text.replace(" state='connected'", ""))
    guests = {**made.guests, name: made.guests[name]._replace(file=file)}
    return made._replace(guests=guests)


def guest(name: str, **changes: Any) -> Facts:
    """A resource is another one."""
    made = facts()
    guests = {**made.guests, name: made.guests[name]._replace(**changes)}
    return made._replace(guests=guests)


def private(name: str, what: str, path: str) -> Mapping[str, list[State]]:
    return {name: [State(what, path)]}


def found(made: Facts) -> set[tuple[str, str, str]]:
    """Ids, subjects and hosts of all that there is to say."""
    return {(each.kind.id, each.subject, each.host) for each in kinds.find(made)}


def told(made: Facts, **options: Any) -> Report:
    return report.make(made, kinds.find(made), **options)
