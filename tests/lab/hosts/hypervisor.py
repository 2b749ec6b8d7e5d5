# SPDX-License-Identifier: GPL-2.0-or-later
"""libvirtd in a lab host: its configuration, starting, stopping, stopping it from answering.

A root without libvirtd has the modular daemons, as RHEL does: then "libvirtd" is virtqemud, which
has the guests, and the others run beside it.
"""

from __future__ import annotations

import uuid

from pmkvm.deadline import Deadline
from pmkvm.errors import CommandTimeoutError
from tests.lab.errors import LabError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.lab.hosts.machine import Machine

NAME = "libvirtd"
# Of a killed one.
END_S = 10.0
START_S = 60.0
LIBVIRTD, VIRTQEMUD = ["libvirtd", "--listen"], ["virtqemud"]
# What other hosts call over TCP, which has no option for it and takes a socket from systemd; and
# what virtqemud asks for a domain's parts.
TCP_SOCKET = ["systemd-socket-activate", "--listen=16509", "--fdname=virtproxyd-tcp.socket"]
BESIDE_VIRTQEMUD = {
    "virtproxyd": [*TCP_SOCKET, "virtproxyd"],
    "virtnetworkd": ["virtnetworkd"],
    "virtstoraged": ["virtstoraged"],
    "virtsecretd": ["virtsecretd"],
}

# All hosts share this machine's firmware and so its uuid; libvirt migrates only to another one.
HOST_UUID_CONF = 'host_uuid = "{host_uuid}"\n'
LISTEN_CONF = """listen_tls = 0
listen_tcp = 1
auth_tcp = "none"
listen_addr = "0.0.0.0"
"""

# QEMU writes serial files itself (no virtlogd), since two hosts append to one during a migration.
QEMU_CONF = """user = "root"
group = "root"
security_driver = "none"
cgroup_controllers = []
namespaces = []
remember_owner = 0
stdio_handler = "file"
"""


def configure(host: Machine) -> None:
    own = HOST_UUID_CONF.format(host_uuid=host_uuid(host))
    host.write("/etc/libvirt/libvirtd.conf", own + LISTEN_CONF)
    host.write("/etc/libvirt/virtqemud.conf", own)
    host.write("/etc/libvirt/virtproxyd.conf", f'{own}auth_tcp = "none"\n')
    host.write("/etc/libvirt/qemu.conf", QEMU_CONF)
    # The machine's own networks would make bridges of the same names in every host.
    host.must(["rm", "-rf", "/etc/libvirt/qemu/networks", "/etc/libvirt/qemu/autostart"])


def host_uuid(host: Machine) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"pmkvm-lab-{host.name}"))


def start(host: Machine) -> None:
    """Back when it answers."""
    is_modular = host.run(["test", "-x", "/usr/sbin/libvirtd"]).rc != 0
    if is_modular:
        for name, argv in BESIDE_VIRTQEMUD.items():
            if host.pid_of(name) is None:
                host.spawn(name, argv)
    host.spawn(NAME, VIRTQEMUD if is_modular else LIBVIRTD)
    deadline = Deadline(START_S)
    while not is_answering(host):
        if deadline.expired():
            raise LabError(f"{host.name}: libvirtd does not answer")
        deadline.pause(0.1)


def stop(host: Machine) -> None:
    """Guests run on; start() finds them again."""
    host.stop(NAME)


def kill(host: Machine) -> None:
    """Back when it is dead."""
    host.signal(NAME, "KILL")
    deadline = Deadline(END_S)
    while host.pid_of(NAME) is not None:
        if deadline.expired():
            raise LabError(f"{host.name}: libvirtd survives a SIGKILL")
        deadline.pause(0.05)


def freeze(host: Machine) -> None:
    """SIGSTOP: its sockets still accept, nothing answers. thaw() ends it."""
    host.signal(NAME, "STOP")


def thaw(host: Machine) -> None:
    host.signal(NAME, "CONT")


def is_answering(host: Machine) -> bool:
    try:
        return host.run(["virsh", "-q", "list", "--name"], timeout_s=3).rc == 0
    except CommandTimeoutError:
        return False


def ensure(host: Machine) -> None:
    """Whatever a test did to it: it answers."""
    if host.pid_of(NAME) is None:
        start(host)
    elif not is_answering(host):
        thaw(host)
        if not is_answering(host):
            kill(host)
            start(host)
