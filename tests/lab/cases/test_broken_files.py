# SPDX-License-Identifier: GPL-2.0-or-later
"""Hosts that can't remember: where our files are, nothing can be written, or they are gone.

What QEMU does decides all the same: fences are answered, stops end, nobody is fenced for it, and
a start goes on as soon as it can be written down.
"""

from __future__ import annotations

import contextlib
import time

import pytest

from tests.lab.cluster import agents, behind
from tests.lab.faults.one_fence import assert_dead, fence
from tests.lab.faults.situations import is_stopping, wait_until
from tests.ocf.agent import Agent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.guests.pair import Pair
    from tests.lab.hosts.machine import Machine

pytestmark = pytest.mark.rotating(parts=6)

# Each has its break and its mend, for /bin/sh in /run/pm_kvm_tools.
TROUBLES = {
    "read-only": (
        "mount --bind . . && cd . && mount -o remount,bind,ro .",
        "mount -o remount,bind,rw . && cd / && umount -l /run/pm_kvm_tools",
    ),
    "full": (
        """
        for one in domains debts; do
            mkdir -p $one /run/lab/$one
            cp -a $one/. /run/lab/$one
            mount -t tmpfs -o size=64k,mode=700 tmpfs $one
            cp -a /run/lab/$one/. $one
            cat /dev/zero >$one/filling 2>/dev/null || true
        done
        """,
        """
        for one in domains debts; do
            rm -f $one/filling
        done
        """,
    ),
    "files for directories": (
        "rm -rf domains debts && touch domains debts",
        "rm -f domains debts",
    ),
    "deleted": ("rm -rf domains debts", "true"),
}
# The small file systems of "full" outlive its end: a start goes on in them. Later they make room
# for plain directories with what is in them.
SETTLE = """
for one in domains debts; do
    if mountpoint -q $one; then
        rm -rf /run/lab/$one
        cp -a $one /run/lab/$one
        umount -l $one
        cp -a /run/lab/$one/. $one
    fi
done
"""
# A start goes on within a second, and takes some three, or on a busy machine so many.
SOON_S = 30.0


@pytest.fixture
def hosts(pair: Pair) -> tuple[Machine, Machine]:
    return pair.lab.hosts[0], pair.lab.hosts[1]


@pytest.fixture(autouse=True)
def _plain_directories(hosts: tuple[Machine, Machine]) -> Iterator[None]:
    yield
    for host in hosts:
        if host.is_alive():
            sh(host, SETTLE)


def sh(host: Machine, script: str) -> None:
    host.must(["sh", "-ec", f"cd /run/pm_kvm_tools\n{script}"])


@contextlib.contextmanager
def trouble(pair: Pair, name: str) -> Iterator[None]:
    """On all hosts."""
    breaks, mends = TROUBLES[name]
    for host in pair.lab.hosts:
        sh(host, breaks)
    try:
        yield
    finally:
        for host in pair.lab.hosts:
            sh(host, mends)


def monitor(pair: Pair, host: Machine) -> int:
    """A recurring one of the target, as Pacemaker calls it."""
    path = "/usr/lib/ocf/resource.d/extra/VirtualDomain"
    parameters = {"config": f"/etc/libvirt/qemu/{pair.target.guest.name}.xml"}
    agent = Agent(path, parameters, pair.target.resource)
    interval = {"OCF_RESKEY_CRM_meta_interval": "10000"}
    return agents.call(host, agent, "monitor", more=interval).rc


def is_starting(pair: Pair) -> bool:
    found = pair.lab.status().find(pair.target.resource)
    return any("Starting" in (one.role, one.pending) for one in found)


@pytest.mark.parametrize("is_behind", [False, True], ids=["idle", "behind a stop"])
@pytest.mark.parametrize("name", list(TROUBLES))
def test_fence(pair: Pair, hosts: tuple[Machine, Machine], name: str, is_behind: bool) -> None:
    host2 = hosts[1]
    boot = pair.place(host2)
    with fence(pair) as lives:
        with trouble(pair, name):
            assert monitor(pair, host2) == 0
            # Pacemaker's own stop of the target waits for another resource's, which lasts.
            with behind.another_stop(pair) if is_behind else contextlib.nullcontext():
                began = time.time()
                answered = pair.answer("reset")
                assert_dead(pair, answered, lives, began)
                print(f"{name}: {answered.took_s:.2f} s")
                if is_behind:
                    assert is_stopping(pair, behind.STRANGER)
                    assert monitor(pair, host2) == 0
            if name != "deleted":
                wait_until(lambda: is_starting(pair), "a start that waits", 30)
                time.sleep(2)
                assert len(lives.all()) == 1
        mended = time.monotonic()
        wait_until(lambda: len(lives.all()) == 2, "the start that has waited", SOON_S)
        print(f"{name}: started {time.monotonic() - mended:.2f} s after its end")
        pair.returned(boot)


@pytest.mark.parametrize("name", list(TROUBLES))
def test_stop_and_start(pair: Pair, hosts: tuple[Machine, Machine], name: str) -> None:
    """An administrator's, with no fence about."""
    target = pair.target
    boot = pair.place(hosts[1])
    with fence(pair) as lives:
        with trouble(pair, name):
            target.vm_ctl("resource", "stop", target.guest.name, "--no-wait")
            wait_until(lambda: is_stopping(pair, target.resource), "a stop under way")
            for _, process in pair.lab.guests.processes(target.guest):
                process.kill()
            pair.lab.cluster.wait_stopped(target.resource)
            assert [one for one in target.failures() if "stop" in one.operation] == []
        target.vm_ctl("resource", "start", target.guest.name)
        pair.returned(boot)
        assert len(lives.all()) == 2
