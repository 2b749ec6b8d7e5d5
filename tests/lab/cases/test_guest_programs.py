# SPDX-License-Identifier: GPL-2.0-or-later
"""Full guests: Debian with Python and the packages for guests, in which commands run."""

from __future__ import annotations

import time

import pytest

from tests.lab.errors import LabError
from tests.lab.faults.situations import wait_until

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lab.guests.guests import Guest, Guests
    from tests.lab.hosts.machine import Machine
    from tests.lab.lab import Lab

pytestmark = pytest.mark.rotating(parts=11)

BOOT_S = 120.0
PROGRAM_S = 30.0
# Says when it began, works for a while, says when it ended.
WORK = ["sh", "-c", "echo began; sleep 5; echo done"]
GO = "/run/go"
WAITS = ["sh", "-c", f"echo began; while [ ! -e {GO} ]; do sleep .2; done; echo done"]
# For both to boot on a busy machine, and more.
LONG_S = 180.0


def test_guest_boots_and_runs_commands(
    guests: Guests, new_guest: Callable[..., Guest], host1: Machine
) -> None:
    guest = new_guest("g1", kind="full")
    began = time.monotonic()
    guests.start(guest, host1)
    guests.counter(guest).wait_for_boot(BOOT_S)
    ticks_s = time.monotonic() - began
    assert guests.run(guest, ["hostname"], timeout_s=BOOT_S) == (0, "g1\n", "")
    print(f"ticks after {ticks_s:.1f} s, runs commands after {time.monotonic() - began:.1f} s")
    assert guests.run(guest, ["cat"], timeout_s=PROGRAM_S, stdin="\u8a08\n").out == "\u8a08\n"
    failed = guests.run(guest, ["sh", "-c", "echo no >&2; exit 3"], timeout_s=PROGRAM_S)
    assert failed == (3, "", "no\n")
    ports = guests.run(guest, ["ls", "/dev/virtio-ports"], timeout_s=PROGRAM_S).out.split()
    assert ports == ["org.pmkvm.lab", "vmconnectd"]
    libraries = ["/usr/bin/python3", "-c", "import cryptography, lxml.etree"]
    assert guests.run(guest, libraries, timeout_s=PROGRAM_S).rc == 0
    many = "x" * 300_000
    assert guests.run(guest, ["cat"], timeout_s=PROGRAM_S, stdin=many).out == many


def test_guest_has_what_its_packages_hold(
    guests: Guests, new_guest: Callable[..., Guest], host1: Machine
) -> None:
    guest = new_guest("g1", kind="full")
    guests.start(guest, host1)
    agents = "/usr/lib/ocf/resource.d/extra"
    argv = ["sh", "-c", f"cd {agents}; stat -c '%n %a %u' vm-* diskd; fence_vm_stonith --version"]
    assert guests.run(guest, argv, timeout_s=BOOT_S).out == host1.must(argv)
    for of_hosts in (f"{agents}/VirtualDomain", "/usr/sbin/vm-ctl", "/usr/sbin/vm-stonithd"):
        host1.must(["test", "-x", of_hosts])
        assert guests.run(guest, ["test", "-e", of_hosts], timeout_s=PROGRAM_S).rc == 1
    # The directories of Debian's own root are still links.
    assert guests.run(guest, ["readlink", "/lib"], timeout_s=PROGRAM_S).out == "usr/lib\n"


def test_program_that_does_not_end_is_killed_and_one_that_is_not_there_named(
    guests: Guests, new_guest: Callable[..., Guest], host1: Machine
) -> None:
    guest = new_guest("g1", kind="full")
    guests.start(guest, host1)
    guests.run(guest, ["true"], timeout_s=BOOT_S)
    with pytest.raises(LabError, match="killed at its deadline"):
        guests.run(guest, ["sleep", "60"], timeout_s=1)
    with pytest.raises(LabError, match="No such file"):
        guests.run(guest, ["/no/such/program"], timeout_s=PROGRAM_S)
    # What a program leaves running keeps nobody waiting.
    left = guests.run(guest, ["sh", "-c", "sleep 60 & echo left"], timeout_s=PROGRAM_S)
    assert left.out == "left\n"


@pytest.mark.parametrize("transport", ["tcp", "ssh"])
def test_command_survives_live_migration(
    guests: Guests,
    new_guest: Callable[..., Guest],
    host1: Machine,
    host2: Machine,
    transport: str,
) -> None:
    guest = new_guest("g1", kind="full")
    guests.start(guest, host1)
    before = guests.counter(guest).wait_for_boot(BOOT_S)
    count = ["sh", "-c", "echo once >>/run/counted; sleep 5; cat /run/counted"]
    command = guests.begin(guest, count, timeout_s=PROGRAM_S)
    guests.migrate(guest, host1, host2, transport)
    assert guests.run(guest, ["true"], timeout_s=PROGRAM_S).rc == 0
    assert command.result() == (0, "once\n", "")
    assert guests.hosts_of(guest) == ["host2"]
    assert guests.counter(guest).boots() == [before.boot]


def test_waiting_for_a_command_survives_migrations_there_and_back(
    guests: Guests, new_guest: Callable[..., Guest], lab: Lab, host1: Machine
) -> None:
    """As above, but somebody is connected while the guest leaves: it is the guest that migrates."""
    guest = new_guest("g1", kind="full")
    guests.start(guest, host1)
    guests.run(guest, ["true"], timeout_s=BOOT_S)
    hosts = [host.name for host in lab.hosts]
    for source, target in (hosts, reversed(hosts)):
        argv = ["virsh", "-q", "migrate", "--live", guest.name, f"qemu+tcp://{target}/system"]
        lab.host(source).spawn("migration", argv)
        assert guests.run(guest, WORK, timeout_s=PROGRAM_S) == (0, "began\ndone\n", "")
        # The work may be done before the guest has left.
        wait_until(lambda target=target: guests.hosts_of(guest) == [target], "it has migrated")  # type: ignore[misc]


def test_two_guests_at_once_run_several_commands_each(
    guests: Guests, new_guest: Callable[..., Guest], host1: Machine, host2: Machine
) -> None:
    one, other = new_guest("g1", kind="full"), new_guest("g2", kind="full")
    guests.start(one, host1)
    guests.start(other, host2)
    for guest in (one, other):
        guests.run(guest, ["true"], timeout_s=BOOT_S)
    commands = [guests.begin(guest, WAITS, timeout_s=LONG_S) for guest in (one, other, one)]
    assert guests.run(other, ["hostname"], timeout_s=PROGRAM_S).out == "g2\n"
    for guest in (one, other):
        guests.run(guest, ["touch", GO], timeout_s=PROGRAM_S)
    assert [command.result().out for command in commands] == ["began\ndone\n"] * 3


def test_command_is_not_run_again_by_a_guest_that_was_started_anew(
    guests: Guests, new_guest: Callable[..., Guest], host1: Machine
) -> None:
    guest = new_guest("g1", kind="full")
    guests.start(guest, host1)
    guests.run(guest, ["true"], timeout_s=BOOT_S)
    count = ["sh", "-c", "touch /run/counted; sleep 60"]
    command = guests.begin(guest, count, timeout_s=90)
    host1.must(["virsh", "-q", "reset", guest.name])
    with pytest.raises(LabError, match="restarted"):
        command.result()
    assert guests.run(guest, ["test", "-e", "/run/counted"], timeout_s=BOOT_S).rc == 1


def test_power_button(guests: Guests, new_guest: Callable[..., Guest], host1: Machine) -> None:
    guest = new_guest("g1", kind="full")
    guests.start(guest, host1)
    guests.run(guest, ["true"], timeout_s=BOOT_S)
    host1.must(["virsh", "-q", "shutdown", guest.name])
    wait_until(lambda: guests.hosts_of(guest) == [], "it has switched itself off")
