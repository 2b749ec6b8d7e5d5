# SPDX-License-Identifier: GPL-2.0-or-later
"""The cluster of the lab's hosts: start it, ask it, change its CIB, bring it back to bare."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple
from xml.etree.ElementTree import Element, fromstring, tostring

from pmkvm.deadline import Deadline
from pmkvm.errors import CommandTimeoutError
from tests.lab.cluster import cib, corosync
from tests.lab.cluster.status import COMMAND, Status, parse
from tests.lab.errors import LabError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.lab.hosts.machine import Machine

CIB_FILE = "/var/lib/pacemaker/cib/cib.xml"
LOG = "/var/log/pacemaker/pacemaker.log"
POLL_S = 0.1
# What takes seconds on a machine that is not busy.
WAIT_S = 120.0


class Cluster(NamedTuple):
    """corosync and Pacemaker on all hosts of the lab."""

    hosts: list[Machine]
    rsc_defaults: str

    def configure(self, host: Machine) -> None:
        """Give a host that never was in a cluster its corosync.conf and the bare CIB."""
        corosync.configure(host, self.hosts)
        host.must(["find", "/var/lib/pacemaker/cib", "-mindepth", "1", "-delete"])
        text = cib.bare(host.must(["cibadmin", "--empty"]), self.rsc_defaults)
        host.write(CIB_FILE, text, "0600")
        host.must(["chown", "hacluster:haclient", CIB_FILE])

    def start(self, hosts: Sequence[Machine] | None = None) -> None:
        """Start hosts' corosync and Pacemaker together; back before they are online."""
        chosen = list(hosts or self.hosts)
        with ThreadPoolExecutor(len(chosen)) as pool:
            list(pool.map(corosync.start, chosen))
        if len(chosen) == len(self.hosts):
            # A DC elected before it knows of the other host would fence it.
            self._wait(lambda: corosync.is_quorate(chosen[0]), "corosync has quorum", WAIT_S)
        for host in chosen:
            host.spawn("pacemakerd", ["pacemakerd", "-f"], {"PCMK_logfile": LOG})

    def stop(self, host: Machine, timeout_s: float = 60.0) -> None:
        """Shut a host's Pacemaker and corosync down in order."""
        host.stop("pacemakerd", timeout_s)
        host.stop("corosync")

    def speaker(self) -> Machine:
        """A host to ask: alive, and not cut off if there is one such."""
        alive = [host for host in self.hosts if host.is_alive()]
        if not alive:
            raise LabError("every host is down")
        return next((host for host in alive if not host.is_cut()), alive[0])

    def status(self, on: Machine | None = None) -> Status:
        return parse((on or self.speaker()).must(COMMAND, timeout_s=10))

    def cib(self, on: Machine | None = None) -> Element:
        """The whole CIB, as a host has it."""
        return fromstring((on or self.speaker()).must(["cibadmin", "--query"]))

    def add(self, *elements: Element) -> None:
        """Create resources and constraints, all in one change."""
        patch = Element("configuration")
        for element in elements:
            is_constraint = element.tag.startswith("rsc_")
            section = "constraints" if is_constraint else "resources"
            found = patch.find(section)
            parent = Element(section) if found is None else found
            if found is None:
                patch.append(parent)
            parent.append(element)
        argv = ["cibadmin", "--modify", "--allow-create", "--xml-pipe", "--scope", "configuration"]
        self.speaker().must(argv, stdin=tostring(patch, encoding="unicode"))

    def configure_crm(
        self, text: str, on: Machine | None = None, *, by_force: bool = False
    ) -> None:
        """Load lines of crmsh's language as an update; by force, with parameters that an agent's
        metadata has not."""
        argv = ["crm", *(["--force"] if by_force else []), "configure", "load", "update", "-"]
        (on or self.speaker()).must(argv, stdin=text, timeout_s=60)

    def wait(self, is_true: Callable[[Status], bool], what: str, timeout_s: float) -> float:
        """Seconds until what crm_mon says satisfies is_true; the error shows what it said."""
        return self._wait(lambda: is_true(self.status()), what, timeout_s)

    def wait_online(
        self, hosts: Sequence[Machine] | None = None, timeout_s: float = WAIT_S
    ) -> float:
        names = [host.name for host in hosts or self.hosts]

        def is_online(now: Status) -> bool:
            known = [now.nodes.get(name) for name in names]
            return bool(now.dc) and all(node is not None and node.is_well for node in known)

        return self.wait(is_online, f"{', '.join(names)} online", timeout_s)

    def wait_offline(self, host: Machine, timeout_s: float = WAIT_S) -> float:
        """Until a host is known to be down: offline and clean, so fenced if it was needed."""

        def is_off(now: Status) -> bool:
            node = now.nodes[host.name]
            return not node.is_online and not node.is_unclean

        return self.wait(is_off, f"{host.name} offline and clean", timeout_s)

    def wait_running(self, name: str, host: str | None = None, timeout_s: float = WAIT_S) -> float:
        """Until a resource is started on exactly one host (that one, if given)."""

        def is_running(now: Status) -> bool:
            hosts = now.hosts_of(name)
            return len(hosts) == 1 and host in (None, hosts[0])

        return self.wait(is_running, f"{name} running on {host or 'a host'}", timeout_s)

    def wait_stopped(self, name: str, timeout_s: float = WAIT_S) -> float:
        def is_stopped(now: Status) -> bool:
            return all(one.role == "Stopped" and not one.pending for one in now.find(name))

        return self.wait(is_stopped, f"{name} stopped", timeout_s)

    def forget_failures(self, timeout_s: float = WAIT_S) -> None:
        """Nothing that failed is remembered, in Pacemaker's logs neither; back when Pacemaker has
        looked at it anew."""
        if self.status().failures:
            self.speaker().run(["crm_resource", "--cleanup"], timeout_s=60)
            self.wait(lambda now: not now.failures, "no failure is remembered", timeout_s)
            self.wait_idle(timeout_s)
        for host in self.hosts:
            host.must(["truncate", "--no-create", "--size", "0", LOG])

    def is_idle(self) -> bool:
        """Whether the DC has nothing more to do."""
        dc = self.status().dc
        if not dc:
            return False
        done = self.speaker().run(["crmadmin", "--status", dc], timeout_s=10)
        return "S_IDLE" in done.out

    def wait_idle(self, timeout_s: float = WAIT_S) -> float:
        return self._wait(self.is_idle, "the DC is idle", timeout_s)

    def _wait(self, is_true: Callable[[], bool], what: str, timeout_s: float) -> float:
        deadline = Deadline(timeout_s)
        while True:
            # A Pacemaker that starts, or lost its DC, answers late or not at all.
            with contextlib.suppress(LabError, CommandTimeoutError):
                if is_true():
                    return timeout_s - deadline.remaining()
            if deadline.expired():
                raise LabError(f"not within {timeout_s:.0f} s: {what}\n{self._picture()}")
            deadline.pause(POLL_S)

    def _picture(self) -> str:
        """The cluster in a person's words, for an error."""
        try:
            return self.speaker().run(["crm_mon", "-1rfA"], timeout_s=10).out
        except (LabError, CommandTimeoutError) as error:
            return str(error)
