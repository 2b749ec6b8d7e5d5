# SPDX-License-Identifier: GPL-2.0-or-later
"""A live move whose ends can't reach each other, with the slides' configuration (on-fail=fence):
vm-ctl refuses it, nothing is written, the guest runs on where it is, nobody is fenced."""

from __future__ import annotations

import time

import pytest

from tests.lab.cluster.registration import Registered, register
from tests.lab.hosts import hypervisor, ssh
from vmctl.live_move import ANSWER_S

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.lab.guests.guests import Guest
    from tests.lab.hosts.machine import Machine
    from tests.lab.lab import Lab

pytestmark = pytest.mark.rotating(parts=8)

MOVE = ["vm-ctl", "resource", "move", "guest1", "-n", "host2"]
# Beside what vm-ctl waits for the two ends, on two busy cores.
OWN_S = 20.0


@pytest.fixture
def vm(lab: Lab, new_guest: Callable[..., Guest], host1: Machine) -> Iterator[Registered]:
    """guest1, live, on host1; ssh and libvirt are mended afterwards."""
    found = register(lab, new_guest("guest1"), host1, "-m", "on")
    yield found
    for host in lab.hosts:
        ssh.repair(host, lab.hosts)
        hypervisor.ensure(host)


def configuration(host: Machine) -> str:
    return host.must(["cibadmin", "--query", "--scope", "configuration"])


@pytest.mark.parametrize(
    ("break_it", "where", "number", "reason"),
    [
        (ssh.remove_key, "host2", "MSG70", "Permission denied"),
        (ssh.change_host_key, "host2", "MSG70", "Host key verification failed"),
        (hypervisor.kill, "host2", "MSG70", ""),
        (hypervisor.kill, "host1", "MSG71", ""),
        (hypervisor.freeze, "host1", "MSG71", "out of time"),
    ],
)
def test_a_live_move_that_can_not_work_is_refused_and_nobody_is_fenced(
    vm: Registered,
    host1: Machine,
    break_it: Callable[[Machine], None],
    where: str,
    number: str,
    reason: str,
) -> None:
    lab = vm.lab
    boot = vm.start()
    lab.cluster.wait_idle()
    before = configuration(host1)
    break_it(lab.host(where))
    for arguments in ([*MOVE, "--dry-run"], MOVE):
        began = time.monotonic()
        done = host1.run(arguments, timeout_s=200)
        took_s = time.monotonic() - began
        assert done.rc == 1
        assert f"{number} guest1: " in done.err, done.err
        assert reason in done.err
        assert "MSG26 guest1" in done.err
        assert took_s < ANSWER_S + OWN_S
        assert configuration(host1) == before
    assert vm.hosts() == ["host1"]
    assert vm.counter.is_ticking()
    assert vm.counter.boots() == [boot]
    assert [one for one in vm.history(host1) if one.name == "migrate_to"] == []
    assert lab.fencing.events() == []


def test_of_the_target_it_is_not_known_elsewhere_and_the_move_is_made(
    vm: Registered, host2: Machine
) -> None:
    boot = vm.start()
    done = host2.run(MOVE, timeout_s=200)
    assert done.rc == 0, done
    assert "MSG72 guest1: whether host1 reaches libvirt on host2 is not known" in done.err
    assert vm.hosts() == ["host2"]
    assert vm.counter.boots() == [boot]


def test_a_cold_move_asks_nobody(vm: Registered, host1: Machine, host2: Machine) -> None:
    boot = vm.start()
    host1.must(["crm_resource", "-r", vm.resource, "--meta", "-p", "allow-migrate", "-v", "false"])
    ssh.remove_key(host2)
    done = host1.run(MOVE, timeout_s=300)
    assert done.rc == 0, done
    assert "MSG7" not in done.err
    vm.counter.wait_for_boot(other_than=boot)
    assert vm.hosts() == ["host2"]
    assert vm.lab.fencing.events() == []
