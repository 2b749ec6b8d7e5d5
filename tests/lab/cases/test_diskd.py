# SPDX-License-Identifier: GPL-2.0-or-later
"""diskd as the slides of 2011 print it: a service leaves a host whose disk hangs, and neither the
stop of diskd nor its next start waits for that disk.

The disk of host1 is a device that stalls in the kernel; that of host2 is well throughout.
"""

from __future__ import annotations

import contextlib

import pytest

from pmkvm.pacemaker import attributes
from tests.lab.cluster.cib import location, primitive
from tests.tools.stalling_disk import stalling_disk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.lab.cluster.cluster import Cluster
    from tests.lab.lab import Lab
    from tests.tools.stalling_disk import StallingDisk

pytestmark = pytest.mark.rotating(parts=3)

# A name that leads elsewhere on each host: they share their devices with this machine.
DISK = "/var/lib/lab-disk"
NAME, SERVICE = "diskcheck_status", "prmService"
INTERVAL_S, TIMEOUT_S = 10, 5
# For what Pacemaker does next, on a busy machine.
PATIENT_S = 90.0
# As printed, but for the path and the options: the slides' timeout is a minute.
SLIDE = rf"""
primitive diskCheck1 ocf:pacemaker:diskd \
    params \
        name="{NAME}" \
        device="{DISK}" \
        interval="{INTERVAL_S}" \
        options="-t {TIMEOUT_S}" \
    op start interval="0s" timeout="60s" on-fail="restart" \
    op monitor interval="10s" timeout="60s" on-fail="restart" \
    op stop interval="0s" timeout="60s" on-fail="ignore"
clone clnDiskd1 diskCheck1
"""
RULE = f"location locDisk {SERVICE} rule -inf: not_defined {NAME} or {NAME} eq ERROR\n"


@pytest.fixture
def disk(lab: Lab, tmp_path: Path) -> Iterator[StallingDisk]:
    host1, others = lab.hosts[0], lab.hosts[1:]
    with stalling_disk(tmp_path) as made, contextlib.ExitStack() as stack:
        for host in lab.hosts:
            host.must(["rm", "-f", DISK])
            stack.callback(host.run, ["rm", "-f", DISK])
        # diskd lets go of the device before it is detached.
        stack.callback(lab.clean)
        host1.must(["ln", "-s", made.path, DISK])
        for host in others:
            host.must(["truncate", "--size", "1M", DISK])
        yield made


def values(cluster: Cluster) -> dict[str, str]:
    argv = ["attrd_updater", "--query", "--all", "--name", NAME]
    return attributes.parse(cluster.speaker().run(argv).out, NAME)


def wait_for(cluster: Cluster, host: str, value: str) -> float:
    what = f"{NAME} of {host} is {value or 'not set'}"
    return cluster.wait(lambda _now: values(cluster).get(host, "") == value, what, PATIENT_S)


def test_a_service_leaves_a_host_whose_disk_hangs(
    lab: Lab, cluster: Cluster, disk: StallingDisk
) -> None:
    names = [host.name for host in lab.hosts]
    cluster.configure_crm(SLIDE)
    cluster.add(primitive(SERVICE), location("here", SERVICE, "host1", "100"))
    cluster.configure_crm(RULE)
    cluster.wait(lambda now: sorted(now.hosts_of("diskCheck1")) == names, "diskd runs", PATIENT_S)
    for name in names:
        wait_for(cluster, name, "normal")
    cluster.wait_running(SERVICE, "host1")
    host1 = lab.hosts[0]

    with disk.stalled():
        took_s = wait_for(cluster, "host1", "ERROR")
        print(f"ERROR after {took_s:.1f} s; {INTERVAL_S + TIMEOUT_S} s are promised")
        cluster.wait_running(SERVICE, "host2", PATIENT_S)
        said = host1.must(["diskd", "--status", "-a", NAME])
        assert "it hangs" in said
        # A stop and a start beside the process that the kernel holds.
        host1.must(["crm_standby", "--node", "host1", "--update", "on"])
        cluster.wait(
            lambda now: "host1" not in now.hosts_of("diskCheck1"), "it is stopped", PATIENT_S
        )
        wait_for(cluster, "host1", "")
        host1.must(["crm_standby", "--node", "host1", "--delete"])
        cluster.wait(
            lambda now: sorted(now.hosts_of("diskCheck1")) == names, "it runs again", PATIENT_S
        )
        wait_for(cluster, "host1", "ERROR")
        cluster.wait_idle()
        assert cluster.status().hosts_of(SERVICE) == ["host2"]

    wait_for(cluster, "host1", "normal")
    cluster.wait_idle()
    assert cluster.status().failures == []
    assert lab.fencing.events() == []


def test_an_attribute_manager_that_was_restarted_gets_the_value_again(
    lab: Lab, cluster: Cluster, disk: StallingDisk
) -> None:
    del disk
    cluster.configure_crm(SLIDE)
    for host in lab.hosts:
        wait_for(cluster, host.name, "normal")
        host.must(["attrd_updater", "--name", NAME, "--delete"])
    for host in lab.hosts:
        wait_for(cluster, host.name, "normal")
    assert cluster.status().failures == []
