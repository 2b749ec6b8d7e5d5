# SPDX-License-Identifier: GPL-2.0-or-later
"""The peer that fences guests: fence_virtd on a host, fence_xvm in a guest, over multicast."""

from __future__ import annotations

import base64
import os
import time

from pmkvm.deadline import Deadline
from tests.lab.errors import LabError
from tests.lab.hosts.network import HOST_GUEST_BRIDGE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.lab.guests.guests import Guest, Guests
    from tests.lab.hosts.machine import Machine

# A network of its own, which has no route to anywhere.
HOST_ADDRESS, GUEST_ADDRESS = "10.78.0.1/24", "10.78.0.2/24"
KEY = "/etc/cluster/fence_xvm.key"
CONFIGURATION = f"""
fence_virtd {{ listener = "multicast"; backend = "libvirt"; }}
listeners {{
    multicast {{
        key_file = "{KEY}"; interface = "{HOST_GUEST_BRIDGE}";
        address = "225.0.0.12"; port = "1229"; family = "ipv4";
    }}
}}
backends {{ libvirt {{ uri = "qemu:///system"; }} }}
"""
_SETUP = f"""
set -e
for link in /sys/class/net/e*; do link=${{link##*/}}; done
ip link set "$link" up
ip address add {GUEST_ADDRESS} dev "$link"
ip route add 224.0.0.0/4 dev "$link"
mkdir -p {os.path.dirname(KEY)}
base64 -d >{KEY}
"""
READY_S = 30.0


def start(host: Machine, guests: Guests, guest: Guest) -> None:
    """Back when fence_xvm in the guest is answered."""
    key = base64.b64encode(os.urandom(512)).decode()
    host.run(["ip", "address", "add", HOST_ADDRESS, "dev", HOST_GUEST_BRIDGE])
    host.must(["sh", "-c", f"mkdir -p /etc/cluster && base64 -d >{KEY}"], stdin=key)
    host.write("/etc/fence_virt.conf", CONFIGURATION)
    host.spawn("fence_virtd", ["fence_virtd", "-F"])
    done = guests.run(guest, ["sh", "-c", _SETUP], timeout_s=30, stdin=key)
    if done.rc != 0:
        raise LabError(f"no network in {guest.name}: {done.err}")
    deadline = Deadline(READY_S)
    while guests.run(guest, ["fence_xvm", "-o", "list", "-t", "3"], timeout_s=20).rc != 0:
        if deadline.expired():
            raise LabError(f"fence_virtd does not answer: {host.run(['cat', _LOG]).out}")
        time.sleep(0.5)


def stop(host: Machine) -> None:
    host.stop("fence_virtd")
    host.run(["ip", "address", "delete", HOST_ADDRESS, "dev", HOST_GUEST_BRIDGE])


_LOG = "/var/log/lab-fence_virtd.log"
