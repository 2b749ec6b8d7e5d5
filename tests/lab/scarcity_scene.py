# SPDX-License-Identifier: GPL-2.0-or-later
"""Whom scarcity meets: three guests and a program under Pacemaker, and how each action is caused.

guest1 asks for fences on host1, guest2 is fenced on host2 and until then a healthy guest there.
guest3 and the program, at home on host2, are what the actions are about.
"""

from __future__ import annotations

from typing import NamedTuple

from tests.lab import faults, host_processes, scarcity
from tests.lab.cib import location, primitive
from tests.lab.guests import Guest
from tests.lab.pair import BOOT_S
from tests.lab.registration import register
from tests.lab.scarcity import ANYTHING, VIRTUAL_DOMAIN, Action
from tests.lab.scarcity_limits import relieve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lab.gate import Gate
    from tests.lab.lab import Lab
    from tests.lab.machine import Machine
    from tests.lab.pair import Pair
    from tests.lab.process import Process
    from tests.lab.registration import Registered
    from tests.lab.scarcity import Cell
    from tests.lab.scarcity_limits import Needs
    from tests.lab.status import Status

PROGRAM = "prmProgram"
# A time that nobody else sleeps.
COMMAND = ("/bin/sleep", "2718281")
# As vm-ctl's are, of what our own daemons run under.
OPERATIONS = (("start", "0", "60s"), ("monitor", "10s", "30s"), ("stop", "0", "60s"))


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
        return self.lab.host(faults.OWNER)

    def resource(self, action: Action) -> str:
        return PROGRAM if action.agent == ANYTHING else self.subject.resource

    def programs(self) -> list[tuple[str, Process]]:
        """Where the program runs, and as what."""
        return [
            (host.name, one)
            for host in self.lab.hosts
            for one in host_processes.leaders(host, *COMMAND)
        ]

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
        is_stopped = action.word == scarcity.START
        self.tell(name, "target-role", "Stopped" if is_stopped else "Started")
        if is_stopped:
            self.lab.cluster.wait_stopped(name)
            return
        at = self.away if action.word == scarcity.MIGRATE_FROM else self.home
        self.lab.cluster.wait_running(name)
        if self.lab.status().hosts_of(name) != [at.name]:
            self.away.must(["crm_resource", "--move", "-r", name, "-N", at.name])
        self.lab.cluster.wait_running(name, at.name)
        if action.agent != ANYTHING and not self.subject.counter.is_ticking():
            self.subject.counter.wait_for_boot(BOOT_S, other_than=self.subject.counter.boot())

    def cause(self, action: Action) -> None:
        """Have Pacemaker call it, as an administrator on the other host does."""
        name, asked = self.resource(action), self.away
        move = ["crm_resource", "--move", "-r", name, "-N"]
        margin = self.parameter("destroy_margin") == "5"
        acts: dict[str, Callable[[], object]] = {
            scarcity.START: lambda: self.tell(name, "target-role", "Started"),
            scarcity.STOP: lambda: self.tell(name, "target-role", "Stopped"),
            scarcity.PROBE: lambda: asked.must(
                ["crm_resource", "--refresh", "-r", name, "-N", self.home.name]
            ),
            scarcity.MIGRATE_TO: lambda: asked.must([*move, self.away.name]),
            scarcity.MIGRATE_FROM: lambda: asked.must([*move, self.home.name]),
            scarcity.RELOAD: lambda: asked.must(
                ["crm_resource", "-r", name, "-p", "destroy_margin", "-v", "6" if margin else "5"]
            ),
            # Nobody but this command asks for it.
            scarcity.VALIDATE: lambda: self.home.spawn(
                "validate", ["crm_resource", "--validate", "-r", name]
            ),
        }
        # A monitor comes by itself.
        acts.get(action.word, lambda: None)()

    def parameter(self, name: str) -> str:
        path = f".//primitive[@id='{self.subject.resource}']/instance_attributes"
        pair = self.lab.cib().find(f"{path}/nvpair[@name='{name}']")
        return "" if pair is None else pair.get("value", "")

    def tell(self, name: str, meta: str, value: str) -> None:
        self.away.must(["crm_resource", "--meta", "-r", name, "-p", meta, "-v", value])

    def has_come_to(self, action: Action, now: Status) -> bool:
        """Whether Pacemaker has what the action is for, or what it does instead of it."""
        name = self.resource(action)
        if action.word == scarcity.STOP:
            return all(one.role == "Stopped" and not one.pending for one in now.find(name))
        return len(now.hosts_of(name)) == 1


def make(pair: Pair, gate: Gate, needs: Needs) -> Scene:
    """The pair is made; the rest is added to it."""
    lab = pair.lab
    guest = Guest("guest3", power="acpi")
    lab.guests.define(guest)
    subject = register(lab, guest, lab.host(scarcity.HOME), "-m", "on")
    subject.start()
    words = {
        "binfile": COMMAND[0],
        "cmdline_options": COMMAND[1],
        "logfile": "/var/log/program.log",
    }
    program = primitive(PROGRAM, "ocf:extra:vm-anything", parameters=words, operations=OPERATIONS)
    lab.cluster.add(
        program,
        location("program-home", PROGRAM, scarcity.HOME, "500"),
        # It needs no move after a fence.
        location("target-home", pair.target.resource, scarcity.HOME, "500"),
    )
    lab.cluster.wait_running(PROGRAM, scarcity.HOME)
    return Scene(pair, subject, gate, needs)


def mend(scene: Scene) -> None:
    """Whatever an action has ended with: it is no obstacle to the next one."""
    scene.gate.open()
    asked = scene.away
    for name in (scene.subject.resource, PROGRAM):
        asked.run(["crm_resource", "--clear", "-r", name])
        asked.run(["crm_resource", "--cleanup", "-r", name])
    asked.run(["crm_resource", "--cleanup", "-r", scene.pair.target.resource])
    for host in scene.lab.hosts:
        relieve(host)


def strike(scene: Scene) -> None:
    """Only the pair is left."""
    scene.tell(PROGRAM, "target-role", "Stopped")
    scene.subject.vm_ctl("resource", "stop", scene.subject.guest.name)
    scene.subject.vm_ctl("resource", "delete", scene.subject.guest.name)
    scene.lab.cluster.wait_stopped(PROGRAM)
    paths = ("rsc_location[@id='target-home']", "rsc_location[@id='program-home']")
    for path in (*paths, f"primitive[@id='{PROGRAM}']"):
        scene.away.must(["cibadmin", "--delete", "--xpath", f"//{path}"])
