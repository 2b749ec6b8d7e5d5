# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest fences a guest: real guests, real hosts, the answer and what is left behind."""

from __future__ import annotations

import pytest

from tests.lab import stonith
from tests.lab.registration import Registered, register

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lab.guests import Guest
    from tests.lab.lab import Lab

BOOT_S = 90.0


@pytest.fixture
def requester(clean_lab: Lab, new_guest: Callable[..., Guest]) -> Registered:
    """guest1 on host1, which can ask; the daemons run."""
    stonith.load_daemons(clean_lab)
    host1 = clean_lab.host("host1")
    # Without it the preferred host pulls a moved guest back at once.
    stickiness = ["crm_attribute", "-t", "rsc_defaults", "-n", "resource-stickiness", "-v"]
    host1.must([*stickiness, "INFINITY"])
    found = register(clean_lab, new_guest("guest1", kind="full"), host1, "-m", "on")
    found.vm_ctl("resource", "start", "guest1")
    return found


@pytest.fixture
def target(requester: Registered, new_guest: Callable[..., Guest]) -> Registered:
    """guest2 at home on host2, not started."""
    host2 = requester.lab.host("host2")
    return register(requester.lab, new_guest("guest2"), host2, "-m", "on")


def ready(requester: Registered, target: Registered) -> str:
    """Both run, and guest1's way to its host stands; guest2's boot."""
    boot = target.start()
    done = requester.lab.guests.run(requester.guest, ["true"], timeout_s=BOOT_S)
    assert done.rc == 0
    answered = stonith.ask(requester.lab, requester.guest, "status", target)
    assert answered.text == "OK on", stonith.logs(requester.lab)
    return boot


def assert_nothing_left(requester: Registered, target: Registered, role: str | None) -> None:
    lab = requester.lab
    stonith.wait_clean(lab)
    assert stonith.fail_counts(lab) == []
    assert lab.status().failures == []
    assert lab.fencing.events() == []
    assert stonith.role(lab, target.resource) == role
    assert lab.guests.counter(requester.guest).is_ticking()


def test_the_slides_load_as_printed(clean_lab: Lab) -> None:
    stonith.load_daemons(clean_lab, stonith.SLIDES)
    clean_lab.cluster.wait_idle()
    assert clean_lab.status().failures == []


def test_reset(requester: Registered, target: Registered) -> None:
    """On the other host, then on the same one."""
    lab = requester.lab
    boot = ready(requester, target)
    role = stonith.role(lab, target.resource)
    for host in (lab.host("host2"), lab.host("host1")):
        if target.hosts() != [host.name]:
            target.move(host)
        requester_boots = requester.counter.boots()
        answered = stonith.ask(lab, requester.guest, "reset", target)
        print(f"reset on {host.name}: {answered.text} after {answered.took_s:.2f} s")
        assert answered.text == "OK", stonith.logs(lab)
        again = target.counter.wait_for_boot(BOOT_S, other_than=boot).boot
        assert not target.counter.is_going_back()
        assert len(target.hosts()) == 1
        assert_nothing_left(requester, target, role)
        assert requester.counter.boots() == requester_boots
        boot = again


def test_off_and_on(requester: Registered, target: Registered) -> None:
    lab = requester.lab
    boot = ready(requester, target)
    answered = stonith.ask(lab, requester.guest, "off", target)
    print(f"off: {answered.text} after {answered.took_s:.2f} s")
    assert answered.text == "OK", stonith.logs(lab)
    assert target.hosts() == []
    assert stonith.role(lab, target.resource) == "Stopped"
    lab.cluster.wait_stopped(target.resource)
    assert stonith.ask(lab, requester.guest, "status", target).text == "OK off"
    answered = stonith.ask(lab, requester.guest, "on", target)
    print(f"on: {answered.text} after {answered.took_s:.2f} s")
    assert answered.text == "OK", stonith.logs(lab)
    target.counter.wait_for_boot(BOOT_S, other_than=boot)
    assert_nothing_left(requester, target, "Started")


def test_refused_at_once(requester: Registered, target: Registered) -> None:
    lab = requester.lab
    boot = ready(requester, target)
    known, unknown = stonith.token(target.resource), stonith.token("prmVMCTL_guest9")
    for words, reason in (
        (f"reset {unknown}", "NG the token is refused"),
        ("reset nonsense", "NG "),
        (f"explode {known}", "NG not one of"),
    ):
        argv = ["vm-connect", "-t", "stonith", "-r", words, "--timeout", "20"]
        done = lab.guests.run(requester.guest, argv, timeout_s=30)
        assert done.out.startswith(reason), (done, stonith.logs(lab))
    assert target.counter.boots() == [boot]
