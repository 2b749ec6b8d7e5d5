# SPDX-License-Identifier: GPL-2.0-or-later
"""One split brain of the guests' cluster: the cut, who survives, the return; and all that is wrong
with it, in words."""

from __future__ import annotations

import re
import time
from typing import NamedTuple

from pmkvm.deadline import Deadline
from tests.lab.cluster import stonith
from tests.lab.errors import LabError
from tests.lab.guests import nested, witness

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.lab.cluster.registration import Registered
    from tests.lab.cluster.status import Status
    from tests.lab.guests.nested import GuestCluster
    from tests.lab.hosts.process import Process

FENCED_S = 90.0
TAKEN_OVER_S = 120.0
RETURNED_S = 240.0
REJOINED_S = 240.0
CLEAN_S = 60.0
POLL_S = 0.05
# Records of the witness: that it runs, and not only has written one.
SOME = 10

# What pacemaker-fenced says of each device that it has asked.
_ASKED = re.compile(r"Operation 'reboot'.* targeting (\S+) using (\S+) returned (-?\d+)")


class Tried(NamedTuple):
    """A device that a fencer asked, and its exit code."""

    device: str
    rc: int


class Cycle(NamedTuple):
    """A line of the record: the guest with the service before, who was fenced, the guest with the
    service then; seconds are counted from the cut."""

    configuration: str
    active: str
    fenced: str
    service: str
    killed_s: float
    service_s: float
    booted_s: float
    rejoined_s: float
    tried: str
    overlaps: int


class SplitBrain:
    """A cluster of guests that is well, and what it was like before."""

    def __init__(self, cluster: GuestCluster) -> None:
        self._cluster = cluster
        (self._active,) = cluster.status().hosts_of(nested.SERVICE)
        self._boots = {one.guest.name: one.counter.boots() for one in cluster.members}
        self._lives = {one.guest.name: _life(one) for one in cluster.members}
        self._proven = len(stonith.proven(cluster.lab))
        self._lines = {one.guest.name: len(cluster.fences(one)) for one in cluster.members}
        self._began_s = 0.0
        self.tried: list[Tried] = []

    def run(self, configuration: str) -> Cycle:
        """The whole of it; ends with a cluster that is well. LabError if that is not reached."""
        cluster = self._cluster
        self._began_s = time.monotonic()
        # Of three, the one with the service is alone then.
        cluster.cut(self._active)
        try:
            fenced = self._first_dead()
            killed_s = self._since()
            survivors = [one for one in cluster.members if one != fenced]
            service = self._service_runs(survivors, fenced)
            service_s = self._since()
            self._is_writing(service)
            fenced.counter.wait_for_boot(RETURNED_S, other_than=self._boots[fenced.guest.name][-1])
            booted_s = self._since()
            self._returned_alone(fenced)
        finally:
            cluster.mend(self._active)
        cluster.wait(cluster.is_well, "the fenced guest has rejoined", REJOINED_S, survivors[0])
        rejoined_s = self._since()
        self.tried = self._devices(survivors, fenced)
        return Cycle(
            configuration,
            self._active,
            fenced.guest.name,
            service,
            round(killed_s, 2),
            round(service_s, 2),
            round(booted_s, 2),
            round(rejoined_s, 2),
            " ".join(f"{one.device}={one.rc}" for one in self.tried),
            len(witness.overlaps(cluster.records())),
        )

    def wrong(self, cycle: Cycle) -> list[str]:
        """What must not be after it."""
        cluster, lab = self._cluster, self._cluster.lab
        stonith.wait_clean(lab, CLEAN_S)
        found = witness.overlaps(cluster.records())
        for member in cluster.members:
            name = member.guest.name
            more = member.counter.boots()[len(self._boots[name]) :]
            if len(more) != (name == cycle.fenced):
                found.append(f"{name} was booted {len(more)} times")
            if member.counter.is_going_back():
                found.append(f"two of {name} ran at once")
        answers = len(stonith.proven(lab)) - self._proven
        if answers != 1:
            found.append(f"{answers} fences were answered with OK")
        status = cluster.status()
        if status.hosts_of(nested.SERVICE) != [cycle.service]:
            found.append(f"the service runs on {status.hosts_of(nested.SERVICE)}")
        found += [f"failed in the guests: {one}" for one in status.failures]
        found += [f"host fenced: {event}" for event in lab.fencing.events()]
        found += [f"{name} in the hosts' CIB" for name in stonith.fail_counts(lab)]
        return found

    def _since(self) -> float:
        return time.monotonic() - self._began_s

    def _first_dead(self) -> Registered:
        """The guest whose QEMU is gone."""
        deadline = Deadline(FENCED_S)
        while not deadline.expired():
            for member in self._cluster.members:
                if not self._lives[member.guest.name].is_alive():
                    return member
            deadline.pause(POLL_S)
        raise LabError(f"no guest was fenced within {FENCED_S:.0f} s of the cut")

    def _service_runs(self, survivors: list[Registered], fenced: Registered) -> str:
        """Where, once it runs on a survivor, and the fenced guest is known to be dead."""

        def has_taken_over(now: Status) -> bool:
            lost = now.nodes[fenced.guest.name]
            is_lost = not lost.is_online and not lost.is_unclean
            hosts = now.hosts_of(nested.SERVICE)
            return is_lost and len(hosts) == 1 and hosts != [fenced.guest.name]

        what = "the service runs on a survivor"
        now = self._cluster.wait(has_taken_over, what, TAKEN_OVER_S, survivors[0])
        return now.hosts_of(nested.SERVICE)[0]

    def _is_writing(self, service: str) -> None:
        """The witness there goes on, and has not only been started."""
        cluster = self._cluster
        region = cluster.names.index(service)
        before = len(cluster.records()[region])
        deadline = Deadline(TAKEN_OVER_S)
        while len(cluster.records()[region]) < before + SOME:
            if deadline.expired():
                raise LabError(f"the witness on {service} does not write")
            deadline.pause(POLL_S)

    def _returned_alone(self, fenced: Registered) -> None:
        """Its corosync is up, and without the others it has no quorum, so it does nothing."""
        deadline = Deadline(RETURNED_S)
        said = ""
        while not deadline.expired():
            # It may still be booting.
            try:
                said = self._cluster.ask(fenced, ["corosync-quorumtool", "-s"])
            except LabError as error:
                said = str(error)
            rows = [line.split() for line in said.splitlines()]
            if ["Quorate:", "No"] in rows:
                return
            if ["Quorate:", "Yes"] in rows:
                raise LabError(f"{fenced.guest.name} is alone and has quorum: {said}")
            deadline.pause(POLL_S)
        raise LabError(f"corosync does not answer in {fenced.guest.name}: {said}")

    def _devices(self, survivors: list[Registered], fenced: Registered) -> list[Tried]:
        """What the survivors' fencers asked, one of which does all, in its order."""
        lines = [
            line
            for one in survivors
            for line in self._cluster.fences(one)[self._lines[one.guest.name] :]
        ]
        asked = [found for found in map(_ASKED.search, lines) if found]
        return [Tried(one[2], int(one[3])) for one in asked if one[1] == fenced.guest.name]


def _life(member: Registered) -> Process:
    (found,) = member.lab.guests.processes(member.guest)
    return found[1]
