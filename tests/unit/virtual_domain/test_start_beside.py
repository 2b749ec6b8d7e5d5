# SPDX-License-Identifier: GPL-2.0-or-later
"""A start that finds something there already, and what a start waits for at its end."""

from __future__ import annotations

import pytest

from agents.virtual_domain.actions import start
from pmkvm.virt.record import Stage
from tests.unit.virtual_domain.fake_libvirtmod import (
    OPERATION_FAILED,
    OPERATION_INVALID,
    PAUSED,
    RPC,
    RUNNING,
    SHUTOFF,
    Call,
    Trouble,
)
from tests.unit.virtual_domain.world import G1, ORDERS, World


@pytest.mark.parametrize("state", [RUNNING, PAUSED])
@pytest.mark.parametrize("stage", [None, Stage.RUNNING])
def test_a_running_guest_is_adopted_as_it_is(world: World, state: int, stage: Stage | None) -> None:
    domain = world.guest(state)
    if stage:
        world.remember(stage)
    assert world.act("start").rc == 0
    assert world.here.called(*ORDERS) == []
    assert domain.state == state
    assert world.remembered == (G1, Stage.RUNNING, world.qemu_of(domain).life)


def test_start_is_idempotent(world: World) -> None:
    assert [world.act("start").rc for _ in range(3)] == [0, 0, 0]
    assert len(world.here.called("virDomainCreateXML")) == 1
    world.assert_started()


def test_a_guest_whose_start_was_killed_before_the_resume_is_resumed(world: World) -> None:
    world.guest(PAUSED)
    world.remember(Stage.RESUMING)
    assert world.act("start").rc == 0
    assert world.here.called(*ORDERS) == [Call("virDomainResume")]
    world.assert_started()


@pytest.mark.parametrize(
    "trouble",
    [Trouble(RPC, "client socket is closed", breaks=True), Trouble(OPERATION_INVALID, "busy")],
    ids=["broken", "busy"],
)
def test_that_resume_is_tried_again_as_well(world: World, trouble: Trouble) -> None:
    world.guest(PAUSED)
    world.remember(Stage.RESUMING)
    world.here.script("virDomainResume", trouble)
    assert world.act("start").rc == 0
    world.assert_started()


def test_a_guest_whose_start_was_killed_after_the_resume_is_adopted(world: World) -> None:
    world.guest(RUNNING)
    world.remember(Stage.RESUMING)
    assert world.act("start").rc == 0
    assert world.here.called(*ORDERS) == []
    world.assert_started()


def test_an_abandoned_create_is_removed_before_a_new_one(world: World) -> None:
    domain = world.guest(PAUSED)
    abandoned = world.qemu_of(domain)
    world.remember(Stage.CREATING)

    # libvirt notices that the process is gone.
    world.here.when("virDomainLookupByName", lambda: world.here.domains.pop("g1", None))
    assert world.act("start").rc == 0
    assert not abandoned.lives
    assert len(world.here.called("virDomainCreateXML")) == 1
    world.assert_started()


@pytest.mark.parametrize(
    ("order", "says_so"),
    [("virDomainCreateXML", True), ("virDomainResume", True), ("virDomainResume", False)],
)
def test_a_new_qemu_that_libvirt_destroys_for_the_end_of_an_abandoned_one_is_created_once_more(
    world: World, order: str, says_so: bool
) -> None:
    """As libvirt 11.3 was seen to do, at one of these moments or another."""
    abandoned = world.guest(PAUSED)
    world.remember(Stage.CREATING)

    def confuse(function: str) -> None:
        domain = world.here.domains.get("g1")
        if function == "virDomainLookupByName" and domain is abandoned:
            world.here.domains.pop("g1")
        if function == order and domain and len(world.here.called(order)) == 1:
            world.here.end(domain)

    world.here.watch = confuse
    if says_so:
        world.here.script(order, Trouble(OPERATION_FAILED, "domain is no longer running"))
    assert world.act("start").rc == 0
    assert len(world.here.called("virDomainCreateXML")) == 2
    world.assert_started()


@pytest.mark.parametrize(("troubles", "rc", "creates"), [(1, 0, 2), (2, 1, 2)])
def test_the_abandoned_create_of_a_killed_start_may_have_been_killed_by_a_probe(
    world: World, troubles: int, rc: int, creates: int
) -> None:
    """libvirt 11.3: a start that was killed after 0.5 s, a probe, and a start at once."""
    world.define()
    world.remember(Stage.CREATING)
    trouble = Trouble(OPERATION_FAILED, "domain is no longer running")
    world.here.script("virDomainCreateXML", *[trouble] * troubles)
    called = world.act("start")
    assert called.rc == rc, called.err
    assert len(world.here.called("virDomainCreateXML")) == creates


def test_a_guest_that_is_still_dying_is_waited_for(world: World) -> None:
    """libvirt says off, its process lives: nothing is created beside it."""
    domain = world.guest()
    domain.state = SHUTOFF
    world.here.when("virDomainGetState", lambda: world.here.end(domain), call=3)
    assert world.act("start").rc == 0
    world.assert_started()


@pytest.mark.usefixtures("impatient")
def test_a_running_guest_is_not_adopted_before_libvirt_answers(world: World) -> None:
    world.guest()
    world.here.down = "Connection refused"
    assert world.act("start", timeout_s=4).outcome == (1, "not started: Connection refused")


# Monitor scripts.


def counting_script(world: World, needed: int) -> str:
    """Content from the so-manyth run on."""
    runs = world.directory / "runs"
    enough = f"[ $(wc -l <{runs}) -ge {needed} ] || {{ echo not yet; exit 1; }}"
    return world.script("script", f"echo run >>{runs}\n{enough}")


def test_a_start_is_over_when_its_scripts_are_content(world: World) -> None:
    world.patch.setattr(start, "_SCRIPT_PAUSE_S", 0.01)
    assert world.act("start", monitor_scripts=counting_script(world, 3)).rc == 0
    assert (world.directory / "runs").read_text() == "run\n" * 3


@pytest.mark.usefixtures("impatient")
def test_scripts_that_are_never_content_fail_the_start_of_a_guest_that_runs(world: World) -> None:
    called = world.act("start", timeout_s=6, monitor_scripts=counting_script(world, 1000))
    assert called.fails(1, "runs, but monitor script ")
    assert called.reason.endswith(" ended with 1: not yet")
    # Pacemaker's stop comes next, and must find it.
    world.assert_started()


# Where libvirt is the only witness.


@pytest.mark.parametrize(
    ("state", "orders"),
    [
        (None, ["virDomainCreateXML", "virDomainResume"]),
        (SHUTOFF, ["virDomainCreateWithFlags", "virDomainResume"]),
        (RUNNING, []),
    ],
)
def test_guests_of_other_hypervisors_are_started_by_libvirts_word(
    world: World, state: int | None, orders: list[str]
) -> None:
    hypervisor = world.no_qemu("xen", state)
    assert world.act("start").rc == 0
    assert [call.function for call in hypervisor.called(*ORDERS)] == orders
    assert hypervisor.domains["g1"].state == RUNNING
    assert world.remembered == (G1._replace(is_qemu=False), Stage.RUNNING, None)
