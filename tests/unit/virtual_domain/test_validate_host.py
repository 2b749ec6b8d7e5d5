# SPDX-License-Identifier: GPL-2.0-or-later
"""validate-all at level 10 names all that is missing, before it hurts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pmkvm import settings
from tests.unit.virtual_domain.fake_libvirtmod import SHUTOFF, FakeHypervisor
from tests.unit.virtual_domain.fake_services import Pool
from tests.unit.virtual_domain.world import OTHER_UUID, UUID, World

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.ocf.sample import Called
    from tests.unit.virtual_domain.programs import Programs

CRM_MON = """<pacemaker-result><status code='0'/><summary/><nodes>
<node name='node1' id='1' online='true' type='member'/>
<node name='node2' id='2' online='true' type='member'/>
<node name='node3' id='3' online='false' type='member'/></nodes></pacemaker-result>"""


@pytest.fixture(autouse=True)
def programs(programs: Programs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    """A cluster of three hosts, of which this is the first and the third is down."""
    programs.play("crm_node", "echo node1")
    programs.play("crm_mon", f'echo "{CRM_MON}"')
    (tmp_path / "net" / "br0").mkdir(parents=True)
    monkeypatch.setattr(settings, "NETWORK_DEVICES", str(tmp_path / "net"))
    return programs


@pytest.fixture
def node2(world: World) -> FakeHypervisor:
    return world.there


def validate(world: World, level: str = "10", **parameters: str) -> Called:
    given = {"OCF_CHECK_LEVEL": level, "migration_transport": "tcp"}
    return world.act("validate-all", {**given, **parameters})


def devices(world: World, text: str) -> None:
    world.define(f"<devices>{text}</devices>")


@pytest.mark.usefixtures("node2")
def test_a_host_that_has_everything_is_content(world: World, tmp_path: Path) -> None:
    world.here.supplies = {"images": Pool(active=False), "lan": Pool(active=False)}
    devices(
        world,
        f"<emulator>/bin/sh</emulator><disk><source file='{tmp_path}'/></disk>"
        "<disk device='cdrom'/><disk><source file='/no/cd' startupPolicy='optional'/></disk>"
        "<disk><source pool='images' volume='g1'/></disk>"
        "<interface><source bridge='br0'/></interface>"
        "<interface><source network='lan'/></interface>",
    )
    assert validate(world) == (0, "", "")
    # Nothing was started.
    assert not any(pool.active for pool in world.here.supplies.values())


def test_all_that_is_missing_is_said_at_once(world: World) -> None:
    devices(
        world,
        "<emulator>/no/qemu</emulator><disk><source dev='/no/disk'/></disk>"
        "<disk><source pool='images' volume='g1'/></disk>"
        "<interface><source bridge='br9'/></interface>"
        "<interface><source network='lan'/></interface>",
    )
    called = validate(world)
    assert called.rc == 5
    assert called.reason == (
        "g1: emulator /no/qemu is not there or not executable; disk /no/disk is not there;"
        " bridge br9 is not there; libvirt has no pool images; libvirt has no network lan"
    )


def test_libvirt_must_be_there(world: World) -> None:
    world.here.down = "Failed to connect socket to '/run/libvirt/libvirt-sock'"
    assert validate(world).fails(5, "g1: libvirt can't be asked: Failed to connect socket")


def test_the_parameters_alone_need_none_of_it(world: World) -> None:
    devices(world, "<emulator>/no/qemu</emulator>")
    world.here.down = "no"
    assert validate(world, level="0").rc == 0
    assert validate(world, level="9").rc == 0


def test_programs_that_parameters_need_are_looked_for(world: World) -> None:
    world.patch.setitem(settings.CHILD_ENVIRONMENT, "PATH", "/no/such")
    called = validate(world, backingfile=str(world.directory), copyindirs="/usr")
    assert called.rc == 5
    assert "program qemu-img is not installed; program virt-copy-in is not" in called.reason
    called = validate(world, level="0", sync_config_on_stop="yes")
    assert called.outcome == (5, "sync_config_on_stop needs csync2, which is not installed")


# The other hosts.


def test_hosts_that_agree_are_content(world: World, node2: FakeHypervisor) -> None:
    node2.add("g1", UUID, SHUTOFF)
    assert validate(world).rc == 0
    assert len(node2.called("virConnectOpen")) == 1


def test_a_definition_that_differs_is_named_before_it_hurts(
    world: World, node2: FakeHypervisor
) -> None:
    node2.add("g1", OTHER_UUID, SHUTOFF)
    called = validate(world)
    assert called.rc == 6
    assert called.reason == (
        f"g1: uuid {UUID} here, {OTHER_UUID} in libvirt's definition on node2: make them equal, or"
        " a migration fails"
    )


def test_a_host_that_cannot_be_reached_is_warned_of(world: World, node2: FakeHypervisor) -> None:
    node2.down = "Host key verification failed."
    assert validate(world).says(0, "node2: no migration to it: Host key verification failed.")


def test_without_a_cluster_this_host_is_all(world: World, programs: Programs) -> None:
    programs.play("crm_node", "exit 102")
    assert validate(world).says(0, "other hosts are not looked at: Pacemaker does not run")


@pytest.mark.parametrize(
    ("parameters", "rc", "reason"),
    [
        ({"snapshot": "images"}, 6, "parameter snapshot='images' must be absolute"),
        ({"snapshot": "/no/such"}, 5, "/no/such is no directory"),
        ({"snapshot": "/tmp", "force_stop": "yes"}, 6, "force_stop destroys what snapshot would"),
        ({"shutdown_mode": "apci"}, 6, "parameter shutdown_mode: 'apci' is none of"),
        ({"migration_mode": "ssh"}, 6, "parameter migration_mode: 'ssh' is none of"),
    ],
)
def test_a_bad_parameter_is_named_without_any_of_it(
    world: World, parameters: dict[str, str], rc: int, reason: str
) -> None:
    called = validate(world, level="0", **parameters)
    assert called.rc == rc
    assert called.reason.startswith(reason)


# What is here and nowhere else; and which definition counts.


def test_a_tpm_and_variables_on_one_hosts_disk_are_warned_of(
    world: World, node2: FakeHypervisor, tmp_path: Path
) -> None:
    conf = tmp_path / "qemu.conf"
    conf.write_text("")
    world.patch.setattr(settings, "QEMU_CONF", str(conf))
    world.define(
        f"<os><nvram>{tmp_path}/v.fd</nvram></os>"
        "<devices><tpm><backend type='emulator'/></tpm></devices>"
    )
    node2.add("g1", UUID, SHUTOFF)
    called = validate(world)
    assert called.rc == 0
    assert (
        f"g1: as far as this host can tell, its UEFI variables ({tmp_path}/v.fd) is" in called.err
    )
    assert f"the state of its TPM (/var/lib/libvirt/swtpm/{UUID}) is not on storage" in called.err
    conf.write_text(f'shared_filesystems = ["{tmp_path}", "/var/lib/libvirt/swtpm"]\n')
    assert validate(world) == (0, "", "")


def test_a_file_that_libvirts_own_definition_contradicts_is_warned_of(
    world: World, node2: FakeHypervisor
) -> None:
    node2.add("g1", UUID, SHUTOFF)
    world.define("<vcpu>2</vcpu>")
    own = world.here.add("g1", UUID, SHUTOFF)
    own.xml = f"<domain type='kvm'><name>g1</name><uuid>{UUID}</uuid><vcpu a='b'>2</vcpu></domain>"
    assert validate(world) == (0, "", "")
    world.define("<vcpu>4</vcpu>")
    place = "<domain><vcpu> from libvirt's own definition, and a start here uses libvirt's"
    assert validate(world).says(0, f"{world.config} differs in {place}")


# A guest that runs here, and whose disks are not those of a next start.


def xml(image: str, medium: str = "") -> str:
    drive = f"<disk device='cdrom'>{medium}<target dev='sda'/></disk>"
    disk = f"<disk><source file='{image}'/><target dev='vda'/></disk>"
    return f"<domain><name>g1</name><uuid>{UUID}</uuid><devices>{disk}{drive}</devices></domain>"


def test_live_disks_that_a_definition_does_not_name_are_warned_of(
    world: World, node2: FakeHypervisor
) -> None:
    domain = world.guest(persistent=True)
    domain.xml, domain.next_xml = xml("/x/g1.s", "<source file='/x/cd.iso'/>"), xml("/x/g1.s")
    node2.add("g1", UUID, SHUTOFF).xml = xml("/x/g1.qcow2")
    called = validate(world)
    assert called.rc == 0
    assert "g1: its disk vda /x/g1.s is not so in the definition on node2" in called.err
    assert "g1: its medium sda /x/cd.iso differs at the next start" in called.err
    assert "on this host" not in called.err


def test_a_start_that_would_be_refused_is_named(world: World, programs: Programs) -> None:
    last = '<nvpair name="vm-disks" value="0123456789abcdef vda%20/x/g1.s"/>'
    vm1 = f'<primitive id="vm1"><meta_attributes id="m">{last}</meta_attributes></primitive>'
    programs.play("cibadmin", f"echo '{vm1}'")
    called = validate(world)
    assert called.fails(5, "g1: the guest last ran with other disks than the definition here names")
