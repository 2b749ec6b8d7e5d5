# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests under Pacemaker as an administrator puts them there: through vm-ctl."""

from __future__ import annotations

import re
from typing import NamedTuple
from xml.etree.ElementTree import Element, tostring

from tests.lab.cluster.cluster import LOG

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.lab.cluster.status import Failure
    from tests.lab.guests.counter import Counter, Tick
    from tests.lab.guests.guests import Guest
    from tests.lab.hosts.machine import Machine
    from tests.lab.lab import Lab

CONFIGURATION = "/etc/vm-ctl.conf"
# On a machine that is busy.
BOOT_S = 120.0
# Long enough for a boot under emulation.
STILL_S = 45.0


class Operation(NamedTuple):
    """One entry of a resource's history on a host."""

    name: str
    rc: int
    exec_time_s: float


class Registered(NamedTuple):
    """A guest that vm-ctl has registered, and what can be asked about it."""

    lab: Lab
    guest: Guest

    @property
    def resource(self) -> str:
        return f"prmVMCTL_{self.guest.name}"

    @property
    def counter(self) -> Counter:
        return self.lab.guests.counter(self.guest)

    def hosts(self) -> list[str]:
        """Where a QEMU of it lives."""
        return self.lab.guests.hosts_of(self.guest)

    def vm_ctl(self, *arguments: str, timeout_s: float = 200.0) -> str:
        """Run vm-ctl on a host that answers."""
        return self.lab.cluster.speaker().must(["vm-ctl", *arguments], timeout_s=timeout_s)

    def start(self) -> str:
        """Start it and wait until it counts; its boot."""
        self.vm_ctl("resource", "start", self.guest.name)
        self.lab.cluster.wait_running(self.resource)
        return self.counter.wait_for_boot(BOOT_S).boot

    def move(self, host: Machine) -> None:
        """Move it, and see that it counts there."""
        self.vm_ctl("resource", "move", self.guest.name, "-n", host.name)
        self.lab.cluster.wait_running(self.resource, host.name)
        self.tick()

    def tick(self) -> Tick:
        """It counts, in a new boot if there is no other way.

        Now and then an emulated guest stands still behind a live migration, while QEMU and libvirt
        say that it runs. What is tested comes later, and is the same in a new boot; a test to
        which the boot matters fails. A guest that was left paused stays so, and fails the test.
        """
        if not self.counter.is_ticking(STILL_S):
            there = [host for host in self.lab.hosts if [host.name] == self.hosts()]
            print(f"{self.guest.name} stands still on {there}: it is reset")
            for host in there:
                host.must(["virsh", "reset", self.guest.name])
        return self.counter.wait_for_tick(BOOT_S)

    def set_operation(self, operation: str, **attributes: str) -> None:
        """Change one of its operations, named as in their ids: 'stop-0'."""
        op = Element("op", {"id": f"{self.resource}-{operation}"})
        for name, value in attributes.items():
            op.set(name.replace("_", "-"), value)
        xml = tostring(op, encoding="unicode")
        argv = ["cibadmin", "--modify", "--scope", "resources", "--xml-text", xml]
        self.lab.cluster.speaker().must(argv)

    def failures(self) -> list[Failure]:
        """Failed actions of this guest."""
        return [
            failure
            for failure in self.lab.status().failures
            if failure.operation.startswith(f"{self.resource}_")
        ]

    def history(self, host: Machine) -> list[Operation]:
        """What Pacemaker has recorded of it on a host."""
        path = f"./status/node_state[@uname='{host.name}']//lrm_resource[@id='{self.resource}']/"
        return [
            Operation(
                name=element.get("operation", ""),
                rc=int(element.get("rc-code", "-1")),
                exec_time_s=int(element.get("exec-time", "0")) / 1000,
            )
            for element in self.lab.cib().iterfind(f"{path}lrm_rsc_op")
        ]

    def exit_reasons(self, action: str, host: Machine) -> list[str]:
        """What an action's failures gave as reason, from Pacemaker's log: in the CIB, 2.1.5
        leaves a migrate_to's empty."""
        said = rf"Result of {action} operation for {self.resource} on \S+"
        # Pacemaker 2.1's word for exit code 1, and 3.0's.
        return re.findall(rf"{said}: (?:error|Error occurred) \((.*?)\) \|", host.read(LOG))


def register(lab: Lab, guest: Guest, host: Machine, *options: str) -> Registered:
    """Add a defined guest on its preferred host; it is stopped then."""
    host.must(["vm-ctl", "resource", "add", guest.name, "-a", host.name, *options])
    return Registered(lab, guest)


def configure(lab: Lab, **keys: str) -> None:
    """Set keys of vm-ctl.conf on every host, over what the package ships."""
    for host in lab.hosts:
        text = host.read(CONFIGURATION)
        for key, value in keys.items():
            text = re.sub(rf"(?m)^#?\s*{key}=.*$", "", text) + f"{key}={value}\n"
        host.write(CONFIGURATION, text)
