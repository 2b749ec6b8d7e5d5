# SPDX-License-Identifier: GPL-2.0-or-later
"""A memory that libvirt keeps (virsh managedsave) is named, and never restored by a start."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pmkvm import settings
from tests.unit.virtual_domain.fake_libvirtmod import INTERNAL, RUNNING, SHUTOFF, Trouble
from tests.unit.virtual_domain.world import ORDERS, UUID, World

if TYPE_CHECKING:
    from tests.unit.virtual_domain.fake_libvirtmod import FakeDomain
    from tests.unit.virtual_domain.programs import Programs

REMOVE = "`virsh managedsave-remove g1` drops it"
NO_SUPPORT = 3
CREATE = "virDomainCreateWithFlags"


def defined(world: World, *, is_saved: bool = False) -> FakeDomain:
    domain = world.guest(SHUTOFF, persistent=True)
    domain.is_saved = is_saved
    return domain


def file_of_it() -> Path:
    """Where libvirt keeps it, made."""
    path = Path(settings.LIBVIRT_SAVE_DIR, "g1.save")
    path.parent.mkdir(exist_ok=True)
    path.write_text("memory")
    return path


@pytest.mark.parametrize("parameters", [{}, {"snapshot": "here"}])
def test_a_start_beside_one_is_refused_and_names_the_remedy(
    world: World, parameters: dict[str, str]
) -> None:
    domain = defined(world, is_saved=True)
    if parameters:
        parameters = {"snapshot": str(world.directory)}
    called = world.act("start", parameters)
    assert called.outcome == (
        5,
        "g1: not started: libvirt keeps a saved memory of it, maybe older than its disks:"
        f" {REMOVE}",
    )
    assert world.here.called(*ORDERS) == []
    assert domain.is_saved
    assert world.stage == "nothing"


def test_a_file_that_libvirtd_has_not_seen_counts_too(world: World) -> None:
    """It would restore it: it looks for the file, not for what it remembers of one."""
    defined(world)
    path = file_of_it()
    called = world.act("start")
    assert called.fails(5, f"g1: not started: a saved memory of it is in {path}, maybe older")
    assert called.reason.endswith(f"{REMOVE}, or `rm` if virsh knows of none")
    assert world.here.called(*ORDERS) == []
    assert path.exists()


def test_one_that_appears_between_check_and_start_is_not_restored(world: World) -> None:
    domain = defined(world)

    def save() -> None:
        domain.is_saved = True

    world.here.when(CREATE, save)
    assert world.act("start").rc == 0
    assert not domain.is_restored
    world.assert_started()


def test_without_it_the_next_start_boots(world: World) -> None:
    domain = defined(world, is_saved=True)
    assert world.act("start").rc == 5
    domain.is_saved = False
    assert world.act("start").rc == 0
    world.assert_started()


def test_a_transient_guest_boots_beside_a_file_that_libvirt_does_not_look_at(world: World) -> None:
    path = file_of_it()
    assert world.act("start").says(0, f"a saved memory of it is in {path}")
    world.assert_started()
    assert path.exists()


def test_what_a_stop_of_ours_saved_is_restored_beside_one(world: World) -> None:
    domain = defined(world)
    domain.state, domain.qemu = RUNNING, world.here.start_qemu(domain)
    assert world.act("stop", snapshot=str(world.directory)).rc == 0
    domain.is_saved = True
    file_of_it()
    called = world.act("start", snapshot=str(world.directory))
    assert called.says(0, REMOVE)
    assert len(world.here.called("virDomainRestoreFlags")) == 1
    assert world.here.called(CREATE) == []
    world.assert_started()


@pytest.mark.parametrize("kind", ["xen", "lxc"])
def test_other_hypervisors_restore_none_either(world: World, kind: str) -> None:
    hypervisor = world.no_qemu(kind, SHUTOFF)
    domain = hypervisor.domains["g1"]
    domain.is_saved = True
    assert world.act("start").fails(5, "g1: not started: libvirt keeps a saved memory")
    hypervisor.script("virDomainHasManagedSaveImage", Trouble(NO_SUPPORT, "this function is not"))
    domain.is_saved = False
    assert world.act("start").rc == 0
    # Their drivers refuse a flag that they don't know.
    assert [call.arguments for call in hypervisor.called(CREATE)] == [(1,)]


def test_a_libvirt_that_cannot_say_starts_nothing(world: World) -> None:
    defined(world)
    world.here.script("virDomainHasManagedSaveImage", Trouble(INTERNAL, "who knows"))
    assert world.act("start").outcome == (1, "libvirt: who knows")
    assert world.here.called(*ORDERS) == []


# Named before it hurts.


def test_a_probe_names_one_and_asks_no_libvirt(world: World) -> None:
    path = file_of_it()
    called = world.probe()
    assert called.says(7, f"g1: no start here: a saved memory of it is in {path}")
    assert world.here.calls == []


def test_a_probe_of_a_guest_that_runs_names_one(world: World) -> None:
    world.guest()
    file_of_it()
    assert world.probe().says(0, REMOVE)


def test_a_recurring_monitor_does_not_look_for_one(world: World) -> None:
    world.guest()
    file_of_it()
    assert world.act("monitor", CRM_meta_interval="10000") == (0, "", "")


def test_a_probe_of_another_hypervisor_asks_libvirt(world: World) -> None:
    domain = world.no_qemu("xen", SHUTOFF).domains["g1"]
    assert world.probe() == (7, "", "")
    domain.is_saved = True
    assert world.probe().says(7, REMOVE)


@pytest.fixture
def pair(programs: Programs) -> None:
    """A cluster of node1, which is this host, and node2."""
    nodes = "".join(
        f"<node name='node{one}' id='{one}' online='true' type='member'/>" for one in (1, 2)
    )
    text = (
        f"<pacemaker-result><status code='0'/><summary/><nodes>{nodes}</nodes></pacemaker-result>"
    )
    programs.play("crm_node", "echo node1")
    programs.play("crm_mon", f'echo "{text}"')


@pytest.mark.usefixtures("pair")
def test_validation_of_a_host_names_one_here_and_on_the_other_hosts(world: World) -> None:
    defined(world, is_saved=True)
    world.there.add("g1", UUID).is_saved = True
    given = {"OCF_CHECK_LEVEL": "10", "migration_transport": "tcp"}
    called = world.act("validate-all", given)
    assert called.rc == 0
    assert "g1: no start here: libvirt keeps a saved memory of it" in called.err
    assert "g1: no start on node2: libvirt keeps a saved memory of it" in called.err
    assert world.act("validate-all") == (0, "", "")
