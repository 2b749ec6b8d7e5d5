# SPDX-License-Identifier: GPL-2.0-or-later
"""Whole commands against a scripted cluster, and what is asked of the hosts' libvirts."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import pytest

from pmkvm.deadline import Deadline
from pmkvm.fencing import ban as bans
from pmkvm.fencing.ban import Ban
from pmkvm.files import Lock
from pmkvm.pacemaker import document as documents
from pmkvm.pacemaker import waiting
from pmkvm.virt import survey
from tests.unit.pacemaker.script import Script, Step
from tests.unit.virt.fake_qemu import UUID
from tests.unit.virtual_domain.fake_libvirtmod import RUNNING, FakeLibvirt
from tests.unit.vmctl import world
from tests.unit.vmctl.world import (
    HERE,
    THERE,
    Ended,
    cib,
    crm_mon,
    guest,
    nothing_runs,
    running,
    target_role,
)
from vmctl import commands, transaction
from vmctl.messages import TEXTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    Play = Callable[..., Script]
    VmCtl = Callable[..., Ended]

MON = ("crm_mon", "--output-as=xml")
NODE = ("crm_node", "--name")
QUERY, MODIFY = ("cibadmin", "--query"), ("cibadmin", "--modify")
# What is asked before a guest is added: all is well, and it is asked on hostA.
ADDING = (Step(MON, out=crm_mon()), Step(NODE, out="hostA\n"), Step(QUERY, out=cib()))


def test_the_slides_command_is_one_change(vm_ctl: VmCtl) -> None:
    ended = vm_ctl("resource add guest1, guest2 -a hostA", *ADDING, Step(MODIFY))
    assert ended.rc == 0
    written = ended.calls[-1][1] or ""
    assert written.count("<primitive ") == 2
    assert 'node="hostA"' in written


def test_dry_run_prints_and_writes_nothing(vm_ctl: VmCtl) -> None:
    ended = vm_ctl("resource add guest1 -a hostA --dry-run --format crm", *ADDING)
    assert ended.rc == 0
    assert ended.out.startswith("primitive prmVMCTL_guest1 ocf:extra:")


def test_all_hosts_that_are_online_are_asked_over_the_migration_transport(vm_ctl: VmCtl) -> None:
    libvirts = nothing_runs()
    libvirts[THERE].domains["guest2"].state = RUNNING
    ended = vm_ctl("resource add guest1,guest2 -a hostA", *ADDING, libvirts=libvirts)
    assert (ended.rc, ended.out) == (1, "")
    assert [len(each.called("virConnectOpen")) for each in libvirts.values()] == [1, 1]
    assert ended.err == (
        "vm-ctl: MSG31 guest2: runs on hostB, Pacemaker would shut it down;"
        " stop it, or use --running\n"
    )


@pytest.mark.parametrize(
    ("text", "is_written"),
    [
        ("<domain type='kvm'><name>guest1</name></domain>", False),
        (f"<domain type='kvm'><name>guest1</name><uuid>{UUID}</uuid></domain>", True),
        ("no definition", True),
    ],
)
def test_the_uuid_that_libvirt_has_made_up_is_not_the_cluster_s(
    vm_ctl: VmCtl, tmp_path: Path, text: str, is_written: bool
) -> None:
    """At its next start the guest has another one, and would be refused on all hosts."""
    (tmp_path / "guest1.xml").write_text(text)
    libvirts = nothing_runs()
    libvirts[HERE].domains["guest1"].state = RUNNING
    steps = (*ADDING, Step(MODIFY))
    ended = vm_ctl("resource add guest1 -a hostA --running", *steps, libvirts=libvirts)
    assert ended.rc == 0
    assert ("vm-uuid" in (ended.calls[-1][1] or "")) == is_written


def test_a_managed_save_is_named_with_its_host(vm_ctl: VmCtl) -> None:
    libvirts = nothing_runs()
    libvirts[THERE].domains["guest1"].is_saved = True
    ended = vm_ctl("resource add guest1 -a hostA", *ADDING, Step(MODIFY), libvirts=libvirts)
    assert ended.rc == 0
    assert "MSG59 guest1: libvirt on hostB keeps a saved memory of it" in ended.err


def test_a_host_that_hangs_is_named_and_holds_nobody_up(
    vm_ctl: VmCtl,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Whoever waits for it longer than that waits for ever.
    monkeypatch.setattr(survey, "ANSWER_S", 1.0)
    libvirts = nothing_runs()
    libvirts[THERE].stuck = True
    ended = vm_ctl("resource add guest1 -a hostA", *ADDING, Step(MODIFY), libvirts=libvirts)
    assert ended.rc == 0
    assert "MSG34 hostB: its libvirt could not be asked about the guests: out of time" in ended.err


def test_a_silent_libvirt_here_is_not_taken_for_an_undefined_guest(vm_ctl: VmCtl) -> None:
    libvirts = nothing_runs()
    for each in libvirts.values():
        each.down = "no socket"
    ended = vm_ctl("resource add guest1 -a hostA", *ADDING[:2], libvirts=libvirts)
    assert (ended.rc, ended.err) == (1, "vm-ctl: MSG05 libvirt on hostA: no socket\n")


STOPPED = cib(guest("guest1", target_role("guest1", "Stopped")))


OFF = Step(MON, out=crm_mon(running("guest1", role="Stopped")))
ON = Step(MON, out=crm_mon(running("guest1", "hostA")))
# What is asked before a guest that is off is started, and what it is started by.
STARTING = (Step(MON, out=crm_mon()), Step(QUERY, out=STOPPED), Step(MODIFY))


@pytest.mark.parametrize(
    ("typed", "steps"),
    [
        pytest.param("start guest1", (*STARTING, OFF, ON), id="start waits until it runs"),
        pytest.param("start guest1 --no-wait", STARTING, id="no wait ends with the write"),
        pytest.param("stop guest1", (OFF, Step(QUERY, out=STOPPED), OFF), id="off is not written"),
    ],
)
def test_a_role_is_written_and_waited_for(vm_ctl: VmCtl, typed: str, steps: Sequence[Step]) -> None:
    assert vm_ctl(f"resource {typed}", *steps).rc == 0


def test_one_that_does_not_start_is_named(vm_ctl: VmCtl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "SLACK_S", 0.05)
    monkeypatch.setattr(documents, "DEFAULT_TIMEOUT_S", 0.0)
    monkeypatch.setattr(waiting, "POLL_S", 1.0)
    looks = (OFF, OFF, Step(QUERY, out=STOPPED))
    ended = vm_ctl("resource start guest1", OFF, *STARTING[1:], *looks)
    assert ended.rc == 1
    assert ended.err.startswith("vm-ctl: MSG37 guest1: not started after 0 s")


def test_moving_to_where_it_runs_is_a_success(vm_ctl: VmCtl) -> None:
    ended = vm_ctl("resource move guest1 -n hostA", Step(QUERY, out=STOPPED), ON)
    assert ended.rc == 0
    assert "MSG21" in ended.err


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (Step(QUERY, 102), "MSG01 Pacemaker does not run on this host: "),
        (Step(QUERY, 4, err="permission"), "MSG05 cibadmin failed with 4: permission"),
        (Step(QUERY, out="<cib/>"), "MSG05 cibadmin's answer has no configuration"),
        (Step(QUERY, out="<cib"), "MSG05 cibadmin's answer is no XML"),
    ],
)
def test_a_cluster_that_does_not_answer_well_is_one_line(
    vm_ctl: VmCtl,
    step: Step,
    message: str,
) -> None:
    ended = vm_ctl("resource start guest1", STARTING[0], step)
    assert ended.rc == 1
    assert ended.err.startswith(f"vm-ctl: {message}")
    assert ended.err.count("\n") == 1


def test_a_lock_that_another_holds_is_waited_for(
    vm_ctl: VmCtl,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transaction, "LOCK_S", 0.1)
    (tmp_path / "run").mkdir()
    with Lock(str(tmp_path / "run" / "vm-ctl.lock"), Deadline(1)):
        ended = vm_ctl("resource start guest1 --no-wait", STARTING[0])
    assert ended.rc == 1
    assert "MSG17" in ended.err
    assert vm_ctl("resource start guest1 --no-wait", *STARTING).rc == 0


def test_where_no_lock_can_be_made_the_cibs_version_decides(vm_ctl: VmCtl, tmp_path: Path) -> None:
    (tmp_path / "run").touch()
    ended = vm_ctl("resource start guest1 --no-wait", *STARTING)
    assert ended.rc == 0
    assert "MSG57 another vm-ctl on this host can't be locked out" in ended.err


def test_messages_have_the_numbers_of_2011() -> None:
    # 4 was about a temporary file, of which there is none any more.
    assert {number for number in TEXTS if number < 30} == set(range(1, 28)) - {4}


def test_uris_of_other_hosts() -> None:
    assert survey.remote_uri("qemu:///system", "tcp", "b") == "qemu+tcp://b/system?no_tty=1"
    assert survey.remote_uri("xen:///", "ssh", "b") == "xen+ssh://b/?no_tty=1"


def test_a_start_clears_what_a_fence_left_behind_and_says_what_one_holds(vm_ctl: VmCtl) -> None:
    now = int(time.time())
    held = Ban("prmVMCTL_guest2", "reset", "1", "r", "h", "hostA", "u", now + 60)
    left = held._replace(resource="prmVMCTL_guest1", end=now - 1)
    both = guest("guest1", target_role("guest1", "Stopped")) + guest("guest2")
    document = cib(both, bans.to_xml(held) + bans.to_xml(left))
    ended = vm_ctl(
        "resource start guest1,guest2 --no-wait",
        *(STARTING[0], Step(QUERY, out=document), Step(MODIFY)),
        *(Step(QUERY, out=document), Step(("cibadmin", "--delete-all")), Step(QUERY, 105)),
    )
    assert ended.rc == 0
    assert "' vm-stonith-prmVMCTL_guest1 '" in ended.calls[4][0][-1]
    assert ended.err.startswith("vm-ctl: MSG52 guest2: a fence keeps it stopped, until 20")


def test_a_transition_under_way_is_said_and_waited_for_by_nobody(vm_ctl: VmCtl) -> None:
    busy = crm_mon(running("guest2", role="Stopped", more='pending="Starting"'))
    ended = vm_ctl("resource start guest1 --no-wait", Step(MON, out=busy), *STARTING[1:])
    assert ended.rc == 0
    assert ended.err == (
        "vm-ctl: MSG43 the cluster is at work (prmVMCTL_guest2 Starting);"
        " the change is made all the same\n"
    )


def test_location_move_is_one_replacement_of_the_constraints(vm_ctl: VmCtl) -> None:
    home = '<rsc_location id="locVMCTL_guest1_hostA_ACT" rsc="prmVMCTL_guest1" node="hostA"/>'
    ended = vm_ctl(
        "location move -b hostA",
        Step(MON, out=crm_mon(running("guest1", "hostB"))),
        Step(QUERY, out=cib(guest("guest1"), home)),
        Step(("cibadmin", "--replace")),
    )
    assert ended.rc == 0
    argv, written, _environment = ended.calls[-1]
    assert argv[-2] == "/cib[@admin_epoch='0' and @epoch='5']/configuration/constraints"
    assert "locVMCTL_guest1_hostB_ACT" in (written or "")


def test_a_move_may_be_left_to_end_by_itself(vm_ctl: VmCtl) -> None:
    scores = Step(("crm_simulate", "--xml-pipe"), out="<r/>")
    query = Step(QUERY, out=STOPPED)
    steps = (query, ON, scores, query, Step(MODIFY))
    ended = vm_ctl("resource move guest1 -n hostB --no-wait", *steps)
    assert ended.rc == 0
    assert (ended.calls[-1][1] or "").count("<date_expression ") == 2
    assert "MSG53 guest1: the constraints of its move end by themselves in" in ended.err


@pytest.fixture
def libvirt(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeLibvirt]:
    played = FakeLibvirt()
    monkeypatch.setitem(sys.modules, "libvirtmod", played.module())
    yield played
    played.close()


def test_figures_of_a_migration_are_libvirts(libvirt: FakeLibvirt) -> None:
    mib = 1 << 20
    job: dict[str, object] = {"type": 2, "data_processed": 256 * mib, "data_total": 1024 * mib}
    libvirt.hypervisors[THERE] = world.libvirt(["guest1", "guest2"])
    libvirt.hypervisors[THERE].domains["guest1"].job = lambda: job
    assert commands.figures("guest1", THERE) == "moved: 256 of 1024 MiB"
    # Neither a guest that does not move, nor one that is not there, nor a libvirt that is away.
    assert commands.figures("guest2", THERE) == "moved"
    assert commands.figures("guest3", THERE) == "moved"
    assert commands.figures("guest1", HERE) == "moved"
