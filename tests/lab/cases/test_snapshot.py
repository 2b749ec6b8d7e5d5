# SPDX-License-Identifier: GPL-2.0-or-later
"""A stop that saves the guest's memory, and the start that goes on from there."""

from __future__ import annotations

from tests.lab.cluster import agents
from tests.lab.guests.guests import Guest
from tests.lab.hosts.machine import SHARED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.lab.lab import Lab

DIRECTORY = f"{SHARED}/images/saved"
STATE = f"{DIRECTORY}/guest1.state"


def test_saved_guest_goes_on_at_the_other_host(clean_lab: Lab) -> None:
    """Once: the memory is gone before the guest runs, and the next start is another boot."""
    host1, host2 = clean_lab.hosts
    host1.must(["mkdir", "-p", DIRECTORY])
    guest = Guest("guest1", power="deaf")
    clean_lab.guests.place(guest, agents.CONFIG)
    agent = agents.virtual_domain("extra", snapshot=DIRECTORY)
    counter = clean_lab.guests.counter(guest)
    assert agents.call(host1, agent, "start").rc == 0
    boot = counter.wait_for_boot().boot
    stopped = agents.call(host1, agent, "stop", 60)
    assert stopped.rc == 0, stopped.err
    assert clean_lab.guests.hosts_of(guest) == []
    host1.must(["test", "-s", STATE])
    before = len(counter.ticks())
    started = agents.call(host2, agent, "start")
    assert started.rc == 0, started.err
    assert host2.run(["test", "-e", STATE]).rc == 1
    assert clean_lab.guests.hosts_of(guest) == ["host2"]
    assert counter.is_ticking()
    assert counter.boots() == [boot]
    assert counter.ticks()[before].uptime_s < counter.ticks()[before - 1].uptime_s + 2
    force = agents.virtual_domain("extra", force_stop="yes")
    assert agents.call(host2, force, "stop").rc == 0
    assert agents.call(host2, agent, "start").rc == 0
    counter.wait_for_boot(other_than=boot)
