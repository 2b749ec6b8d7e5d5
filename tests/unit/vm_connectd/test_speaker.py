# SPDX-License-Identifier: GPL-2.0-or-later
"""Who speaks: with the host's daemon and QEMUs as processes."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.unit.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.vm_connectd.world import World


def started(world: World) -> Path:
    """A guest g1 with its QEMU; the file in which libvirt has written down its pid."""
    world.start_qemu("g1", world.define("g1"))
    return world.directory / "run" / "g1.pid"


def refused(world: World, why: str) -> None:
    world.wait_ready(world.start_host())
    eventually("refused", lambda: why in str(world.guest_status("g1")))
    assert not world.guest_status("g1")["is_connected"]


@pytest.mark.parametrize("text", ["", "x", "1", "-1", "9" * 40])
def test_another_pid_than_libvirts_is_refused(world: World, text: str) -> None:
    started(world).write_text(text, encoding="ascii")
    refused(world, "at the other end is not libvirt")


def test_a_qemu_that_libvirt_has_not_written_down_is_refused(world: World) -> None:
    started(world).unlink()
    refused(world, "root has written no process into")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_another_user_has_written_down_is_refused(world: World) -> None:
    shutil.chown(started(world), 65534)
    refused(world, "root has written no process into")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_a_socket_that_another_user_has_made_is_refused(world: World) -> None:
    """One that has given it to a QEMU, or had a number that a QEMU has now."""
    world.start_qemu("g1", world.define("g1"), user=65534)
    refused(world, "is not of user 65534, who made the socket")


def test_a_socket_that_is_turned_into_a_way_out_is_not_followed(world: World) -> None:
    """After libvirt's definition was looked at, and while libvirt does not answer."""
    uuid = world.define("g1")
    qemu = world.start_qemu("g1", uuid)
    world.wait_ready(world.start_host())
    eventually("connected", lambda: world.guest_status("g1").get("is_connected"))
    world.lose_libvirt()
    eventually("away", lambda: "libvirtd is away" in str(world.status("host")["libvirt"]))
    qemu.end()
    outside = world.directory / "outside"
    path = world.sockets / "g1"
    path.unlink()
    world.start_qemu("g1", uuid, path=outside)
    path.symlink_to(outside)
    eventually("refused", lambda: "outside the allowed" in str(world.guest_status("g1")))
    assert not world.guest_status("g1")["is_connected"]
