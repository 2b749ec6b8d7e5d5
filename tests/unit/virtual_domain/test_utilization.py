# SPDX-License-Identifier: GPL-2.0-or-later
"""Utilization is off unless told, and written only when it differs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agents.virtual_domain.options import utilization
from agents.virtual_domain.options.utilization import changes
from pmkvm.virt.record import Stage
from tests.unit.virtual_domain.fake_libvirtmod import OPERATION_FAILED, PAUSED, Trouble

if TYPE_CHECKING:
    from tests.unit.virtual_domain.programs import Programs
    from tests.unit.virtual_domain.world import World

SET = "crm_resource --resource vm1 --utilization --set-parameter"
ALL = {f"autoset_utilization_{name}": "yes" for name in ("cpu", "host_memory", "hv_memory")}
CLUSTER = {"CRM_meta_on_node": "node1"}
INFO = "virDomainGetInfo"


@pytest.fixture
def programs(programs: Programs, monkeypatch: pytest.MonkeyPatch) -> Programs:
    # A slow machine's own time is no part of what is promised.
    monkeypatch.setattr(utilization, "_TIME_S", 25.0)
    programs.play("crm_resource")
    has(programs)
    return programs


def has(programs: Programs, **attributes: str) -> None:
    """What the CIB says of the resource; there is no ban in it."""
    pairs = "".join(f"<nvpair name='{k}' value='{v}'/>" for k, v in attributes.items())
    answer = f'echo "<utilization>{pairs}</utilization>"' if pairs else "exit 105"
    programs.play("cibadmin", f'case "$*" in *utilization*) {answer};; *) exit 105;; esac')


def writes(programs: Programs) -> list[str]:
    return [call for call in programs.calls() if call.startswith("crm_resource")]


def test_a_start_sets_what_the_guest_is(world: World, programs: Programs) -> None:
    called = world.act("start", {**ALL, **CLUSTER})
    assert called.rc == 0, called.err
    assert writes(programs) == [
        f"{SET} cpu --parameter-value 2",
        f"{SET} host_memory --parameter-value 1024",
        f"{SET} hv_memory --parameter-value 1024",
    ]


def test_what_is_equal_is_not_written(world: World, programs: Programs) -> None:
    has(programs, cpu="2", host_memory="1024", hv_memory="512")
    assert world.act("start", {**ALL, **CLUSTER}).rc == 0
    assert writes(programs) == [f"{SET} hv_memory --parameter-value 1024"]


def test_it_is_off_unless_told(world: World, programs: Programs) -> None:
    assert world.act("start", CLUSTER).rc == 0
    assert writes(programs) == []
    assert world.here.called(INFO) == []


def test_without_a_cluster_there_is_nobody_to_tell(world: World, programs: Programs) -> None:
    assert world.act("start", ALL).rc == 0
    assert writes(programs) == []


@pytest.mark.parametrize("level", ["0", "10"])
def test_a_plain_monitor_leaves_it_alone(world: World, programs: Programs, level: str) -> None:
    world.remember(Stage.RUNNING, world.qemu_of(world.guest()).life)
    more = {"OCF_CHECK_LEVEL": level, "CRM_meta_interval": "10000"}
    assert world.act("monitor", {**ALL, **CLUSTER, **more}).rc == 0
    assert bool(programs.calls()) == (level == "10")


def test_what_is_to_be_unset_is_removed_unless_it_is_set(world: World, programs: Programs) -> None:
    has(programs, cpu="9", host_memory="7")
    parameters = {"unset_utilization_cpu": "yes", "unset_utilization_host_memory": "yes"}
    parameters["autoset_utilization_host_memory"] = "yes"
    parameters["unset_utilization_hv_memory"] = "yes"
    assert world.act("start", {**parameters, **CLUSTER}).rc == 0
    assert writes(programs) == [
        "crm_resource --resource vm1 --utilization --delete-parameter cpu",
        f"{SET} host_memory --parameter-value 1024",
    ]


def test_it_follows_a_guest_that_arrives_and_a_reload(world: World, programs: Programs) -> None:
    world.guest().cpus = 8
    parameters = {"autoset_utilization_cpu": "yes", **CLUSTER}
    assert world.act("migrate_from", parameters).rc == 0
    assert world.act("reload-agent", parameters).rc == 0
    assert writes(programs) == [f"{SET} cpu --parameter-value 8"] * 2


@pytest.mark.parametrize("trouble", ["libvirt", "the CIB"])
def test_a_trouble_is_a_warning(world: World, programs: Programs, trouble: str) -> None:
    if trouble == "libvirt":
        world.here.script(INFO, Trouble(OPERATION_FAILED, "no"))
    else:
        programs.play("crm_resource", "echo no >&2; exit 1")
    assert world.act("start", {**ALL, **CLUSTER}).says(0, "utilization not updated: ")
    world.assert_started()


def test_changes_are_what_differs() -> None:
    assert changes({"cpu": "2", "a": None, "b": None}, {"cpu": "2", "b": "1", "c": "3"}) == {
        "b": None
    }


# reload-agent.


def test_a_reload_touches_no_guest(world: World) -> None:
    domain = world.guest()
    domain.state = PAUSED
    assert world.act("reload-agent", migration_speed="100") == (0, "", "")
    assert world.here.calls == []
    assert domain.state == PAUSED


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"shutdown_mode": "gently"}, "parameter shutdown_mode: 'gently' is none of"),
        ({"on_io_error": "perhaps"}, "parameter on_io_error='perhaps' must be one of ok, degraded"),
        ({"migrate_options": "--fast"}, "parameter migrate_options: '--fast' is none of"),
        ({"destroy_margin": "-1"}, "parameter destroy_margin='-1' must be a whole number"),
    ],
)
def test_a_reload_refuses_what_can_not_be(
    world: World, parameters: dict[str, str], reason: str
) -> None:
    world.guest()
    assert world.act("reload-agent", parameters).fails(6, reason)
