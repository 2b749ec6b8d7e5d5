# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest is asked in several ways, more than once, and what can't hear is not waited for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agents.virtual_domain.stopping import shutdown
from tests.unit.virtual_domain.fake_libvirtmod import (
    AGENT_UNRESPONSIVE,
    CRASHED,
    PAUSED,
    SYSTEM,
    Call,
    Trouble,
)

if TYPE_CHECKING:
    from tests.unit.ocf.sample import Called
    from tests.unit.virtual_domain.world import World

ASK, DESTROY = "virDomainShutdownFlags", "virDomainDestroy"
ACPI, AGENT = 1, 2
SHUTDOWN, PM_SUSPENDED = 4, 7
IO_ERROR, BY_A_PERSON = 5, 1
NO_AGENT = Trouble(AGENT_UNRESPONSIVE, "QEMU guest agent is not connected")


def orders(world: World) -> list[object]:
    """The ways in which the guest was asked, and its end."""
    calls = world.here.called(ASK, DESTROY)
    return [call.arguments[0] if call.function == ASK else DESTROY for call in calls]


def ignored(world: World, **parameters: str) -> Called:
    """A stop that soon gives up asking, and has time for its destroy on a busy machine."""
    return world.act("stop", timeout_s=6, destroy_margin="100", **parameters)


def test_the_mode_that_is_set_is_the_one_that_is_used(world: World) -> None:
    """heartbeat's never had any effect."""
    world.guest()
    assert world.act("stop", shutdown_mode="agent").rc == 0
    assert orders(world) == [AGENT]


def test_without_an_agent_the_next_way_is_taken_at_once(world: World) -> None:
    world.guest()
    world.here.script(ASK, NO_AGENT)
    called = world.act("stop", shutdown_mode="agent,acpi")
    assert called.rc == 0
    assert orders(world) == [AGENT, ACPI]
    assert "no shutdown: QEMU guest agent is not connected" in called.err


def test_a_guest_that_does_not_hear_one_way_is_asked_by_the_next(world: World) -> None:
    world.guest().hears = (ACPI,)
    assert world.act("stop", shutdown_mode="agent,acpi", shutdown_resend="1").rc == 0
    assert orders(world) == [AGENT, ACPI]


def test_a_guest_that_boots_is_asked_again(world: World) -> None:
    domain = world.guest()
    domain.hears = ()

    def boot() -> None:
        domain.hears = (ACPI,)

    world.here.when(ASK, boot, call=2)
    assert world.act("stop", shutdown_mode="acpi", shutdown_resend="1").rc == 0
    assert orders(world) == [ACPI, ACPI]


def test_asked_once_means_once(world: World) -> None:
    world.guest().honours_shutdown = False
    assert ignored(world, shutdown_mode="acpi", shutdown_resend="0").rc == 0
    assert orders(world) == [ACPI, DESTROY]


def test_a_request_that_hangs_does_not_keep_the_next_from_being_sent(world: World) -> None:
    """libvirt waits 60 s for a guest agent that is connected and silent."""
    world.patch.setattr(shutdown, "_LIBVIRT_RETURN_S", 0.3)
    world.guest()
    world.here.when(ASK, world.here.hang, call=1)
    called = world.act("stop", shutdown_mode="agent,acpi", shutdown_resend="1")
    assert called.rc == 0
    assert orders(world) == [AGENT, ACPI]
    assert "out of time while asking g1 to shut down" in called.err


def test_a_libvirt_that_is_away_does_not_use_up_a_way(world: World) -> None:
    world.patch.setattr(shutdown, "_RETRY_S", 0.01)
    world.guest()
    world.here.script("virConnectOpen", Trouble(SYSTEM, "restarting"))
    assert world.act("stop", shutdown_mode="agent,acpi").rc == 0
    assert orders(world) == [AGENT]


def test_a_word_that_is_no_way_does_not_keep_a_guest_alive(world: World) -> None:
    world.guest()
    called = world.act("stop", shutdown_mode="gently")
    assert called.rc == 0
    assert orders(world) == [0]
    assert "'gently' is none of acpi" in called.err


@pytest.mark.parametrize(
    ("state", "timeout_s", "more"),
    [
        pytest.param(CRASHED, 600, {}, id="crashed"),
        pytest.param(SHUTDOWN, 6, {"destroy_margin": "100"}, id="shutting down"),
    ],
)
def test_a_guest_that_would_not_hear_is_not_asked(
    world: World, state: int, timeout_s: float, more: dict[str, str]
) -> None:
    """One that has crashed is not waited for either."""
    world.guest().state = state
    assert world.act("stop", more, timeout_s=timeout_s).rc == 0
    assert orders(world) == [DESTROY]


def test_a_guest_asleep_is_woken_and_asked(world: World) -> None:
    world.guest().state = PM_SUSPENDED
    assert world.act("stop").rc == 0
    assert world.here.called("virDomainPMWakeup", ASK) == [
        Call("virDomainPMWakeup", (0,)),
        Call(ASK, (0,)),
    ]


@pytest.mark.parametrize("resend", ["10", "0"])
def test_a_guest_that_wakes_is_asked_again_soon_and_in_the_same_way(
    world: World, resend: str
) -> None:
    """It hears nothing in its first moments; the next request came after 10 s."""
    world.patch.setattr(shutdown, "_WAKE_S", 0.1)
    domain = world.guest()
    domain.state = PM_SUSPENDED
    domain.hears = ()

    def wake() -> None:
        domain.hears = (AGENT,)

    world.here.when(ASK, wake, call=2)
    called = world.act("stop", timeout_s=20, shutdown_mode="agent,acpi", shutdown_resend=resend)
    assert called.rc == 0
    assert orders(world) == [AGENT, AGENT]
    assert len(world.here.called("virDomainPMWakeup")) == 1


@pytest.mark.parametrize(("reason", "resumed"), [(IO_ERROR, True), (BY_A_PERSON, False)])
def test_only_who_was_paused_by_an_io_error_is_resumed(
    world: World, reason: int, resumed: bool
) -> None:
    domain = world.guest()
    domain.state, domain.reason = PAUSED, reason
    assert world.act("stop").rc == 0
    assert bool(world.here.called("virDomainResume")) == resumed


def test_the_margin_is_kept_for_the_destroy(world: World) -> None:
    """With the margin nearly all of the time, a deaf guest is gone at once."""
    world.guest().honours_shutdown = False
    assert ignored(world).rc == 0
    assert DESTROY in orders(world)
    assert world.table.living() == []
