# SPDX-License-Identifier: GPL-2.0-or-later
"""stonith-helper as the first level of the hosts' fencing, by each of its faces, with the slides'
parameters: the node that runs the service wins, and a no leads to the next level, once.
"""

from __future__ import annotations

import time

import pytest

from tests.lab.cluster.cib import FENCE_RSC, location, primitive
from tests.lab.cluster.cluster import LOG

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.lab.cluster.cluster import Cluster
    from tests.lab.cluster.status import Failure, Status
    from tests.lab.lab import Lab

pytestmark = pytest.mark.rotating(parts=7)

SERVICE = "prmService"
# Appendix A, with this lab's names; pcmk_*_retries is what doc/fencing.md adds.
HELPER = r"""
primitive helper-{host} stonith:{agent} \
  params {slides} \
    hostlist="{host}" \
    dead_check_target="192.168.1.1 192.168.2.1" \
    standby_check_command="/usr/sbin/crm_resource -r prmService -W | grep -q `hostname`" \
    pcmk_reboot_retries="1" pcmk_off_retries="1" {more} \
  op start interval="0s" timeout="60s" \
  op monitor interval="10s" timeout="60s" \
  op stop interval="0s" timeout="60s"
location helper-{host}-elsewhere helper-{host} -inf: {host}
"""
# Of the slides, and no parameters of any agent today: each face with those that it is given.
FACES = {
    "external/stonith-helper": 'priority="1" stonith-timeout="40"',
    "fence_vm_helper": "",
}
# Far longer than everything else takes between the order and the switch, on a busy machine.
WAIT_S = 15.0


def configure(cluster: Cluster, agent: str, active: str, more: str = "") -> None:
    """The service on that host, and stonith-helper before the power switch."""
    cluster.add(primitive(SERVICE), location("here", SERVICE, active, "100"))
    names = [host.name for host in cluster.hosts]
    parts = {"agent": agent, "slides": FACES[agent], "more": more}
    helpers = "".join(HELPER.format(host=name, **parts) for name in names)
    levels = " ".join(f"{name}: helper-{name} {FENCE_RSC}" for name in names)
    text = f"{helpers}fencing_topology {levels}\n"
    cluster.configure_crm(text, by_force=bool(FACES[agent]))
    cluster.wait_running(SERVICE, active)
    for name in names:
        cluster.wait_running(f"helper-{name}")
    cluster.wait_idle()
    assert cluster.status().failures == []


@pytest.mark.parametrize("agent", FACES)
def test_the_standby_waits_once_and_the_next_level_fences(
    lab: Lab, cluster: Cluster, agent: str
) -> None:
    configure(cluster, agent, "host2", f'standby_wait_time="{WAIT_S:.0f}"')
    lab.fencing.repair()
    began = time.time()
    lab.host("host1").must(["stonith_admin", "--reboot", "host2"], timeout_s=120)
    (event,) = lab.fencing.events()
    assert event[1:] == ("reboot", "host2", "OK")
    took_s = event.time - began
    print(f"the switch was asked after {took_s:.1f} s")
    # A second wait would have been as long again.
    assert WAIT_S <= took_s < 2 * WAIT_S


@pytest.mark.parametrize("agent", FACES)
def test_of_two_hosts_cut_off_the_active_one_survives(
    lab: Lab, cluster: Cluster, is_full: bool, agent: str
) -> None:
    for turn in range(6 if is_full else 1):
        active, standby = ("host2", "host1") if turn % 2 == 0 else ("host1", "host2")
        lab.clean()
        configure(cluster, agent, active)
        lab.host("host2").cut()
        cluster.wait(lambda now: not all(node.is_well for node in now.nodes.values()), "split", 30)
        began = time.monotonic()
        while all(host.is_alive() for host in lab.hosts) and time.monotonic() - began < 60:
            time.sleep(0.1)
        took_s = time.monotonic() - began
        print(f"{standby} is fenced {took_s:.1f} s after the split was seen")
        assert [host.name for host in lab.hosts if host.is_alive()] == [active]
        # The active one waits for nothing: 25 s are the standby's.
        assert took_s < 25
        cluster.wait_running(SERVICE, active)


def test_a_command_that_can_not_be_run_fails_the_monitor_and_says_why(cluster: Cluster) -> None:
    """Before a fence needs it. The device that fences is none of its business."""
    text = HELPER.format(host="host2", agent="fence_vm_helper", slides="", more="")
    cluster.configure_crm(text.replace("/usr/sbin/crm_resource", "/nowhere/check"))
    cluster.wait(lambda now: bool(_of_helper(now)), "the helper has failed", 120)
    log = "".join(host.read(LOG) for host in cluster.hosts)
    assert "/nowhere/check is not there, or is not executable" in log


def _of_helper(now: Status) -> list[Failure]:
    return [one for one in now.failures if one.operation.startswith("helper-host2_")]
