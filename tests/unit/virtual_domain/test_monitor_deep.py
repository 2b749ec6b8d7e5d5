# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest that lives and is not well, and how deep a monitor looks: to libvirt, to the guest agent,
by the programs of monitor_scripts."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from agents.virtual_domain.actions import monitor
from tests.unit.virtual_domain.fake_libvirtmod import (
    AGENT_UNRESPONSIVE,
    INTERNAL,
    PAUSED,
    RUNNING,
    FakeHypervisor,
    Trouble,
)
from tests.unit.virtual_domain.world import UUID, World

if TYPE_CHECKING:
    from tests.unit.ocf.sample import Called

IO_ERROR = 5
PING = "virDomainQemuAgentCommand"


def recurring(world: World, *, level: int = 0, minor: str = "1", **parameters: str) -> Called:
    env = {"OCF_CHECK_LEVEL": str(level), "OCF_RA_VERSION_MINOR": minor}
    return world.act("monitor", {**env, **parameters}, CRM_meta_interval="10000")


def paused_by_io_error(world: World) -> None:
    domain = world.guest()
    domain.state, domain.reason = PAUSED, IO_ERROR


# An I/O error.


@pytest.mark.parametrize(
    ("policy", "minor", "rc"),
    [
        ("ok", "1", 0),
        ("", "1", 190),
        ("degraded", "1", 190),
        # Who does not speak OCF 1.1 would take it for a failure.
        ("degraded", "0", 0),
        ("failed", "1", 1),
        ("failed", "0", 1),
        ("resume", "1", 190),
    ],
)
def test_what_an_io_error_is_worth(world: World, policy: str, minor: str, rc: int) -> None:
    paused_by_io_error(world)
    called = recurring(world, minor=minor, on_io_error=policy)
    assert called.rc == rc
    assert ("paused by an I/O error" in called.err) == (policy != "ok")
    assert bool(world.here.called("virDomainResume")) == (policy == "resume")
    assert world.stage == ("nothing" if policy == "failed" else "RUNNING")


def test_a_guest_that_was_resumed_is_well_at_the_next_look(world: World) -> None:
    paused_by_io_error(world)
    assert recurring(world, on_io_error="resume").rc == 190
    assert recurring(world, on_io_error="resume").rc == 0


def test_a_guest_that_cannot_be_resumed_is_a_failure(world: World) -> None:
    paused_by_io_error(world)
    world.here.script("virDomainResume", Trouble(INTERNAL, "block device error"))
    called = recurring(world, on_io_error="resume")
    assert called.rc == 1
    assert called.reason == "g1: paused by an I/O error and can't be resumed: block device error"


def test_a_probe_resumes_nobody(world: World) -> None:
    paused_by_io_error(world)
    world.probe(on_io_error="resume")
    assert world.here.called("virDomainResume") == []


def test_a_guest_asleep_is_degraded_and_not_recovered(world: World) -> None:
    world.guest().state = 7
    assert recurring(world).names(190, "dompmwakeup")


def test_a_start_of_a_guest_that_is_degraded_is_a_success(world: World) -> None:
    paused_by_io_error(world)
    assert world.act("start", {"OCF_RA_VERSION_MINOR": "1"}).rc == 0


# A guest that vanishes for a moment.


@pytest.fixture
def xen(world: World, monkeypatch: pytest.MonkeyPatch) -> FakeHypervisor:
    monkeypatch.setattr(monitor, "_REBOOT_S", 0.5)
    return world.no_qemu("xen")


def test_a_guest_that_reboots_is_not_missed(world: World, xen: FakeHypervisor) -> None:
    world.patch.setattr(monitor, "_REBOOT_S", 20.0)
    xen.when("virDomainLookupByUUIDString", lambda: xen.add("g1", UUID, RUNNING), call=3)
    assert recurring(world).rc == 0


@pytest.mark.usefixtures("xen")
def test_a_guest_that_does_not_come_back_is_missed(world: World) -> None:
    assert recurring(world).rc == 7


def test_a_probe_does_not_wait_for_one(world: World, xen: FakeHypervisor) -> None:
    assert world.probe().rc == 7
    assert len(xen.called("virConnectOpen")) == 1


# Depth.


def with_agent(world: World, state: str) -> None:
    target = f"<target name='org.qemu.guest_agent.0' state='{state}'/>" if state else ""
    channels = f"<channel><target name='other'/></channel><channel>{target}</channel>"
    world.guest().xml = f"<domain><name>g1</name><devices>{channels}</devices></domain>"


def test_at_depth_0_nobody_asks_the_guest(world: World) -> None:
    with_agent(world, "connected")
    assert recurring(world).rc == 0
    assert world.here.called(PING) == []


def test_at_depth_10_libvirt_must_answer(world: World) -> None:
    world.guest()
    assert recurring(world, level=10).rc == 0
    world.here.down = "Connection refused"
    assert recurring(world).rc == 0
    called = recurring(world, level=10)
    assert called.outcome == (190, "g1: runs, but libvirt does not answer: Connection refused")


@pytest.mark.parametrize("level", [20, 25])
def test_at_depth_20_the_guest_agent_must_answer(world: World, level: int) -> None:
    with_agent(world, "connected")
    assert recurring(world, level=level).rc == 0
    assert world.here.called(PING)[0].arguments == (5,)


def test_a_guest_agent_that_is_there_and_silent_is_a_failure(world: World) -> None:
    with_agent(world, "connected")
    world.here.script(PING, Trouble(AGENT_UNRESPONSIVE, "agent not available for now"))
    called = recurring(world, level=20)
    assert called.outcome == (1, "g1: the guest agent is silent: agent not available for now")


@pytest.mark.parametrize(
    ("state", "rc", "reason"),
    [
        # It has not come yet, or there is none.
        ("disconnected", 190, "does qemu-guest-agent run?"),
        ("", 6, "no channel org.qemu.guest_agent.0"),
    ],
)
def test_a_guest_agent_that_can_not_be_asked_is_named(
    world: World, state: str, rc: int, reason: str
) -> None:
    with_agent(world, state)
    assert recurring(world, level=20).names(rc, reason)


def test_a_probe_is_not_deep(world: World) -> None:
    with_agent(world, "")
    assert world.act("monitor", {"OCF_CHECK_LEVEL": "20"}, CRM_meta_interval="0").rc == 0


# Monitor scripts.


def test_monitor_scripts_decide_whether_a_running_guest_is_healthy(world: World) -> None:
    world.guest()
    log = world.directory / "ran"
    good = world.script("good", f'echo "$DOMAIN_NAME $OCF_RESOURCE_INSTANCE" >>{log}')
    bad = world.script("bad", "echo first; echo no web server >&2; exit 3")
    assert world.act("monitor", monitor_scripts=f"{good}  {good}") == (0, "", "")
    assert log.read_text() == "g1 vm1\n" * 2
    called = world.act("monitor", monitor_scripts=f"{bad} {good}")
    assert called.outcome == (1, f"monitor script {bad} ended with 3: no web server")
    assert log.read_text() == "g1 vm1\n" * 2


def test_monitor_scripts_are_not_run_by_a_probe_nor_without_a_guest(world: World) -> None:
    bad = world.script("bad", "exit 1")
    assert world.act("monitor", monitor_scripts=bad).rc == 7
    world.guest()
    assert world.probe(monitor_scripts=bad).rc == 0


@pytest.mark.parametrize("trouble", ["missing", "not executable", "no program"])
def test_a_monitor_script_that_cannot_run_is_named(world: World, trouble: str) -> None:
    world.guest()
    path = world.directory / "script"
    if trouble != "missing":
        path.write_text("exit 0\n")
        path.chmod(0o600 if trouble == "not executable" else 0o700)
    assert world.act("monitor", monitor_scripts=str(path)).fails(1, str(path))


def test_a_monitor_script_that_hangs_is_killed_before_pacemaker_kills_us(world: World) -> None:
    """It has a session of its own: nobody else would."""
    world.guest()
    hanging = world.script("hang", f"echo $$ >{world.directory}/pid; exec sleep 600")
    called = world.act("monitor", timeout_s=1.6, monitor_scripts=hanging)
    assert called.names(1, f"{hanging} did not end within")
    assert not os.path.exists(f"/proc/{(world.directory / 'pid').read_text().strip()}")
