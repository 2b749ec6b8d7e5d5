# SPDX-License-Identifier: GPL-2.0-or-later
"""How each fault of the table is brought about on the lab's hosts, and how it ends.

What must be quick is looked up before: at the moment itself there is one signal or one command.
"""

from __future__ import annotations

import contextlib
import signal
import time
from typing import Callable, NamedTuple

from pmkvm.errors import HaError
from pmkvm.fencing import ban as bans
from tests.lab.cluster import stonith
from tests.lab.errors import LabError
from tests.lab.faults import faults
from tests.lab.faults.fence_watch import daemon
from tests.lab.faults.situations import wait_until
from tests.lab.hosts import hypervisor
from tests.lab.hosts.process import children

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.lab.cluster.registration import Registered
    from tests.lab.faults.faults import Fault
    from tests.lab.guests.pair import Pair
    from tests.lab.hosts.machine import Machine
    from tests.lab.hosts.process import Process
    from tests.lab.lab import Lab

GUEST_PIDFILE = "/run/lab/vm-connectd.pid"
CLONES = {faults.CONNECTD: stonith.CONNECTD, faults.STONITHD: stonith.STONITHD}
CONSTRAINTS = "constraints"
OLD_BAN_S = 45


def nothing() -> None:
    """There is nothing to be done."""


class Act(NamedTuple):
    """do: at the moment. undo: so many seconds later; None: when all is over. survives: the
    process that must live on after it."""

    do: Callable[[], None]
    undo: Callable[[], None] = nothing
    after_s: float | None = None
    survives: Process | None = None


def prepare(pair: Pair, fault: Fault) -> Act:
    """Everything that can be done before the moment."""
    if fault.who == faults.GUEST_CONNECTD:
        return _in_guest(pair, fault)
    if fault.who == faults.ADMINISTRATOR:
        return _by_administrator(pair, fault)
    if fault.who in (faults.HOST, faults.CLUSTER):
        return _of_host(pair, fault)
    return _of_process(pair.lab.host(fault.host), fault)


def mend(pair: Pair) -> None:
    """Whatever was done to them: both hosts and both guests are well, and nothing is left."""
    lab = pair.lab
    for host in lab.hosts:
        revive(lab, host)
    lab.cluster.wait_online()
    lab.fencing.repair()
    take_back(lab, pair)
    stonith.wait_ready(lab)
    lab.cluster.wait_running(pair.requester.resource, timeout_s=90)
    if pair.requester.hosts() != [faults.COORDINATOR]:
        pair.requester.move(lab.host(faults.COORDINATOR))
    pair.echo()


def revive(lab: Lab, host: Machine) -> None:
    """Whatever was done to it: it runs, is connected, and has its Pacemaker and libvirt."""
    if not host.is_alive():
        lab.boot(host)
    if host.is_cut():
        host.heal()
    if host.pid_of("pacemakerd") is None:
        host.stop("corosync")
        lab.cluster.start([host])
    hypervisor.ensure(host)


def take_back(lab: Lab, guests: Iterable[Registered]) -> None:
    """What an administrator does in the end, and what a killed daemon has left."""
    asked = lab.cluster.speaker()
    for host in lab.hosts:
        asked.run(["crm_attribute", "-t", "nodes", "-N", host.name, "-n", "standby", "-D"])
    asked.run(["crm_attribute", "-n", "maintenance-mode", "-D"])
    for one in guests:
        asked.run(["crm_resource", "--meta", "-r", one.resource, "-d", "is-managed"])
        asked.run(["crm_resource", "--clear", "-r", one.resource])
        # Of a refresh that ended Pacemaker's controller: that start has failed for good.
        for host in lab.hosts:
            asked.run(["crm_failcount", "--delete", "-r", one.resource, "-N", host.name])
    for clone in CLONES.values():
        asked.run(["crm_resource", "--cleanup", "-r", clone])


def _of_process(host: Machine, fault: Fault) -> Act:
    process = _process(host, fault.who)
    if process is None:
        raise LabError(f"{host.name}: {fault.who} does not run")
    if fault.what == faults.ANEW:
        return Act(lambda: process.send(signal.SIGHUP), survives=process)
    if fault.what != faults.KILLED:
        return Act(
            lambda: process.send(signal.SIGSTOP),
            lambda: process.send(signal.SIGCONT),
            faults.FREEZE_S if fault.what == faults.FROZEN else faults.PAUSE_S,
        )
    # Nobody but the lab starts libvirtd again.
    is_ours = fault.who == faults.LIBVIRTD
    restart = (lambda: hypervisor.ensure(host)) if is_ours else nothing
    return Act(lambda: process.send(signal.SIGKILL), restart, faults.PAUSE_S)


def _process(host: Machine, who: str) -> Process | None:
    if who in CLONES:
        return daemon(host, CLONES[who])
    parent = host.spawned(hypervisor.NAME if who == faults.LIBVIRTD else "pacemakerd")
    if who == faults.LIBVIRTD or parent is None:
        return parent
    found = (one for one in children(parent.pid) if one.executable().endswith(f"/{who}"))
    return next(found, None)


def _in_guest(pair: Pair, fault: Fault) -> Act:
    def kill(name: str) -> None:
        argv = ["sh", "-c", f"kill -{name} $(cat {GUEST_PIDFILE})"]
        # It may be dead by now, or fence-less and gone.
        with contextlib.suppress(HaError):
            pair.lab.guests.run(pair.requester.guest, argv, timeout_s=20)

    if fault.what != faults.PAUSED:
        return Act(lambda: kill("KILL" if fault.what == faults.KILLED else "HUP"))
    return Act(lambda: kill("STOP"), lambda: kill("CONT"), faults.PAUSE_S)


def _of_host(pair: Pair, fault: Fault) -> Act:
    lab = pair.lab
    name = lab.status().dc if fault.who == faults.CLUSTER else fault.host
    host = lab.host(name)
    if fault.what == "loses its power":
        return Act(host.kill)
    if fault.what == "loses its network":
        return Act(host.cut)

    def leave() -> None:
        process = host.spawned("pacemakerd")
        if process is not None:
            process.send(signal.SIGTERM)

    def come_back() -> None:
        wait_until(lambda: host.pid_of("pacemakerd") is None, f"{name}'s leaving", 60)
        host.stop("corosync")
        lab.cluster.start([host])
        lab.cluster.wait_online()

    return Act(leave, come_back, faults.PAUSE_S)


def _by_administrator(pair: Pair, fault: Fault) -> Act:
    # The one who is not hit by what he does himself.
    asked, target = pair.lab.hosts[0], pair.target
    meta = ["crm_resource", "--meta", "-r", target.resource]
    role = [*meta, "-p", "target-role", "-v"]
    maintenance = ["crm_attribute", "-n", "maintenance-mode"]
    standby = ["crm_attribute", "-t", "nodes", "-N", fault.host or "-", "-n", "standby"]
    resource = ["-r", target.resource]
    simple: dict[str, list[str]] = {
        faults.STOPS: [*role, "Stopped"],
        faults.STARTS: [*role, "Started"],
        faults.CLEANS: ["crm_resource", "--cleanup", *resource],
        faults.REFRESHES: ["crm_resource", "--refresh", *resource],
        faults.MOVES: ["crm_resource", "--move", *resource, "-N", fault.host or faults.COORDINATOR],
        faults.DELETES: ["cibadmin", "--delete", "--xpath", bans.xpath(target.resource)],
    }
    timed = {
        faults.UNMANAGES: ([*meta, "-p", "is-managed", "-v", "false"], [*meta, "-d", "is-managed"]),
        faults.MAINTAINS: ([*maintenance, "-v", "true"], [*maintenance, "-D"]),
    }
    if fault.what in simple:
        # A cluster in trouble may refuse, as it would to him.
        return Act(lambda: _try(asked, simple[fault.what]))
    if fault.what in timed:
        do, undo = timed[fault.what]
        return Act(lambda: _try(asked, do), lambda: _insist(asked, undo), faults.PAUSE_S)
    if fault.what == faults.STANDS_BY:
        return Act(
            lambda: _try(asked, [*standby, "-v", "on"]), lambda: _insist(asked, [*standby, "-D"])
        )
    if fault.what == faults.RESTARTS:
        argv = ["crm_resource", "--restart", *resource, "--timeout", "60s"]
        return Act(
            lambda: asked.spawn("restart", argv),
            lambda: wait_until(lambda: asked.pid_of("restart") is None, "crm_resource's end", 70),
            0.0,
        )
    return _push(pair, asked, with_ban=fault.what == faults.PUSHES_BAN)


def _push(pair: Pair, asked: Machine, *, with_ban: bool) -> Act:
    """What crmsh and pcs do: the section replaced as a whole, whatever has changed meanwhile."""
    text = asked.must(["cibadmin", "--query", "--scope", CONSTRAINTS])
    if with_ban:
        old = bans.Ban(
            resource=pair.target.resource,
            operation=bans.RESET,
            id="0123456789abcdef",
            requester=pair.requester.resource,
            request=faults.NO_REQUEST,
            coordinator=faults.COORDINATOR,
            uuid=pair.target.guest.uuid,
            end=int(time.time()) + OLD_BAN_S,
        )
        text = text.replace("</constraints>", f"{bans.to_xml(old)}</constraints>")
    argv = ["cibadmin", "--replace", "--scope", CONSTRAINTS, "--xml-text", text]
    return Act(lambda: _try(asked, argv))


def _try(host: Machine, argv: list[str]) -> None:
    with contextlib.suppress(HaError):
        host.run(argv, timeout_s=20)


def _insist(host: Machine, argv: list[str]) -> None:
    wait_until(lambda: host.run(argv, timeout_s=20).rc == 0, " ".join(argv), 60)
