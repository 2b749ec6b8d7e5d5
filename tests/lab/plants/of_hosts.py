# SPDX-License-Identifier: GPL-2.0-or-later
"""Faults of the hosts, and of guests that run."""

from __future__ import annotations

import contextlib
import json

from pmkvm import settings
from tests.lab.faults.fault_acts import GUEST_PIDFILE
from tests.lab.faults.situations import wait_until
from tests.lab.guests.guests import Guest
from tests.lab.hosts import hypervisor, ssh
from tests.lab.plants.plant import HOST1, HOST2, in_host, plant
from tests.lab.plants.scene import ENABLED
from tests.lab.plants.verdict import Found

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.hosts.machine import Machine
    from tests.lab.plants.scene import Scene

QEMU_CONF = "/etc/libvirt/qemu.conf"
OTHER_KEY = "pmkvm-lab-other"
MUTE = f"kill -STOP $(cat {GUEST_PIDFILE})"
HEARD = f"kill -CONT $(cat {GUEST_PIDFILE})"
GUEST_S = 30.0
# A guest that has just spoken is asked a minute later, and has 10 s then.
MUTE_S = 90.0
STRANGER = Guest("stranger", has_channel=False)


@contextlib.contextmanager
def silent(scene: Scene) -> Iterator[None]:
    """libvirtd on host2 takes connections and says nothing."""
    hypervisor.freeze(scene.host2)
    try:
        yield
    finally:
        hypervisor.thaw(scene.host2)
        wait_until(lambda: hypervisor.is_answering(scene.host2), "libvirt answers")


@contextlib.contextmanager
def dead(scene: Scene) -> Iterator[None]:
    hypervisor.kill(scene.host2)
    try:
        yield
    finally:
        hypervisor.ensure(scene.host2)


@contextlib.contextmanager
def not_admitted(scene: Scene) -> Iterator[None]:
    """Nobody may log in on host2."""
    ssh.remove_key(scene.host2)
    try:
        yield
    finally:
        ssh.repair(scene.host2, scene.lab.hosts)


@contextlib.contextmanager
def another_key(scene: Scene) -> Iterator[None]:
    """host2 has a key of its own."""
    was = scene.host2.read(settings.STONITH_KEY)
    scene.host2.must(["rm", "-f", settings.STONITH_KEY])
    scene.host2.must(["vm-stonith-key", "create"])
    try:
        yield
    finally:
        scene.host2.write(settings.STONITH_KEY, was, "0600")


@contextlib.contextmanager
def mute(scene: Scene) -> Iterator[None]:
    """guest1's vm-connectd is there, has its port open, and answers nobody."""
    guests, one = scene.lab.guests, scene.guest1
    guests.run(one.guest, ["sh", "-ec", MUTE], timeout_s=GUEST_S)
    try:
        wait_until(lambda: is_mute(scene.host1, one.resource), "host1 finds it mute", MUTE_S)
        yield
    finally:
        guests.run(one.guest, ["sh", "-ec", HEARD], timeout_s=GUEST_S)


def is_mute(host: Machine, resource: str) -> bool:
    said = json.loads(host.must(["vm-connectd", "--status"]))
    return any(
        each["resource"] == resource and each.get("mute_seconds") is not None
        for each in said["guests"]
    )


@contextlib.contextmanager
def stranger(scene: Scene) -> Iterator[None]:
    """A guest runs on host1 that no resource names."""
    scene.lab.guests.define(STRANGER, [scene.host1])
    scene.lab.guests.start(STRANGER, scene.host1)
    try:
        yield
    finally:
        scene.host1.must(["virsh", "-q", "destroy", STRANGER.name])
        scene.host1.must(["virsh", "-q", "undefine", STRANGER.name])


@contextlib.contextmanager
def plugged_in(scene: Scene) -> Iterator[None]:
    """guest1 has a disk that its definition does not name."""
    path = "/mnt/shared/images/plugged.img"
    scene.host1.must(["truncate", "-s", "1M", path])
    disk = ["guest1", path, "vdx", "--live", "--cache", "none", "--mode", "shareable"]
    scene.host1.must(["virsh", "-q", "attach-disk", *disk])
    try:
        yield
    finally:
        scene.host1.must(["virsh", "-q", "detach-disk", "guest1", "vdx", "--live"])
        wait_until(
            lambda: "vdx" not in scene.host1.must(["virsh", "domblklist", "guest1"]), "it is gone"
        )
        scene.host1.must(["rm", "-f", path])


def kept(path: str, line: str) -> tuple[str, str]:
    """A line more in a file, and the file as it was."""
    return f"cp -p {path} {path}.lab; echo '{line}' >> {path}", f"mv {path}.lab {path}"


PLANTS = (
    plant("host2's libvirt is silent", silent, Found("host-silent", HOST2)),
    plant("host2's libvirt is dead", dead, Found("host-silent", HOST2)),
    plant("host2 admits nobody", not_admitted, Found("host-silent", HOST2)),
    plant("another key on host2", another_key, Found("keys-differ", HOST2)),
    plant("guest1 is mute", mute, Found("channel-mute", "guest1", HOST1)),
    plant("a guest that nobody manages", stranger, Found("nobody-manages", "stranger", HOST1)),
    plant("a disk that was plugged in", plugged_in, Found("disks-differ", "guest1", HOST1)),
    in_host(
        "libvirt-guests is enabled",
        HOST1,
        f"ln -s /lib/systemd/system/libvirt-guests.service {ENABLED}",
        f"rm {ENABLED}",
        Found("libvirt-guests", HOST1),
    ),
    in_host(
        "virtlockd is in use",
        HOST1,
        *kept(QEMU_CONF, 'lock_manager = "lockd"'),
        Found("lock-manager", HOST1),
    ),
)
