# SPDX-License-Identifier: GPL-2.0-or-later
"""Processes that make themselves out to be the guest, and a guest that does not any more; and who
is asked about a guest whose hypervisor may be another machine's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pmkvm.virt.record import Stage
from tests import impostor
from tests.unit.virtual_domain.fake_libvirtmod import RUNNING, SHUTOFF
from tests.unit.virtual_domain.world import OTHER_UUID, UUID, World

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.virt.fake_qemu import FakeQemu

SESSION = "qemu+unix:///session?socket=/run/user/1000/libvirt/libvirt-sock"
REMOTE = "qemu+ssh://root@elsewhere/system"

impostors = pytest.mark.parametrize(
    "kind", [impostor.NAMED, impostor.SAME, impostor.NAMELESS, impostor.ENDLESS]
)
with_cib = pytest.mark.usefixtures("cib")


@with_cib
@impostors
def test_another_user_s_process_is_in_nobody_s_way(world: World, nobody: int, kind: str) -> None:
    """Neither where the guest is not, nor where it is; and nobody harms the process."""
    fake = world.table.start_impostor(kind, "g1", UUID, user=nobody)
    assert world.probe().rc == 7
    assert world.act("stop").rc == 0
    if nobody == impostor.NOBODY:
        # Elsewhere our own QEMU would be another user's as well.
        assert world.act("start").rc == 0
        guest = world.qemu_of(world.here.domains["g1"])
        assert world.probe().rc == 0
        world.act("monitor", CRM_meta_interval="10000")
        assert world.remembered is not None
        assert world.remembered.life == guest.life
        assert world.act("stop", force_stop="yes").rc == 0
        assert not guest.lives
        assert world.probe().rc == 7
    assert fake.lives


@pytest.fixture
def taken(world: World) -> FakeQemu:
    """A QEMU of the guest's that rewrites its command line; libvirt still has it."""
    qemu = world.table.start_qemu_that_rewrites("g1", UUID)
    world.guest(qemu=qemu)
    return qemu


def by_record(world: World, qemu: FakeQemu) -> None:
    world.remember(Stage.RUNNING, qemu.life)


def by_pid_file(world: World, qemu: FakeQemu) -> None:
    world.table.write_pid_file("g1", qemu.pid)


known = pytest.mark.parametrize("note", [by_record, by_pid_file])


@known
@pytest.mark.parametrize("down", ["", "Connection refused"])
def test_a_guest_lives_whatever_its_command_line_says(
    world: World, taken: FakeQemu, note: Callable[[World, FakeQemu], None], down: str
) -> None:
    """Also where libvirt is silent, its definition is gone, and the action is a start."""
    note(world, taken)
    world.here.down = down
    assert world.probe().rc == 0
    assert world.act("monitor", CRM_meta_interval="10000").rc == 0
    assert world.remembered is not None
    assert world.remembered.life == taken.life
    world.config.unlink()
    assert world.probe().rc == 0
    assert taken.lives


@with_cib
@known
def test_a_start_finds_it_there(
    world: World, taken: FakeQemu, note: Callable[[World, FakeQemu], None]
) -> None:
    note(world, taken)
    assert world.act("start").rc == 0
    assert world.table.living() == [taken]


@with_cib
@known
@pytest.mark.parametrize("down", ["", "Connection refused"])
def test_a_stop_ends_it(
    world: World, taken: FakeQemu, note: Callable[[World, FakeQemu], None], down: str
) -> None:
    note(world, taken)
    world.here.down = down
    assert world.act("stop", timeout_s=10, force_stop="yes").rc == 0
    assert not taken.lives
    assert world.probe().rc == 7


@with_cib
def test_a_stop_ends_it_beside_another_guest_of_its_name(world: World) -> None:
    """What it says is no word against what this host remembers."""
    mine = world.table.start_qemu("g1", OTHER_UUID)
    world.remember(Stage.RUNNING, mine.life)
    assert world.act("stop", timeout_s=10, force_stop="yes").rc == 0
    assert not mine.lives


# --- a guest whose hypervisor may be another's


@pytest.mark.parametrize("uri", [SESSION, REMOTE])
def test_a_guest_that_is_not_this_host_s_is_that_libvirt_s_to_tell(world: World, uri: str) -> None:
    """A user's own are processes of whoever runs it, written down where he likes. Those of another
    machine this host's process table does not have, and never will."""
    there = world.hypervisor(uri)
    there.add("g1", UUID, RUNNING)
    assert world.probe(hypervisor=uri).rc == 0
    there.down = "Connection refused"
    assert world.act("monitor", timeout_s=1.6, hypervisor=uri).rc == 1


@pytest.mark.parametrize(
    "uri",
    [
        "qemu:///system",
        "qemu+unix:///system",
        "qemu+tcp://localhost/system",
        "qemu+tls://[::1]:1/x",
    ],
)
def test_a_uri_of_this_host_leaves_the_process_table_its_word(world: World, uri: str) -> None:
    world.hypervisor(uri)
    assert world.probe(hypervisor=uri).rc == 7


def test_a_stop_there_is_over_when_that_libvirt_says_so(world: World) -> None:
    guest = world.hypervisor(REMOTE).add("g1", UUID, RUNNING)
    assert world.act("stop", timeout_s=3, hypervisor=REMOTE, force_stop="yes").rc == 0
    assert guest.state == SHUTOFF
