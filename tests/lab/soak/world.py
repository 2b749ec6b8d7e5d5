# SPDX-License-Identifier: GPL-2.0-or-later
"""The soak's lab: three hosts, four guests with tokens for each other, and strangers."""

from __future__ import annotations

import contextlib
import os
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from pmkvm.deadline import Deadline
from tests.lab.cluster import stonith
from tests.lab.cluster.cib import location, primitive
from tests.lab.cluster.registration import register
from tests.lab.errors import LabError
from tests.lab.guests.fencing_guest import CONNECT, Ask
from tests.lab.guests.guests import Guest
from tests.lab.guests.pair import Pair
from tests.lab.hosts import hypervisor
from tests.lab.lab import Lab, Plan
from tests.lab.soak.plan import ASKERS, GUESTS, HOSTS, OF_2011, SMALL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tests.lab.cluster.registration import Registered
    from tests.lab.hosts.machine import Machine
    from tests.lab.soak.plan import Request

# A create stays in libvirt's hands for so long where this file exists, and says so by the other.
SLOW_START, CREATING = "/run/lab/slow-start", "/run/lab/creating"
HOOK = f"""#!/bin/sh
if [ "$2" = prepare ] && [ -e {SLOW_START}-$1 ]; then
    touch {CREATING}-$1
    sleep 3
fi
exit 0
"""
BLOCKER, BLOCKED_S = "blocker", 12
AGENT = "/usr/lib/ocf/resource.d/lab/SlowStop"
SLOW_STOP = f"""#!/bin/sh
[ "$1" = stop ] && sleep {BLOCKED_S}
exec /usr/lib/ocf/resource.d/pacemaker/Dummy "$@"
"""
# One at home on each host.
BYSTANDERS = tuple(f"bystander{host[-1]}" for host in HOSTS)
# Shorter than vm-ctl's, so that a round ends: what gets no answer is waited for this long, and
# cluster-delay longer.
TIMES = {
    "start-0": "60s",
    "stop-0": "40s",
    "migrate_to-0": "60s",
    "migrate_from-0": "60s",
}
OPTIONS = {
    "cluster-delay": "20s",
    # The load that Pacemaker sees is that of all hosts together.
    "load-threshold": "2000%",
}
BOOT_S = 150.0
PLACED_S = 90.0
ECHO_S = 5.0


class World(NamedTuple):
    """tokens: sealed ones, by target."""

    lab: Lab
    guests: dict[str, Registered]
    tokens: dict[str, str]

    @staticmethod
    def make(root: str, rpms: str) -> World:
        """A new lab with all of it running. HaError if that can't be had."""
        lab = Lab.up(Plan(len(HOSTS), root))
        try:
            lab.install(rpms)
            return _furnish(lab)
        except BaseException:
            lab.down()
            raise

    def pair(self, request: Request) -> Pair:
        return Pair(self.guests[request.asker], self.guests[request.target])

    def ask(self, request: Request) -> Ask:
        target = self.guests[request.target]
        token = "" if request.token == OF_2011 else self.tokens[request.target]
        what = (request.operation, request.target, target.resource, request.through)
        return Ask(*what, request.timeout_s, token)

    def place(self, homes: Mapping[str, str]) -> None:
        """Each of these guests runs there, and counts."""

        def move(guest: str) -> None:
            one, home = self.guests[guest], homes[guest]
            self.lab.cluster.wait_running(one.resource, timeout_s=PLACED_S)
            if one.hosts() != [home]:
                one.move(self.lab.host(home))
            if not one.counter.is_ticking(BOOT_S):
                raise LabError(f"{guest} does not count")

        with ThreadPoolExecutor(len(homes)) as pool:
            list(pool.map(move, homes))

    def wait_for_ways(self, guests: Iterable[str]) -> None:
        """Each can ask its host."""
        deadline = Deadline(BOOT_S)
        for guest in guests:
            while not self._has_way(self.guests[guest]):
                if deadline.expired():
                    raise LabError(f"{guest} has no way to its host")
                deadline.pause(0.1)

    def _has_way(self, one: Registered) -> bool:
        # Each may ask about itself.
        ask = Ask("status", one.guest.name, one.resource, CONNECT, ECHO_S)
        with contextlib.suppress(LabError):
            return ask.begin(self.lab.guests, one.guest).answered().is_ok
        return False

    def forget_consoles(self) -> None:
        """What the guests have counted so far; QEMU appends."""
        for one in self.guests.values():
            os.truncate(one.counter.path, 0)


def _furnish(lab: Lab) -> World:
    host1 = lab.hosts[0]
    # Without it the preferred host pulls a moved guest back at once.
    defaults = ["crm_attribute", "-t", "rsc_defaults", "-n", "resource-stickiness"]
    host1.must([*defaults, "-v", "INFINITY"])
    for name, value in OPTIONS.items():
        host1.must(["crm_attribute", "-n", name, "-v", value])
    with ThreadPoolExecutor(len(lab.hosts)) as pool:
        list(pool.map(_install, lab.hosts))
    stonith.make_key(lab)
    stonith.load_daemons(lab)
    lab.cluster.add(
        primitive(BLOCKER, "ocf:lab:SlowStop", operations=(("stop", "0", "60s"),)),
        *(primitive(name) for name in BYSTANDERS),
        *(location(f"{n}-home", n, host, "100") for n, host in zip(BYSTANDERS, HOSTS)),
    )
    guests = {name: _register(lab, name, host) for name, host in zip(GUESTS, (*HOSTS, HOSTS[0]))}
    host1.must(["vm-ctl", "resource", "start", *(f"{name}," for name in GUESTS[:-1]), GUESTS[-1]])
    entries = stonith.sealed(lab, *GUESTS).splitlines()[1].split()
    world = World(lab, guests, dict(entry.split(":", 1) for entry in entries))
    for one in guests.values():
        one.counter.wait_for_boot(BOOT_S)
    world.wait_for_ways(ASKERS)
    for name in (BLOCKER, *BYSTANDERS):
        lab.cluster.wait_running(name)
    return world


def _install(host: Machine) -> None:
    host.write(AGENT, SLOW_STOP, "0755")
    host.write("/etc/libvirt/hooks/qemu", HOOK, "0755")
    # libvirt looks for hooks when it starts.
    hypervisor.stop(host)
    hypervisor.start(host)


def _register(lab: Lab, name: str, host: str) -> Registered:
    # Deaf to the power button: nothing but a fence or a stop's end ends one.
    guest = Guest(name, kind="small" if name == SMALL else "full", power="deaf")
    lab.guests.define(guest)
    found = register(lab, guest, lab.host(host), "-m", "on")
    for operation, timeout in TIMES.items():
        found.set_operation(operation, timeout=timeout)
    return found
