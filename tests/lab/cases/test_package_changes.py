# SPDX-License-Identifier: GPL-2.0-or-later
"""Packages come and go on hosts that are at work: no monitor fails and no guest stops.

Two builds that don't fit each other are installed over each other, upwards and downwards, while
Pacemaker and a loop call the agent, a guest migrates, and a guest is fenced. And what is removed
too early says so, and leaves the guests alone.
"""

from __future__ import annotations

import threading
from functools import partial
from typing import NamedTuple

import pytest

from tests import builds
from tests.lab.cluster import stonith
from tests.lab.faults.situations import wait_until
from tests.lab.hosts.install import FLAVOURS, Flavour

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pmkvm.run import Completed
    from tests.lab.guests.pair import Pair
    from tests.lab.hosts.machine import Machine
    from tests.lab.lab import Lab

pytestmark = pytest.mark.rotating(parts=6)

VERSIONS = "/usr/share/pm_kvm_tools"
EVERY_S = "2s"
CODES, OVER = "/run/lab-codes", "/run/lab-over"
# As Pacemaker calls it; prints each exit code but those of a guest that runs here or does not.
LOOP = f"""
export OCF_ROOT=/usr/lib/ocf OCF_RESOURCE_INSTANCE=prmVMCTL_guest1 OCF_RA_VERSION_MAJOR=1
export OCF_RESKEY_config=/etc/libvirt/qemu/guest1.xml OCF_RESKEY_CRM_meta_timeout=30000
while [ ! -e {OVER} ]; do
    rc=0
    said=$(/usr/lib/ocf/resource.d/extra/VirtualDomain monitor 2>&1) || rc=$?
    echo "$rc" >>{CODES}
    case $rc in 0|7) ;; *) echo "$said" >>{CODES}.said ;; esac
done
"""
DAEMONS = ("vm-connectd", "vm-stonithd")
GOES_S = 120.0


class Manager(NamedTuple):
    """What rpm and dpkg say for the same."""

    flavour: Flavour

    def remove(self, host: Machine, *packages: str) -> Completed:
        if self.flavour.kind == "deb":
            return host.run(["dpkg", "-P", *packages], timeout_s=GOES_S)
        renamed = [one.replace("pm-", "pm_", 1).replace("_kvm-", "_kvm_", 1) for one in packages]
        return host.run(["rpm", "--dbpath", "/var/lib/rpm", "-e", *renamed], timeout_s=GOES_S)

    def verified(self, host: Machine) -> str:
        """What differs from the packages; a package that stands for a distribution has nothing."""
        if self.flavour.kind == "deb":
            names = [name for name in self.installed(host) if name]
            return host.run(["dpkg", "--verify", *names]).out
        return host.run(["rpm", "--dbpath", "/var/lib/rpm", "-Va"]).out

    def installed(self, host: Machine) -> list[str]:
        if self.flavour.kind == "deb":
            argv = ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Abbrev}\\n", "pm-*", "vm-ctl"]
            lines = host.run(argv).out.splitlines()
            # The first letter is what somebody wants, the second one what is.
            return [name for name, status in map(str.split, lines) if status[1] == "i"]
        argv = ["rpm", "--dbpath", "/var/lib/rpm", "-qa", "--qf", "%{NAME}\\n"]
        return [one.replace("_", "-") for one in host.must(argv).split() if one != "distribution"]


@pytest.fixture
def manager(pytestconfig: pytest.Config) -> Manager:
    return Manager(FLAVOURS[str(pytestconfig.getoption("--lab-flavour"))])


@pytest.fixture
def restored(lab: Lab, pytestconfig: pytest.Config) -> Iterator[None]:
    """What the lab installed is installed again behind the test."""
    yield
    packages, flavour = map(pytestconfig.getoption, ("--lab-packages", "--lab-flavour"))
    lab.install(str(packages), str(flavour))


@pytest.fixture
def loops(pair: Pair) -> Iterator[None]:
    """Each host calls the agent without a pause until the test is over, and nothing fails."""
    hosts = pair.lab.hosts
    for host in hosts:
        host.run(["rm", "-f", OVER, CODES, f"{CODES}.said"])
        host.spawn("monitors", ["sh", "-c", LOOP])
    yield
    for host in hosts:
        host.must(["touch", OVER])
        wait_until(partial(_has_ended, host), "the loop ends", 40.0)
        codes = host.read(CODES).split()
        print(f"{host.name}: {len(codes)} monitors")
        assert set(codes) <= {"0", "7"}, host.run(["cat", f"{CODES}.said"]).out
        assert len(codes) > 5


def _has_ended(host: Machine) -> bool:
    return host.pid_of("monitors") is None


@pytest.mark.usefixtures("restored", "loops")
def test_both_directions_at_work(
    pair: Pair,
    manager: Manager,
    tmp_path: Path,
    pytestconfig: pytest.Config,
) -> None:
    lab, target = pair.lab, pair.target
    kind, flavour = manager.flavour.kind, str(pytestconfig.getoption("--lab-flavour"))
    first = str(builds.packages(builds.copy(tmp_path / "1"), kind))
    second = str(builds.packages(builds.next_release(tmp_path / "2"), kind))
    for one in pair:
        one.set_operation("monitor-10s", interval=EVERY_S)
    boots = pair.requester.counter.boots()
    boot = pair.place(lab.hosts[0])
    for number, packages in enumerate((second, first, second, first)):
        # Under a migration, then under a fence.
        goal = next(host for host in lab.hosts if [host.name] != target.hosts())
        mover = threading.Thread(target=target.move, args=(goal,))
        mover.start()
        lab.install(packages, flavour)
        mover.join()
        assert target.counter.boot() == boot
        assert target.hosts() == [goal.name]
        asked = pair.ask("reset")
        lab.install(first if packages == second else second, flavour)
        assert asked.answered().is_ok
        boot = pair.returned(boot)
        lab.install(packages, flavour)
        release = "1" if packages == first else "2"
        for host in lab.hosts:
            assert host.must(["ls", VERSIONS]).split() == [f"2.0.0-{release}"]
            assert manager.verified(host) == ""
        assert pair.leftovers("Started", boots) == [], number
    assert pair.answer("reset").is_ok
    pair.returned(boot)


@pytest.mark.usefixtures("restored", "loops")
def test_what_is_removed_too_early_stays_or_says_so(pair: Pair, manager: Manager) -> None:
    lab = pair.lab
    boots = [one.counter.boot() for one in pair]
    host = lab.hosts[0]
    said = manager.remove(host, "vm-ctl", "pm-kvm-tools")
    assert said.rc == 0, said
    assert "pm-kvm-tools is removed while" in (said.err + said.out).replace("_", "-")
    assert "prmVmStonithd (/usr/sbin/vm-stonithd)" in said.err + said.out
    refused = manager.remove(host, "pm-kvm-tools-agents")
    assert refused.rc != 0
    assert "prmVMCTL_guest1 (ocf:extra:VirtualDomain)" in refused.err + refused.out
    assert "pm-kvm-tools-agents" in manager.installed(host)
    assert pair.leftovers("Started", pair.requester.counter.boots()) == []
    assert [one.counter.boot() for one in pair] == boots


@pytest.mark.usefixtures("restored")
def test_all_of_it_goes_when_the_cluster_has_let_go(lab: Lab, manager: Manager) -> None:
    lab.clean()
    host = lab.hosts[0]
    there = [one for one in manager.installed(host) if one.startswith(("pm-", "vm-ctl"))]
    last = [["pm-kvm-tools-agents"], ["pm-kvm-tools-connect"], ["pm-kvm-tools-common"]]
    others = [one for one in there if [one] not in last]
    for packages in (others, *last):
        done = manager.remove(host, *packages)
        assert done.rc == 0, done
    left = "find /usr/lib/ocf/resource.d/extra /usr/share/pm_kvm_tools /usr/sbin/vm-* /etc/vm-*"
    assert host.run(["sh", "-c", f"{left} /etc/pm_kvm_tools 2>/dev/null"]).out == ""
    for daemon in DAEMONS:
        assert host.run(["pgrep", "-f", f"/usr/sbin/{daemon}"]).out == ""
    assert stonith.bans(lab) == []
