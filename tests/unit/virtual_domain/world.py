# SPDX-License-Identifier: GPL-2.0-or-later
"""A host with libvirt, a process table and a definition, and VirtualDomain as it is called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agents.virtual_domain.agent import AGENT
from pmkvm.virt import record
from pmkvm.virt.identity import Identity
from pmkvm.virt.record import Record, Stage
from tests.unit.ocf.sample import call
from tests.unit.virtual_domain.fake_libvirtmod import RUNNING, FakeHypervisor

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pytest

    from pmkvm.process import Life
    from tests.unit.ocf.sample import Called
    from tests.unit.virt.fake_qemu import FakeProcessTable, FakeQemu
    from tests.unit.virtual_domain.fake_libvirtmod import FakeDomain, FakeLibvirt
    from tests.unit.virtual_domain.local_cib import LocalCib

UUID = "0123abcd-2222-3333-4444-555555555555"
OTHER_UUID = "99999999-2222-3333-4444-555555555555"
G1 = Identity("g1", UUID, is_qemu=True)
HERE = "qemu:///system"
THERE = "qemu+tcp://node2/system"

# What brings a guest up.
ORDERS = ("virDomainCreateXML", "virDomainCreateWithFlags", "virDomainResume")


class World:
    """What the agent sees, and its calls. The resource is vm1, the guest g1."""

    def __init__(
        self,
        libvirt: FakeLibvirt,
        table: FakeProcessTable,
        directory: Path,
        patch: pytest.MonkeyPatch,
        cib: LocalCib,
    ) -> None:
        self.libvirt = libvirt
        self.table = table
        self.directory = directory
        self.patch = patch
        # Which the fixture of that name puts in its place.
        self.cib = cib
        self.config = directory / "g1.xml"
        # The other host's libvirtd, as migrate_to() below reaches it.
        self.there = self.hypervisor(THERE)
        self.here = self.hypervisor(HERE)
        self.here.start_qemu = lambda domain: table.start_qemu(domain.name, domain.uuid)
        self.define()

    def define(self, more: str = "", *, kind: str = "kvm", uuid: str = UUID) -> None:
        """Write the file of the parameter config."""
        element = f"<uuid>{uuid}</uuid>" if uuid else ""
        self.config.write_text(f"<domain type='{kind}'><name>g1</name>{element}{more}</domain>")

    def guest(
        self, state: int = RUNNING, *, persistent: bool = False, qemu: FakeQemu | None = None
    ) -> FakeDomain:
        """The guest, not yet remembered, with its process, which is this one if it is given."""
        if qemu is None:
            return self.here.add("g1", UUID, state, persistent=persistent)
        domain = self.here.add("g1", UUID, persistent=persistent)
        domain.state, domain.qemu = state, qemu
        return domain

    def hypervisor(self, uri: str | None) -> FakeHypervisor:
        """Another libvirtd that can be reached from here."""
        made = self.libvirt.hypervisors[uri] = FakeHypervisor()
        return made

    def no_qemu(self, kind: str, state: int | None = None) -> FakeHypervisor:
        """The guest is of this kind, which no QEMU is behind; in that state, or nowhere."""
        self.define(kind=kind)
        made = self.hypervisor(None)
        if state is not None:
            made.add("g1", UUID, state)
        return made

    def qemu_of(self, domain: FakeDomain) -> FakeQemu:
        assert domain.qemu is not None
        return domain.qemu

    def act(
        self,
        action: str,
        given: Mapping[str, str] | None = None,
        /,
        *,
        timeout_s: float = 30,
        **parameters: str,
    ) -> Called:
        """One action. Parameters that begin with CRM_meta_ are given as Pacemaker does.

        What is given under a whole name of the environment, such as OCF_CHECK_LEVEL, stays so.
        """
        env = {
            "OCF_RESOURCE_INSTANCE": "vm1",
            "OCF_RESKEY_CRM_meta_timeout": str(int(timeout_s * 1000)),
            "OCF_RESKEY_config": str(self.config),
        }
        for name, value in {**(given or {}), **parameters}.items():
            env[name if name.startswith("OCF_") else f"OCF_RESKEY_{name}"] = value
        return call(AGENT, action, env=env)

    def script(self, name: str, text: str) -> str:
        """The path of a program in shell."""
        path = self.directory / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o700)
        return str(path)

    def by_pacemaker(self, action: str, *, timeout_s: float = 30, **parameters: str) -> Called:
        """On node1: a ban that the CIB holds counts for it."""
        return self.act(action, timeout_s=timeout_s, CRM_meta_on_node="node1", **parameters)

    def probe(self, **parameters: str) -> Called:
        parameters["CRM_meta_interval"] = "0"
        return self.act("monitor", timeout_s=30, **parameters)

    def remember(self, stage: Stage, life: Life | None = None) -> None:
        record.store("vm1", Record(G1, stage, life))

    @property
    def remembered(self) -> Record | None:
        return record.load("vm1")

    @property
    def stage(self) -> str:
        remembered = self.remembered
        return remembered.stage.name if remembered else "nothing"

    def assert_started(self) -> None:
        """One QEMU, running and remembered so."""
        domain = self.here.domains["g1"]
        assert domain.state == RUNNING
        assert self.remembered == (G1, Stage.RUNNING, self.qemu_of(domain).life)
        assert len(self.table.living()) == 1


def migrate_to(world: World, *, timeout_s: float = 30, **parameters: str) -> Called:
    parameters = {
        "CRM_meta_migrate_target": "node2",
        "migration_transport": "tcp",
        **parameters,
    }
    return world.act("migrate_to", timeout_s=timeout_s, **parameters)
