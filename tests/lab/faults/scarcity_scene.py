# SPDX-License-Identifier: GPL-2.0-or-later
"""Whom scarcity meets: three guests and a program under Pacemaker, and how each action is caused.

guest1 asks for fences on host1, guest2 is fenced on host2 and until then a healthy guest there.
guest3 and the program, at home on host2, are what the actions are about.
"""

from __future__ import annotations

from typing import NamedTuple

from tests.lab.cluster import stonith
from tests.lab.faults import faults, scarcity
from tests.lab.faults.scarcity import ANYTHING, VIRTUAL_DOMAIN, Action
from tests.lab.guests.pair import BOOT_S
from tests.lab.hosts import host_processes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lab.cluster.registration import Registered
    from tests.lab.cluster.status import Status
    from tests.lab.faults.gate import Gate
    from tests.lab.faults.scarcity import Cell
    from tests.lab.faults.scarcity_limits import Needs
    from tests.lab.guests.pair import Pair
    from tests.lab.hosts.machine import Machine
    from tests.lab.hosts.process import Process
    from tests.lab.lab import Lab

PROGRAM = "prmProgram"
# A time that nobody else sleeps.
COMMAND = ("/bin/sleep", "2718281")
CLONES = {stonith.CONNECTD: scarcity.CONNECTD, stonith.STONITHD: scarcity.STONITHD}


class Scene(NamedTuple):
    """Ready: each guest runs at home, and the program does."""

    pair: Pair
    subject: Registered
    gate: Gate
    needs: Needs

    @property
    def lab(self) -> Lab:
        return self.pair.lab

    @property
    def home(self) -> Machine:
        return self.lab.host(scarcity.HOME)

    @property
    def away(self) -> Machine:
        return self.lab.host(faults.COORDINATOR)

    def resource(self, action: Action) -> str:
        return PROGRAM if action.agent == ANYTHING else self.subject.resource

    def services(self) -> dict[tuple[str, str], tuple[Process, ...]]:
        """The processes of each service of ours, by its resource and host: one, if all is well."""
        commands = {name: (f"/usr/sbin/{program}",) for name, program in CLONES.items()}
        return {
            (name, host.name): found
            for name, argv in {**commands, PROGRAM: COMMAND}.items()
            for host in self.lab.hosts
            if (found := tuple(host_processes.leaders(host, *argv)))
        }

    def prepare(self, cell: Cell) -> None:
        """Both subjects run at home; the one of the action is as it has to be before it."""
        for action in (
            Action(VIRTUAL_DOMAIN, scarcity.MONITOR),
            Action(ANYTHING, scarcity.MONITOR),
        ):
            self._prepare(action)
        if isinstance(cell.moment, Action):
            self._prepare(cell.moment)

    def _prepare(self, action: Action) -> None:
        name = self.resource(action)
        if action.operation == scarcity.RELOAD:
            # Pacemaker reloads what it has started, not what a probe found to run.
            self.tell(name, "target-role", "Stopped")
            self.lab.cluster.wait_stopped(name)
        is_stopped = action.operation == scarcity.START
        self.tell(name, "target-role", "Stopped" if is_stopped else "Started")
        if is_stopped:
            self.lab.cluster.wait_stopped(name)
            return
        at = self.away if action.operation == scarcity.MIGRATE_FROM else self.home
        self.lab.cluster.wait_running(name)
        if self.lab.status().hosts_of(name) != [at.name]:
            self.ban(name, self.away if at == self.home else self.home)
        self.lab.cluster.wait_running(name, at.name)
        self.away.must(["crm_resource", "--clear", "-r", name])
        if action.operation == scarcity.PROBE:
            # Pacemaker starts anew what it has migrated there and then forgets on that host alone
            # ("Forcing recovery ... because it can no longer migrate"): the other host forgets it
            # before.
            self.away.must(["crm_resource", "--refresh", "-r", name])
            self.away.must(["crm_resource", "--wait"], timeout_s=BOOT_S)
            self.lab.cluster.wait_running(name, at.name)
        if action.agent != ANYTHING:
            self.subject.counter.wait_for_tick(BOOT_S)

    def cause(self, action: Action) -> None:
        """Have Pacemaker call it, as an administrator on the other host does."""
        name, asked = self.resource(action), self.away
        margin = self.parameter("destroy_margin") == "5"
        acts: dict[str, Callable[[], object]] = {
            scarcity.START: lambda: self.tell(name, "target-role", "Started"),
            scarcity.STOP: lambda: self.tell(name, "target-role", "Stopped"),
            scarcity.PROBE: lambda: asked.must(
                ["crm_resource", "--refresh", "-r", name, "-N", self.home.name]
            ),
            scarcity.MIGRATE_TO: lambda: self.ban(name, self.home),
            scarcity.MIGRATE_FROM: lambda: self.ban(name, self.away),
            scarcity.RELOAD: lambda: asked.must(
                ["crm_resource", "-r", name, "-p", "destroy_margin", "-v", "6" if margin else "5"]
            ),
            # Nobody but this command asks for it.
            scarcity.VALIDATE: lambda: self.home.spawn(
                "validate", ["crm_resource", "--validate", "-r", name]
            ),
        }
        # A monitor comes by itself.
        acts.get(action.operation, lambda: None)()

    def parameter(self, name: str) -> str:
        path = f".//primitive[@id='{self.subject.resource}']/instance_attributes"
        pair = self.lab.cib().find(f"{path}/nvpair[@name='{name}']")
        return "" if pair is None else pair.get("value", "")

    def ban(self, name: str, host: Machine) -> None:
        """It leaves that host, which stickiness can't prevent."""
        self.away.must(["crm_resource", "--ban", "-r", name, "-N", host.name])

    def tell(self, name: str, meta: str, value: str) -> None:
        self.away.must(["crm_resource", "--meta", "-r", name, "-p", meta, "-v", value])

    def has_come_to(self, action: Action, now: Status) -> bool:
        """Whether Pacemaker has what the action is for, or what it does instead of it."""
        name = self.resource(action)
        if action.operation == scarcity.STOP:
            return all(one.role == "Stopped" and not one.pending for one in now.find(name))
        return len(now.hosts_of(name)) == 1
