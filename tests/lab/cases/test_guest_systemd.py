# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest that systemd boots: its port to the host starts vm-connectd, keeps it up and ends it."""

from __future__ import annotations

import time

import pytest

from pmkvm.deadline import Deadline
from tests.lab.errors import LabError
from tests.lab.guests import systemd
from tests.lab.guests.guests import CHANNEL, live_channel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lab.guests.guests import Guest, Guests
    from tests.lab.hosts.machine import Machine

BOOT_S = 180.0
SOON_S = 90.0
PROGRAM_S = 30.0
UNIT = "vm-connectd.service"
DEVICE = r"dev-virtio\x2dports-vmconnectd.device"

ASKED = "action=status\nplug=g2\nhostlist=g2:token\ntimeout=10\n"


class Systemd:
    """systemd in a guest, asked about one unit."""

    def __init__(self, guests: Guests, guest: Guest) -> None:
        self._guests, self._guest = guests, guest

    def run(self, *argv: str) -> str:
        done = self._guests.run(self._guest, argv, timeout_s=PROGRAM_S)
        assert done.rc == 0, (argv, done)
        return done.out

    def show(self, unit: str, *names: str) -> dict[str, str]:
        """Properties of a unit; names with backslashes are printed quoted."""
        lines = self.run("systemctl", "show", unit, f"-p{','.join(names)}").splitlines()
        pairs = (line.split("=", 1) for line in lines)
        return {name: value.strip('"').replace("\\\\", "\\") for name, value in pairs}

    def wait(self, state: str, timeout_s: float = SOON_S) -> dict[str, str]:
        """Until the unit is in that state."""
        deadline = Deadline(timeout_s)
        while True:
            now = self.show(UNIT, "ActiveState", "SubState", "MainPID", "NRestarts")
            if now["ActiveState"] == state:
                return now
            if deadline.expired():
                raise LabError(f"{UNIT} is not {state} after {timeout_s:.0f} s: {now}")
            deadline.pause(0.1)


@pytest.fixture
def guest(guests: Guests, new_guest: Callable[..., Guest], host1: Machine) -> Guest:
    made = new_guest("g1", kind="full", memory_mib=512, kernel_arguments=systemd.KERNEL_ARGUMENTS)
    guests.give(made, systemd.FILES)
    guests.start(made, host1)
    return made


def test_the_port_starts_and_ends_vm_connectd(guests: Guests, guest: Guest, host1: Machine) -> None:
    unit = Systemd(guests, guest)
    began = time.monotonic()
    guests.run(guest, ["true"], timeout_s=BOOT_S)
    first = unit.wait("active", BOOT_S)
    print(f"{UNIT} is active after {time.monotonic() - began:.1f} s")

    # Nobody can enable it: the device asked for it, by the rule.
    assert unit.show(UNIT, "UnitFileState", "BindsTo") == {
        "UnitFileState": "static",
        "BindsTo": DEVICE,
    }
    wanted_by = unit.show(UNIT, "WantedBy")["WantedBy"].split()
    assert len(wanted_by) == 1, wanted_by
    assert wanted_by[0].endswith(".device"), wanted_by
    assert "pacemaker.service" in unit.show(UNIT, "Before")["Before"].split()
    assert "vm-connectd.sock" in unit.run("ls", "/run/pm_kvm_tools").split()
    # Under its unit it can tell who asks; there is nobody on the host who would answer.
    done = guests.run(guest, ["fence_vm_stonith"], timeout_s=PROGRAM_S, stdin=ASKED)
    print(done.out, done.err)
    assert done.rc != 0
    assert "no vm-connectd of a host is connected to the port" in done.out + done.err

    unit.run("kill", "-KILL", first["MainPID"])
    began = time.monotonic()
    while unit.wait("active")["MainPID"] in ("0", first["MainPID"]):
        assert time.monotonic() - began < SOON_S
    again = unit.wait("active")
    print(f"active again {time.monotonic() - began:.1f} s after SIGKILL")
    assert (again["SubState"], again["NRestarts"]) == ("running", "1")

    # Without the port there is nothing to serve.
    channel = live_channel(host1, guest)
    host1.must(["virsh", "-q", "detach-device", guest.name, "/dev/stdin"], stdin=channel)
    unit.wait("inactive")
    host1.must(["virsh", "-q", "attach-device", guest.name, "/dev/stdin"], stdin=CHANNEL)
    unit.wait("active")
