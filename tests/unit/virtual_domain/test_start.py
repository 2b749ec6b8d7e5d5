# SPDX-License-Identifier: GPL-2.0-or-later
"""Created paused, written down, resumed; tried again while what stands in the way passes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agents.virtual_domain.actions import start
from pmkvm.deadline import Deadline
from pmkvm.virt import record
from tests.unit.virtual_domain.fake_libvirtmod import (
    INTERNAL,
    OPERATION_FAILED,
    OPERATION_INVALID,
    PAUSED,
    RPC,
    RUNNING,
    SHUTOFF,
    SYSTEM,
    XML,
    Call,
    Trouble,
)
from tests.unit.virtual_domain.world import ORDERS, OTHER_UUID, UUID, World

if TYPE_CHECKING:
    from tests.unit.virt.fake_qemu import FakeQemu

PAUSED_FLAG = 1
FORCE_BOOT_FLAG = 8


def test_a_guest_without_a_definition_in_libvirt_is_created_paused_and_resumed(
    world: World,
) -> None:
    assert world.act("start").says(0, "INFO: g1: started")
    assert world.here.called(*ORDERS) == [
        Call("virDomainCreateXML", (world.config.read_text(), PAUSED_FLAG)),
        Call("virDomainResume"),
    ]
    assert not world.here.domains["g1"].persistent
    world.assert_started()


def test_a_definition_that_libvirt_has_is_used_as_it_is(world: World) -> None:
    domain = world.guest(SHUTOFF, persistent=True)
    assert world.act("start").rc == 0
    # The fake knows neither define nor undefine: calling them would have failed.
    assert world.here.called(*ORDERS) == [
        Call("virDomainCreateWithFlags", (PAUSED_FLAG | FORCE_BOOT_FLAG,)),
        Call("virDomainResume"),
    ]
    assert world.here.domains["g1"] is domain
    world.assert_started()


@pytest.mark.parametrize("persistent", [False, True])
def test_each_stage_is_written_down_before_what_it_allows(world: World, persistent: bool) -> None:
    """A start that is killed between two of them must leave behind what the next one needs."""
    if persistent:
        world.guest(SHUTOFF, persistent=True)
    stages: dict[str, str] = {}
    world.here.watch = lambda function: stages.update({function: world.stage})
    assert world.act("start").rc == 0
    create = "virDomainCreateWithFlags" if persistent else "virDomainCreateXML"
    assert stages[create] == "CREATING"
    assert stages["virDomainResume"] == "RESUMING"
    assert world.stage == "RUNNING"


def test_the_lock_is_held_while_the_guest_comes_into_being(world: World) -> None:
    held: dict[str, bool] = {}

    def look(function: str) -> None:
        try:
            with record.lock("vm1", Deadline(0)):
                held[function] = False
        except Exception:  # noqa: BLE001 - whatever says no
            held[function] = True

    world.here.watch = look
    assert world.act("start").rc == 0
    assert held["virDomainCreateXML"]
    assert held["virDomainResume"]
    assert not held["virDomainGetState"]


def test_a_start_waits_for_the_lock_no_longer_than_its_deadline(world: World) -> None:
    with record.lock("vm1", Deadline(0)):
        called = world.act("start", timeout_s=3)
    assert called.rc == 1
    assert "is held by another process" in called.reason
    assert world.here.calls == []


def test_a_uuid_that_only_libvirt_knows_is_remembered(world: World) -> None:
    world.define(uuid="")
    seen: list[str] = []

    def look() -> None:
        assert world.remembered is not None
        seen.append(world.remembered.identity.uuid)

    world.here.when("virDomainResume", look)
    assert world.act("start").rc == 0
    look()
    assert seen == [world.here.domains["g1"].uuid] * 2


# Tried again.


@pytest.mark.parametrize(
    "function", ["virDomainCreateXML", "virDomainResume", "virDomainLookupByName"]
)
@pytest.mark.parametrize(
    "trouble",
    [
        Trouble(OPERATION_INVALID, "domain is already being removed"),
        Trouble(RPC, "client socket is closed", breaks=True),
        Trouble(SYSTEM, "End of file while reading data", breaks=True),
    ],
    ids=["the last life is still being removed", "broken", "end of file"],
)
def test_what_passes_by_itself_is_waited_for(world: World, function: str, trouble: Trouble) -> None:
    world.here.script(function, *[trouble] * (2 if function == "virDomainCreateXML" else 1))
    assert world.act("start").rc == 0
    world.assert_started()


def test_a_libvirt_that_comes_back_is_waited_for(world: World) -> None:
    world.here.script("virConnectOpen", *[Trouble(SYSTEM, "Connection refused")] * 3)
    assert world.act("start").rc == 0
    world.assert_started()


def test_a_create_that_was_carried_out_although_its_caller_lost_the_connection(
    world: World,
) -> None:
    """The abandoned create of that attempt is removed, and the next attempt begins anew."""
    qemus: list[FakeQemu] = []

    def create_all_the_same(function: str) -> None:
        if function == "virDomainCreateXML" and not qemus:
            qemus.append(world.qemu_of(world.guest(PAUSED)))
            world.here.script(function, Trouble(RPC, "closed", breaks=True))
        elif function == "virDomainLookupByName" and qemus and not qemus[0].lives:
            world.here.domains.pop("g1", None)

    world.here.watch = create_all_the_same
    assert world.act("start").rc == 0
    assert not qemus[0].lives
    world.assert_started()


@pytest.mark.usefixtures("impatient")
def test_what_does_not_pass_is_a_failure_at_the_deadline(world: World) -> None:
    world.here.down = "Connection refused"
    called = world.act("start", timeout_s=4)
    # The last try may run out of time.
    assert called.fails(1, "not started: libvirt can't be reached: Connection refused")
    assert world.stage != "RUNNING"


@pytest.mark.usefixtures("impatient")
def test_a_stuck_libvirt_is_a_failure_at_the_deadline_and_may_still_create(world: World) -> None:
    """The create may be carried out when libvirtd goes on: it must be known for an abandoned create
    then."""

    def get_stuck() -> None:
        world.here.stuck = True

    world.here.when("virDomainCreateXML", get_stuck)
    called = world.act("start", timeout_s=4)
    assert called.fails(1, "out of time while starting g1 through libvirt (in ")
    assert world.stage == "CREATING"


@pytest.mark.usefixtures("impatient")
def test_a_last_try_that_runs_out_of_time_hides_no_reason(world: World) -> None:
    """What stood in the way all the time is what a person has to know."""
    world.here.down = "Connection refused"

    def get_stuck() -> None:
        world.here.stuck = True

    world.here.when("virConnectOpen", get_stuck, call=2)
    called = world.act("start", timeout_s=4)
    reason = "not started: libvirt can't be reached: Connection refused; then out of time while "
    assert called.fails(1, reason)


# Refused for good.


@pytest.mark.parametrize("code", [INTERNAL, OPERATION_FAILED, XML, SYSTEM])
@pytest.mark.parametrize("persistent", [False, True])
def test_what_libvirt_refuses_for_good_is_a_failure_at_once_and_forgotten(
    world: World, code: int, persistent: bool
) -> None:
    if persistent:
        world.guest(SHUTOFF, persistent=True)
    create = "virDomainCreateWithFlags" if persistent else "virDomainCreateXML"
    world.here.script(create, Trouble(code, "no such disk"))
    assert world.act("start").outcome == (1, "libvirt: no such disk")
    assert len(world.here.called(*ORDERS)) == 1
    assert world.stage == "nothing"


def test_a_guest_that_dies_as_soon_as_it_runs_is_a_failure_and_not_remembered_as_running(
    world: World,
) -> None:
    world.here.when("virDomainResume", lambda: world.qemu_of(world.here.domains["g1"]).end())
    assert world.act("start").outcome == (1, "g1: QEMU died as soon as it was started")
    assert world.stage != "RUNNING"


def test_a_guest_that_dies_while_its_scripts_run_is_a_failure_at_once(world: World) -> None:
    world.patch.setattr(start, "_SCRIPT_PAUSE_S", 0.01)
    script = world.script("script", f"kill -9 $(cat {world.directory}/pid)\nexit 1")

    def note() -> None:
        pid = world.qemu_of(world.here.domains["g1"]).pid
        (world.directory / "pid").write_text(str(pid))

    world.here.when("virDomainResume", note)
    assert world.act("start", monitor_scripts=script).outcome == (1, "g1: no such QEMU lives")


@pytest.mark.parametrize("state", [SHUTOFF, RUNNING])
def test_another_uuid_in_libvirts_definition_is_refused(world: World, state: int) -> None:
    world.here.start_qemu = lambda _domain: None
    world.here.add("g1", OTHER_UUID, state)
    called = world.act("start")
    assert called.rc == 5
    assert f"says uuid {UUID}" in called.reason
    assert OTHER_UUID in called.reason
    assert world.here.called(*ORDERS) == []
    # Nothing was asked for, so nothing can come late.
    assert world.stage == "nothing"


@pytest.mark.parametrize(
    ("config", "rc", "reason"),
    [
        ("", 6, "parameter config is required and not set"),
        ("/nowhere/g1.xml", 5, "/nowhere/g1.xml: No such file or directory"),
    ],
)
def test_a_start_needs_a_definition(world: World, config: str, rc: int, reason: str) -> None:
    assert world.act("start", config=config).outcome == (rc, reason)
    assert world.here.calls == []


@pytest.mark.parametrize("text", ["", "<domain", "<network/>", "<domain/>"])
def test_a_definition_that_is_none_is_not_started(world: World, text: str) -> None:
    world.config.write_text(text)
    assert world.act("start").fails(5, f"{world.config}: ")
    assert world.here.calls == []


def test_a_definition_is_handed_over_as_text_whatever_its_encoding(world: World) -> None:
    text = f"<domain type='kvm'><name>g1</name><uuid>{UUID}</uuid><title>caf\xe9</title></domain>"
    declaration = '<?xml version="1.0" encoding="ISO-8859-1"?>'
    world.config.write_bytes(f"{declaration}{text}".encode("latin-1"))
    assert world.act("start").rc == 0
    assert world.here.called("virDomainCreateXML")[0].arguments == (text, 1)


def test_a_definition_in_an_undeclared_encoding_is_refused_in_one_line(world: World) -> None:
    world.config.write_bytes("<domain type='kvm'><name>\xe9</name></domain>".encode("latin-1"))
    called = world.act("start")
    assert called.fails(5, f"{world.config}: not UTF-8 (")
    assert called.reason.endswith("save it as UTF-8 or declare its encoding")


def test_a_foreign_guest_of_that_name_is_for_a_person(world: World) -> None:
    world.table.start_qemu("g1", OTHER_UUID)
    assert world.act("start").names(1, "a person must say which is meant")
    assert world.here.called(*ORDERS) == []
