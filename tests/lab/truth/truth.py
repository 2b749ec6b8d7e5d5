# SPDX-License-Identifier: GPL-2.0-or-later
"""The table of truth: situations of a guest, what an agent is asked in them, and what is right.

For any agent with VirtualDomain's parameters. What it answers is compared with the process
tables of both hosts afterwards, never with libvirt's word alone.
"""

from __future__ import annotations

import time
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from tests.lab.cluster import agents
from tests.lab.cluster.agents import CONFIG
from tests.lab.faults.situations import wait_until
from tests.lab.guests.guests import Guest
from tests.ocf.agent import OVERDUE, Called

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from tests.lab.hosts.machine import Machine
    from tests.lab.lab import Lab

# What was under way when an agent was killed comes to its end in this time.
SETTLE_S = 3.0
LATE = "does not end in time"


class End(Enum):
    """Where a QEMU of the guest lives."""

    HERE = "lives"
    DEAD = "is dead"
    THERE = "has moved"
    BOTH = "lives on both"


class Row(NamedTuple):
    """A situation and an action; codes and end are right after it, anything else is wrong.

    first is done before the start. by_itself: the guest shuts down and need not be destroyed.
    counts: it runs afterwards, in the boot in which it was. unharmed: whether what else the row is
    about is whole. Long ones are left out of a sample.
    """

    situation: str
    action: str
    codes: tuple[int, ...]
    end: End
    enter: Callable[[Scene], AbstractContextManager[object]]
    first: Callable[[Machine], object] | None = None
    is_started: bool = True
    timeout_s: int = 15
    guest: Guest = Guest("guest1", power="deaf")
    parameters: Mapping[str, str] = {}
    edit: Callable[[str], str] = str
    level: int = 0
    is_long: bool = False
    by_itself: bool = False
    counts: bool = False
    unharmed: Callable[[Scene], bool] | None = None

    @property
    def name(self) -> str:
        return f"{self.situation}: {self.action}"


class Scene(NamedTuple):
    """A row on the lab: the guest is at home on host1."""

    lab: Lab
    row: Row

    @property
    def home(self) -> Machine:
        return self.lab.hosts[0]

    @property
    def away(self) -> Machine:
        return self.lab.hosts[1]

    def place(self) -> None:
        """The definition as the row wants it, where the parameter config says, for all hosts."""
        self.lab.guests.place(self.row.guest, CONFIG)
        path = Path(self.lab.guests.outside(CONFIG))
        path.write_text(self.row.edit(path.read_text(encoding="utf-8")), encoding="utf-8")

    def end(self) -> End:
        hosts = self.lab.guests.hosts_of(self.row.guest)
        names = {(): End.DEAD, (self.home.name,): End.HERE, (self.away.name,): End.THERE}
        return names.get(tuple(hosts), End.BOTH)

    def wait_for_state(self, state: str) -> None:
        """As libvirt says it, with its reason: 'paused (I/O error)'."""
        argv = ["virsh", "-q", "domstate", "--reason", self.row.guest.name]
        wait_until(lambda: state in self.home.run(argv).out, state, 60)

    def wait_for_boot(self) -> str:
        return self.lab.guests.counter(self.row.guest).wait_for_boot(60).boot

    def kill_guest(self) -> None:
        for _host, process in self.lab.guests.processes(self.row.guest):
            process.kill()


class Seen(NamedTuple):
    """What became of one row with one agent; wrong says what is not as it should be."""

    called: Called
    end: End
    wrong: str

    def __str__(self) -> str:
        rc = "killed" if self.called.rc == OVERDUE else str(self.called.rc)
        text = f"{rc} after {self.called.seconds:.1f} s, {self.end.value}"
        if not self.wrong:
            return text
        # "Killed" says already that it was not in time.
        return f"**{text}**" if self.wrong == LATE else f"**{text}: {self.wrong}**"


def observe(lab: Lab, row: Row, provider: str) -> Seen:
    """Bring the lab into the situation, ask the agent once, and look."""
    lab.guests.clear()
    agents.forget(lab)
    scene = Scene(lab, row)
    agent = agents.virtual_domain(provider, **row.parameters)
    scene.place()
    if row.first is not None:
        row.first(scene.home)
    if row.is_started:
        started = agents.call(scene.home, agent, "start", 60)
        if started.rc != 0:
            return Seen(started, scene.end(), "does not even start it")
    boot = scene.wait_for_boot() if row.counts else ""
    interval = "10000" if row.action == "monitor" else "0"
    more = {"OCF_RESKEY_CRM_meta_interval": interval, "OCF_CHECK_LEVEL": str(row.level)}
    if row.action == "migrate_to":
        more.update(agents.migration(scene.home, scene.away))
    with row.enter(scene):
        action = "monitor" if row.action == "probe" else row.action
        called = agents.call(scene.home, agent, action, row.timeout_s, more)
        if called.rc == OVERDUE:
            time.sleep(SETTLE_S)
        end = scene.end()
        return Seen(called, end, _wrong(scene, called, end, boot))


def _wrong(scene: Scene, called: Called, end: End, boot: str) -> str:
    """Empty if all is right; else the worst of it."""
    return mistake(scene.row, called.rc, end) or _harm(scene, boot)


def mistake(row: Row, rc: int, end: End) -> str:
    """What is wrong with an answer; a lie is said first. Pure."""
    is_look = row.action in ("monitor", "probe")
    says_stopped = (is_look and rc == 7) or (row.action == "stop" and rc == 0)
    found = {
        "says stopped": says_stopped and end != End.DEAD,
        "says running": is_look and rc == 0 and end == End.DEAD,
        LATE: rc == OVERDUE,
        f"should be {' or '.join(map(str, row.codes))}": rc not in row.codes,
        "wrong": end != row.end,
    }
    return next((text for text, is_so in found.items() if is_so), "")


def _harm(scene: Scene, boot: str) -> str:
    counter = scene.lab.guests.counter(scene.row.guest)
    if scene.row.counts and not (counter.is_ticking() and counter.boots() == [boot]):
        return "the guest no longer counts"
    if scene.row.by_itself and "POWERBUTTON" not in counter.console():
        return "destroyed"
    if scene.row.unharmed is not None and not scene.row.unharmed(scene):
        return "cut off"
    return ""
