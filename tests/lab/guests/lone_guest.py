# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest that no Pacemaker knows, and an agent called by hand about it."""

from __future__ import annotations

from typing import NamedTuple

from tests.lab.cluster import agents
from tests.lab.cluster.agents import CONFIG, call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.lab.guests.counter import Counter
    from tests.lab.guests.guests import Guest
    from tests.lab.hosts.machine import Machine
    from tests.lab.lab import Lab
    from tests.ocf.agent import Agent


class LoneGuest(NamedTuple):
    """It is at home on host1."""

    lab: Lab
    guest: Guest

    @property
    def home(self) -> Machine:
        return self.lab.hosts[0]

    @property
    def counter(self) -> Counter:
        return self.lab.guests.counter(self.guest)

    def start(self, agent: Agent) -> str:
        """Its boot."""
        # The console outlives a life of it.
        before = self.counter.boot()
        done = call(self.home, agent, "start")
        assert done.rc == 0, done.err
        return self.counter.wait_for_boot(other_than=before).boot

    def stop(self, agent: Agent) -> float:
        """In seconds."""
        done = call(self.home, agent, "stop", 40)
        assert done.rc == 0, done.err
        assert self.lab.guests.hosts_of(self.guest) == []
        return done.seconds


def lone_guest(lab: Lab, guest: Guest) -> LoneGuest:
    lab.guests.clear()
    agents.forget(lab)
    lab.guests.place(guest, CONFIG)
    return LoneGuest(lab, guest)
