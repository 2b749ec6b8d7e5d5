# SPDX-License-Identifier: GPL-2.0-or-later
"""How a plan's situation and disturbances are brought about on the soak's hosts."""

from __future__ import annotations

from tests.lab.faults import fault_acts, faults, situations
from tests.lab.faults.situations import wait_until
from tests.lab.soak import draw
from tests.lab.soak.plan import MOVES_ASKER, Situation
from tests.lab.soak.world import BLOCKED_S, BLOCKER, CREATING, SLOW_START

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.lab.faults.fault_acts import Act
    from tests.lab.guests.pair import Pair
    from tests.lab.soak.plan import Disturbance, Plan
    from tests.lab.soak.world import World

# A small guest is met in it, a big one has come through by the end of the round.
MIGRATION_MIB_S = 12
MIGRATED_S = 90.0
ROLE = ["-p", "target-role", "-v"]


def prepare(world: World, plan: Plan, disturbance: Disturbance) -> Act:
    """Everything that can be done before the moment. HaError if it can't be done at all."""
    fault, pair = disturbance.fault, world.pair(plan.first)
    if fault.what == MOVES_ASKER:
        # To the administrator who moves a guest it is a target.
        pair, fault = type(pair)(*reversed(pair)), fault._replace(what=faults.MOVES)
    act = fault_acts.prepare(pair, fault)
    if not disturbance.lasts_s:
        return act
    if fault.what == draw.NETWORK:
        host = world.lab.host(fault.host)
        return act._replace(undo=host.heal, after_s=disturbance.lasts_s)
    return act._replace(after_s=disturbance.lasts_s)


def enter(world: World, plan: Plan) -> None:
    """The target is in the middle of it when this returns."""
    enter_it = {
        Situation.MIGRATING: _migrate,
        Situation.STARTING: _start_slowly,
        Situation.STOPPING: _stop_slowly,
        Situation.BEHIND: _block,
    }.get(plan.situation)
    if enter_it is not None:
        enter_it(world, plan, world.pair(plan.first))


def leave(world: World, plan: Plan) -> None:
    """What enter() has begun ends, and what it has set is taken back."""
    pair = world.pair(plan.first)
    if plan.situation is Situation.MIGRATING:
        for host in world.lab.hosts:
            if host.is_alive() and host.pid_of("move") is not None:
                wait_until(lambda host=host: host.pid_of("move") is None, "its end", MIGRATED_S)  # type: ignore[misc]
    elif plan.situation is Situation.STARTING:
        for host in world.lab.hosts:
            if host.is_alive():
                host.run(["rm", "-f", f"{SLOW_START}-{pair.target.guest.name}"])
    elif plan.situation is Situation.BEHIND:
        argv = ["crm_resource", "--meta", "-r", BLOCKER, "-d", "target-role"]
        wait_until(lambda: world.lab.cluster.speaker().run(argv).rc == 0, "the blocker's role")


def _migrate(world: World, plan: Plan, pair: Pair) -> None:
    name = pair.target.guest.name
    source = world.lab.host(plan.homes[name])
    source.must(["virsh", "-q", "migrate-setspeed", name, str(MIGRATION_MIB_S)])
    source.spawn("move", ["vm-ctl", "resource", "move", name, "-n", plan.goal])
    wait_until(lambda: len(pair.target.hosts()) == 2, "two QEMUs in a migration", 30)


def _start_slowly(world: World, _plan: Plan, pair: Pair) -> None:
    name = pair.target.guest.name
    situations.stop(pair)
    for host in world.lab.hosts:
        host.must(["sh", "-c", f"touch {SLOW_START}-{name}; rm -f {CREATING}-{name}"])
    pair.target.vm_ctl("resource", "start", name, "--no-wait")
    argv = ["test", "-e", f"{CREATING}-{name}"]
    hosts = world.lab.hosts
    wait_until(lambda: any(host.run(argv).rc == 0 for host in hosts), "a create under way", 30)


def _stop_slowly(_world: World, _plan: Plan, pair: Pair) -> None:
    """It does not hear the power button."""
    pair.target.vm_ctl("resource", "stop", pair.target.guest.name, "--no-wait")
    wait_until(lambda: situations.is_stopping(pair, pair.target.resource), "a stop under way")


def _block(world: World, _plan: Plan, pair: Pair) -> None:
    world.lab.cluster.wait_running(BLOCKER, timeout_s=3 * BLOCKED_S)
    argv = ["crm_resource", "--meta", "-r", BLOCKER, *ROLE, "Stopped"]
    world.lab.cluster.speaker().must(argv)
    wait_until(lambda: situations.is_stopping(pair, BLOCKER), "the blocker's stop")
