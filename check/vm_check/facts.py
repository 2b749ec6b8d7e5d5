# SPDX-License-Identifier: GPL-2.0-or-later
"""All that vm-check has read: nothing is read later. Pure.

Of a host that does not answer nothing is known, which is no "no".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from check.vm_check.host_files import HostFiles
from pmkvm.virt.migration_uri import Transport

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from xml.etree.ElementTree import Element

    from lxml import etree

    from pmkvm.fencing.record import Record
    from pmkvm.pacemaker.status import Cluster, Resource
    from pmkvm.virt.private_state import State


class Domain(NamedTuple):
    """A domain that a host's libvirt knows.

    inactive: its definition as after its next start, None of one that is transient. live: as it
    runs, None if it does not. saved: that libvirt keeps a memory of it, for a person. job: what
    libvirt is doing with it, for a person. reason: the number of the state's reason.
    """

    name: str
    uuid: str
    state: str
    runs: bool
    inactive: Element | None
    live: Element | None = None
    autostart: bool = False
    saved: str = ""
    snapshots: int = 0
    job: str = ""
    reason: int = 0

    @property
    def definition(self) -> Element | None:
        """What the guest is: as it runs, else as it will."""
        return self.inactive if self.live is None else self.live


class HostFacts(NamedTuple):
    """What a host's libvirt has told.

    networks, pools: whether each is active. volumes: names by pool, of those that are. paths: of
    those that were asked for, why QEMU can't have it, empty where it is there; one that is missing
    here could not be told. cpus: by domain, why this host has not the CPU of that guest, empty
    where it has. cpu: its own, as libvirt's XML. free_kib: memory, with what the kernel would give
    back.
    """

    domains: Mapping[str, Domain]
    uri: str = ""
    networks: Mapping[str, bool] = {}
    pools: Mapping[str, bool] = {}
    volumes: Mapping[str, frozenset[str]] = {}
    paths: Mapping[str, str] = {}
    cpus: Mapping[str, str] = {}
    cpu: str = ""
    memory_kib: int = 0
    free_kib: int = 0
    processors: int = 0
    libvirt: int = 0
    hypervisor: int = 0
    seconds: float = 0.0


class Operation(NamedTuple):
    """The last of its kind in Pacemaker's history. at: seconds since 1970, 0 if that is unknown.

    interval_s is 0 of what does not recur; exec_s is how long it took.
    """

    resource: str
    node: str
    name: str
    interval_s: float
    rc: int
    exec_s: float
    at: float
    migrate_target: str = ""
    migrate_source: str = ""


class Fence(NamedTuple):
    """Of a host, by Pacemaker. at: seconds since 1970. result: success or failed."""

    at: float
    result: str


class Guest(NamedTuple):
    """A VirtualDomain resource.

    config: the path of its definition, empty if nobody can tell (unclear says why). file: what is
    in it on this host. parameters, meta: what the resource itself says, without a rule. operations:
    by name, each with its attributes in the CIB.
    """

    resource: str
    domain: str
    agent: str
    config: str
    is_alone: bool = True
    unclear: str = ""
    file: Element | None = None
    file_error: str = ""
    instances: tuple[Resource, ...] = ()
    transport: Transport = Transport("qemu:///system")
    parameters: Mapping[str, str] = {}
    meta: Mapping[str, str] = {}
    operations: Mapping[str, Mapping[str, str]] = {}

    @property
    def runs_on(self) -> tuple[str, ...]:
        """Where Pacemaker says that it runs."""
        return tuple(sorted({node for one in self.instances if one.active for node in one.nodes}))

    @property
    def may_migrate(self) -> bool:
        return self.meta.get("allow-migrate") == "true"


class Facts(NamedTuple):
    """guests: by domain. hosts: None of one that is silent or down, with the reason in silent.

    attributes: by node, then by name; private ones too. measured: by resource. scores: by resource,
    then by node, as Pacemaker would place it now. crm_mon: all that it says. private: by domain,
    what lies beside its disks that other hosts can't see. unshared: paths on a file system that is
    this host's alone. uris: each host's libvirt as this host calls it. corosync: its times in
    milliseconds, by name. host_files: what this host's own set. fences: the last one of each host.
    fence_records: of guests, by resource and by this host's part.
    """

    cib: etree._Element
    cluster: Cluster
    hosts: Mapping[str, HostFacts | None]
    guests: Mapping[str, Guest]
    silent: Mapping[str, str] = {}
    attributes: Mapping[str, Mapping[str, str]] = {}
    measured: Mapping[str, Sequence[Operation]] = {}
    this_host: str = ""
    now: float = 0.0
    crm_mon: Element | None = None
    scores: Mapping[str, Mapping[str, int]] | None = None
    private: Mapping[str, Sequence[State]] = {}
    unshared: frozenset[str] = frozenset()
    uris: Mapping[str, str] = {}
    corosync: Mapping[str, str] = {}
    host_files: HostFiles = HostFiles()
    fences: Mapping[str, Fence] = {}
    fence_records: Mapping[tuple[str, str], Record] = {}

    def online(self) -> tuple[str, ...]:
        """The hosts that are up, by name."""
        return tuple(sorted(self.cluster.online_hosts()))

    def each(self) -> Iterator[Guest]:
        """The guests, each once: of two resources with one domain the first."""
        return (guest for name, guest in self.guests.items() if name == guest.domain)

    def answering(self) -> dict[str, HostFacts]:
        """The hosts whose libvirt has told."""
        return {name: host for name, host in sorted(self.hosts.items()) if host is not None}

    def origin(self, guest: Guest) -> str:
        """The host where it lives, by libvirt's word, else by Pacemaker's; empty if nowhere."""
        lives = (node for node, domain in self.domains(guest.domain).items() if domain.runs)
        return next(lives, next(iter(guest.runs_on), ""))

    def domains(self, name: str) -> dict[str, Domain]:
        """That domain on each host that has it."""
        found = self.answering().items()
        return {node: host.domains[name] for node, host in found if name in host.domains}

    def definition(self, guest: Guest) -> Element | None:
        """What the guest is: as it runs, else as it would be started, here before elsewhere."""
        known = self.domains(guest.domain)
        order = sorted(known, key=lambda node: (not known[node].runs, node != self.this_host, node))
        found = (known[node].definition for node in order)
        return next((each for each in found if each is not None), guest.file)
