# SPDX-License-Identifier: GPL-2.0-or-later
"""Split brain of a cluster of guests, again and again, while the hosts are well: one survives, and
the service runs once. Each cycle is a line of build/split-brain.jsonl."""

from __future__ import annotations

import os
from typing import NamedTuple

import pytest

from tests.lab.cluster import stonith
from tests.lab.guests import nested, witness
from tests.lab.guests.nested import GuestCluster
from tests.lab.guests.split_brain import Cycle, SplitBrain, Tried
from tests.lab.hosts import network
from tests.lab.hosts.install import FLAVOURS
from tests.lab.hosts.process import CHECKOUT
from tests.lab.slides import appendix_b
from tests.measurements import origin, record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lab.lab import Lab

RECORD = os.path.join(CHECKOUT, "build", "split-brain.jsonl")
# The second service, with the start of Python in an emulated guest.
WRITES_S = "15"


class Devices(NamedTuple):
    """How the guests fence: text for the shell, and the devices of a target, in their order, with
    what each must have answered when it was asked; those that follow are not asked. prefers_active:
    the guest with the service must be the one that survives. guests: how many the text is about, if
    not any number."""

    text: Callable[[GuestCluster], list[str]]
    tried: Callable[[str], list[Tried]]
    prefers_active: bool = False
    guests: int | None = None
    shell: str = "crm"


def _topology(cluster: GuestCluster) -> list[str]:
    """What vm-stonith-key prints, as printed, and the documentation's second level."""
    blocks = cluster.sealed().split("\n\n")
    (device,) = (one for one in blocks if one.startswith("# crm configure, fence_vm_stonith"))
    return [device, stonith.documented("primitive prmMeatware")]


def _by_pcs(cluster: GuestCluster) -> list[str]:
    """What vm-stonith-key prints for pcs: where there is no cluster-glue there is no meatware."""
    blocks = cluster.sealed().split("\n\n")
    return [one for one in blocks if one.startswith("# pcs, fence_vm_stonith")]


def _groups(cluster: GuestCluster) -> list[str]:
    hostlist = cluster.sealed().splitlines()[1]
    tokens = dict(entry.split(":", 1) for entry in hostlist.split())
    addresses = {
        f"guest{host.number}": network.guest_address(host.number) for host in cluster.lab.hosts
    }
    changes = appendix_b.deviations(addresses, nested.SERVICE, tokens)
    return [appendix_b.today(changes), "property stonith-timeout=40s"]


pytestmark = pytest.mark.rotating(parts=8)

CONFIGURATIONS = {
    "fence_vm_stonith": Devices(_topology, lambda _: [Tried("prmStonith-vm", 0)]),
    "appendix B": Devices(
        _groups,
        lambda target: [Tried(f"helper-{target}", 1), Tried(f"vm-stonith-{target}", 0)],
        prefers_active=True,
        guests=2,
    ),
    "fence_vm_stonith by pcs": Devices(_by_pcs, lambda _: [Tried("prmStonith-vm", 0)], shell="pcs"),
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "name" in metafunc.fixturenames:
        hosts = metafunc.config.getoption("--lab-hosts")
        names = [
            name
            for name, one in CONFIGURATIONS.items()
            if one.guests in (None, hosts) and one.shell == _shell(metafunc.config)
        ]
        metafunc.parametrize("name", names)


def _shell(config: pytest.Config) -> str:
    return FLAVOURS[str(config.getoption("--lab-flavour"))].shell


@pytest.fixture(scope="module")
def clusters() -> list[GuestCluster]:
    """The guests' cluster that this module's tests share, once it is made."""
    return []


@pytest.fixture
def cycles(pytestconfig: pytest.Config) -> int:
    return int(pytestconfig.getoption("--lab-cycles"))


def test_one_guest_survives_and_the_service_runs_once(
    lab: Lab, clusters: list[GuestCluster], cycles: int, name: str
) -> None:
    devices = CONFIGURATIONS[name]
    # After a failure the next test makes its own.
    runs = bool(clusters)
    cluster = clusters.pop() if runs else _make(lab, devices.shell)
    try:
        text = devices.text(cluster)
        if runs:
            cluster.reconfigure(*text)
        elif devices.shell == "crm":
            cluster.start(*text)
        else:
            cluster.start(pcs="\n".join(text))
        for _ in range(cycles):
            _split(cluster, name, devices)
    except BaseException:
        print(cluster.picture())
        raise
    clusters.append(cluster)


def test_the_witness_sees_two_that_are_active(
    lab: Lab, clusters: list[GuestCluster], pytestconfig: pytest.Config
) -> None:
    """The last one of these tests: what it writes stays on the disk."""
    runs = bool(clusters)
    cluster = clusters.pop() if runs else _make(lab, _shell(pytestconfig))
    if not runs:
        cluster.start(*_topology(cluster))
    (active,) = cluster.status().hosts_of(nested.SERVICE)
    assert witness.overlaps(cluster.records()) == []
    idle = next(one for one in cluster.members if one.guest.name != active)
    cluster.ask(idle, ["timeout", WRITES_S, f"/usr/sbin/{nested.PROGRAM}", nested.PROGRAM])
    found = " ".join(witness.overlaps(cluster.records()))
    assert f"while {active}-" in found
    assert f"while {idle.guest.name}-" in found


def _make(lab: Lab, shell: str) -> GuestCluster:
    lab.clean()
    return GuestCluster.make(lab, shell)


def _split(cluster: GuestCluster, name: str, devices: Devices) -> None:
    split = SplitBrain(cluster)
    cycle = split.run(name)
    _record(cycle, cluster.lab)
    assert split.wrong(cycle) == []
    assert split.tried == devices.tried(cycle.fenced), cycle
    assert cycle.service == cycle.active or not devices.prefers_active, cycle


def _record(cycle: Cycle, lab: Lab) -> None:
    """One more line; the file goes on from one run to the next."""
    print(cycle)
    row = {**cycle._asdict(), "guests": len(lab.hosts), "origin": origin.here(lab.hosts[0])}
    record.append(RECORD, row)
