# SPDX-License-Identifier: GPL-2.0-or-later
"""`rm -rf /run/pm_kvm_tools` on hosts whose daemons run: the same ones go on, and fence."""

from __future__ import annotations

import contextlib
import time
from functools import partial

from pmkvm import settings
from tests.lab.cluster import stonith
from tests.lab.errors import LabError
from tests.lab.faults.faults import State
from tests.lab.faults.fence_watch import Watch
from tests.lab.faults.situations import wait_until
from tests.lab.guests.lives import Lives
from tests.lab.hosts import host_processes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.lab.guests.pair import Pair
    from tests.lab.hosts.machine import Machine
    from tests.lab.hosts.process import Process

FORGET = ["rm", "-rf", settings.RUN_DIR]
PROGRAMS = {stonith.CONNECTD: "/usr/sbin/vm-connectd", stonith.STONITHD: "/usr/sbin/vm-stonithd"}
# Two of the clones' monitors, and a half.
WATCH_S = 25.0
STOP_S = 60.0
# listener.LOOK_S, and what two daemons and their programs take on a busy machine.
ASKED_S = 30.0
# A command in a guest, on a busy machine.
FORGOTTEN_S = 60.0


def test_the_run_directory_is_deleted(pair: Pair) -> None:
    """With the daemons idle, at the moment of a fence, and before they are stopped."""
    hosts, boots = pair.lab.hosts, pair.requester.counter.boots()
    boot = pair.place(hosts[1])
    before = census(pair)
    assert all(len(pids) == 1 for pids in before.values()), before

    forget(pair)
    end = time.monotonic() + WATCH_S
    while time.monotonic() < end:
        assert census(pair) == before
        for host in hosts:
            for resource in PROGRAMS:
                assert checked(host, resource) == 0, (host.name, resource)
        time.sleep(1)
    boot = fence(pair, boot, forget_at=None)
    boot = fence(pair, boot, forget_at=State.BANNED)
    assert census(pair) == before
    assert pair.lab.status().failures == []
    assert pair.leftovers("Started", boots) == []

    forget(pair)
    set_role(pair, "Stopped")
    wait_until(lambda: not any(census(pair).values()), "no daemon lives", STOP_S)
    set_role(pair, "Started")
    stonith.wait_ready(pair.lab)
    after = census(pair)
    assert all(len(pids) == 1 for pids in after.values()), after
    assert not {one for daemons in after.values() for one in daemons} & {
        one for daemons in before.values() for one in daemons
    }
    fence(pair, boot, forget_at=None)


def fence(pair: Pair, boot: str, forget_at: State | None) -> str:
    """guest1 resets guest2, and is told the truth; the boot that guest2 has afterwards."""
    with Lives(pair.lab.guests, pair.target.guest) as lives, Watch(pair) as watch:
        began_s = time.time()
        if forget_at is not None:
            watch.arm(forget_at, "reset", lambda: forget(pair))
        answered = pair.answer("reset")
        assert answered.is_ok, answered
        assert forget_at is None or watch.wait(FORGOTTEN_S)
        proven = [one for one in pair.proven() if one.at_s > began_s]
        assert len(proven) == 1, proven
        assert lives.outlived(proven[0].at_s, proven[0].at_s) == []
    print(f"{answered.took_s:.2f} s: {answered.text}")
    for host in pair.lab.hosts:
        wait_until(partial(is_asked, host), f"{host.name}: both daemons say how they are", ASKED_S)
    return pair.returned(boot)


def is_asked(host: Machine) -> bool:
    """Both sockets are at their paths again, which the daemons look at each second."""
    with contextlib.suppress(LabError):
        host.must(["vm-connectd", "--status"])
        return stonith.status(host).get("state") == "running"
    return False


def forget(pair: Pair) -> None:
    """On the hosts, and in the guest that asks."""
    for host in pair.lab.hosts:
        host.must(FORGET)
    done = pair.lab.guests.run(pair.requester.guest, FORGET, timeout_s=30)
    assert done.rc == 0, done


def census(pair: Pair) -> dict[tuple[str, str], list[Process]]:
    """The daemons of each program on each host, without what they are about to start."""
    found = {}
    for host in pair.lab.hosts:
        for program in PROGRAMS.values():
            found[host.name, program] = host_processes.leaders(host, program)
    return found


def checked(host: Machine, resource: str) -> int:
    """What the agent's monitor says of it now, by Pacemaker's own tool."""
    argv = ["crm_resource", "--force-check", "--resource", resource]
    return host.run(argv, timeout_s=30).rc


def set_role(pair: Pair, role: str) -> None:
    for clone in ("clnVmStonithd", "clnVmConnectd"):
        argv = ["crm_resource", "--resource", clone, "--meta", "-p", "target-role", "-v", role]
        pair.lab.hosts[0].must(argv)
