# SPDX-License-Identifier: GPL-2.0-or-later
"""Who is asked about a guest whose hypervisor may be another machine's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.virtual_domain.fake_libvirtmod import RUNNING, SHUTOFF
from tests.unit.virtual_domain.world import UUID

if TYPE_CHECKING:
    from tests.unit.virtual_domain.world import World


REMOTE = "qemu+ssh://root@elsewhere/system"


def test_a_guest_of_another_machines_libvirt_is_that_libvirts_to_tell(world: World) -> None:
    """This host's process table has no such QEMU, and never will."""
    there = world.hypervisor(REMOTE)
    there.add("g1", UUID, RUNNING)
    assert world.probe(hypervisor=REMOTE).rc == 0
    there.down = "Connection refused"
    assert world.act("monitor", timeout_s=1.6, hypervisor=REMOTE).rc == 1


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
    there = world.hypervisor(REMOTE)
    guest = there.add("g1", UUID, RUNNING)
    assert world.act("stop", timeout_s=3, hypervisor=REMOTE, force_stop="yes").rc == 0
    assert guest.state == SHUTOFF
