# SPDX-License-Identifier: GPL-2.0-or-later
"""The end of a round: what comes back by itself, what is left then, and everything mended."""

from __future__ import annotations

import contextlib
import time

from pmkvm.deadline import Deadline
from pmkvm.errors import HaError
from tests.lab.cluster import stonith
from tests.lab.errors import LabError
from tests.lab.faults import fault_acts
from tests.lab.guests.fencing_guest import CONNECT, Ask
from tests.lab.soak.world import BLOCKER, BYSTANDERS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.lab.hosts.machine import Machine
    from tests.lab.lab import Lab
    from tests.lab.soak.world import World

# What Pacemaker waits for in vain is told by its log in this time: see the world's TIMES.
SETTLED_S = 150.0
# Lease, and 15 s until anybody removes what ran out.
CLEAN_S = 80.0
MENDED_S = 180.0
# With no quorum nobody is fenced.
FENCED_S = 30.0
ON_S = 20.0
POLL_S = 0.2
# Pacemaker 2.1.5 leaves one pending that is a member before its fencing has been told.
OFF_S = 1.5


def switch_on(world: World, guest: str, askers: Iterable[str]) -> None:
    """Through one who has switched it off if that can be, else as an administrator."""
    target = world.guests[guest]
    for asker in askers:
        what = ("on", guest, target.resource, CONNECT, ON_S)
        with contextlib.suppress(LabError):
            one = world.guests[asker]
            if one.hosts() and Ask(*what).begin(world.lab.guests, one.guest).answered().is_ok:
                return
    start(world, guest)


def start(world: World, guest: str) -> None:
    """As an administrator who tries until it is done."""
    deadline = Deadline(SETTLED_S)
    while True:
        with contextlib.suppress(HaError):
            world.guests[guest].vm_ctl("resource", "start", guest, "--no-wait")
            return
        deadline.check(f"starting {guest}")
        deadline.pause(1)


def wait_back(world: World) -> dict[str, float | None]:
    """Boots hosts that are off, until each guest runs and counts; when it was seen to, by name."""
    deadline = Deadline(SETTLED_S)
    back: dict[str, float | None] = dict.fromkeys(world.guests)
    while not deadline.expired():
        bring_back(world.lab, deadline)
        with contextlib.suppress(HaError):
            status = world.lab.status()
            for guest, one in world.guests.items():
                runs = len(status.hosts_of(one.resource)) == 1
                if not runs:
                    back[guest] = None
                elif back[guest] is None and one.counter.is_ticking(POLL_S):
                    back[guest] = time.time()
            is_whole = all(node.is_well for node in status.nodes.values())
            if is_whole and None not in back.values():
                break
        deadline.pause(POLL_S)
    return back


def bring_back(lab: Lab, deadline: Deadline) -> None:
    """What was lost is fenced, and boots again, as a machine would; what was cut off is healed."""
    for host in lab.hosts:
        if host.is_alive() and not host.is_cut():
            continue
        _wait(lambda host=host: _is_settled(lab, host), deadline.at_most(FENCED_S))  # type: ignore[misc]
        if not host.is_alive():
            deadline.pause(OFF_S)
            lab.boot(host)
        elif host.is_cut():
            host.heal()


def wait_whole(lab: Lab, deadline: Deadline) -> None:
    """Until all hosts are members, and none is to be fenced."""
    _wait(lambda: all(node.is_well for node in lab.status().nodes.values()), deadline)


def _is_settled(lab: Lab, host: Machine) -> bool:
    """Whether the others know that it is off."""
    node = lab.status().nodes[host.name]
    return not host.is_alive() and not node.is_online and not node.is_unclean


def wait_clean(lab: Lab) -> None:
    """Until no ban and no pending stop is left, if they go."""
    _wait(lambda: not stonith.bans(lab) and not stonith.pending_stops(lab), Deadline(CLEAN_S))


def left(world: World, *, is_moved: bool) -> list[str]:
    """What a fence must not leave, apart from what the disturbances themselves do."""
    lab, found = world.lab, list[str]()
    found += [f"ban {name}" for name in stonith.bans(lab)]
    found += [f"pending stop {name}" for name in stonith.pending_stops(lab)]
    # Daemons that were killed have failed, and so has what they served.
    ours = "prmVMCTL_"
    found += [f"{name} in the CIB" for name in stonith.fail_counts(lab) if ours in name]
    failures = [one for one in lab.status().failures if ours in one.operation]
    found += [f"failed {one.operation} on {one.host}: {one.reason}" for one in failures]
    for guest, one in world.guests.items():
        role = stonith.role(lab, one.resource)
        # `crm_resource --restart` takes the role away when it is done: then it is wanted, too.
        if role not in ("Started", None):
            found.append(f"target-role of {guest} is {role}")
    if not is_moved:
        found += [f"constraint {name}" for name in _moves(lab)]
    return found


def ill(world: World) -> list[str]:
    """Hosts that are not well, and daemons of ours that do not serve."""
    try:
        nodes = world.lab.status().nodes.values()
        found = [f"{node.name} is not well: {node}" for node in nodes if not node.is_well]
        if not found:
            stonith.wait_ready(world.lab)
    except HaError as error:
        return [str(error)[:300]]
    return found


def mend(world: World) -> None:
    """Whatever was done: all is as make() has left it. HaError if that takes too long."""
    deadline = Deadline(MENDED_S)
    lab = world.lab
    for host in lab.hosts:
        fault_acts.revive(lab, host)
    lab.cluster.wait_online(timeout_s=deadline.remaining())
    lab.fencing.repair()
    fault_acts.take_back(lab, world.guests.values())
    asked = lab.cluster.speaker()
    for name in _moves(lab):
        asked.run(["cibadmin", "--delete", "--xpath", f"//constraints/*[@id='{name}']"])
    asked.run(["crm_resource", "--meta", "-r", BLOCKER, "-d", "target-role"])
    for guest, one in world.guests.items():
        if stonith.role(lab, one.resource) != "Started":
            start(world, guest)
    deadline.check("mending")
    stonith.wait_ready(lab)
    for one in world.guests.values():
        lab.cluster.wait_running(one.resource, timeout_s=deadline.remaining())
    for name in BYSTANDERS:
        lab.cluster.wait_running(name, timeout_s=deadline.remaining())


def _moves(lab: Lab) -> list[str]:
    ids = [each.get("id", "") for each in lab.cib().iterfind("configuration/constraints/*")]
    return [name for name in ids if name.startswith(("cli-", "move-"))]


def _wait(is_true: Callable[[], bool], deadline: Deadline) -> None:
    """Until it is or the time is over; who cannot be asked has not said so."""
    while not deadline.expired():
        with contextlib.suppress(HaError):
            if is_true():
                return
        deadline.pause(POLL_S)
