# SPDX-License-Identifier: GPL-2.0-or-later
"""Whole commands against a scripted cluster, and what is asked of the hosts' libvirts."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import pytest

from pmkvm import settings
from pmkvm.deadline import Deadline
from pmkvm.fencing import ban as bans
from pmkvm.fencing.ban import Ban
from pmkvm.files import Lock
from tests.unit.pacemaker.script import Script, Step, player
from tests.unit.virtual_domain.fake_libvirtmod import RUNNING, FakeHypervisor, FakeLibvirt
from tests.unit.vmctl import world
from tests.unit.vmctl.world import DATA, cib, crm_mon, guest, running, target_role
from vmctl import cib_document, commands, hosts, transaction, waiting
from vmctl.messages import TEXTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

MON = ("crm_mon", "--output-as=xml")
NODE = ("crm_node", "--name")
QUERY, MODIFY = ("cibadmin", "--query"), ("cibadmin", "--modify")


HERE, THERE = "qemu:///system", "qemu+ssh://hostB/system?no_tty=1"


def nothing_runs() -> dict[str, FakeHypervisor]:
    """Both hosts' libvirts, which have two guests."""
    return {uri: world.libvirt(("guest1", "guest2")) for uri in (HERE, THERE)}


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Script]:
    for name in ("CIB_file", "CIB_shadow"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(settings, "RUN_DIR", str(tmp_path / "run"))
    monkeypatch.setattr(waiting, "POLL_S", 0.0)
    monkeypatch.setattr(hosts, "LIBVIRT_GUESTS", str(tmp_path / "none"))
    return player(monkeypatch)


@pytest.fixture
def conf(tmp_path: Path) -> str:
    """The slides' configuration, and two definitions where it says they are."""
    for name in ("guest1", "guest2"):
        (tmp_path / f"{name}.xml").touch()
    path = tmp_path / "vm-ctl.conf"
    text = (DATA / "slides.conf").read_text(encoding="utf-8")
    path.write_text(text.replace("/etc/libvirt/qemu", str(tmp_path)), encoding="utf-8")
    return str(path)


def vm_ctl(typed: str, conf: str, libvirts: Mapping[str, FakeHypervisor] | None = None) -> int:
    return world.vm_ctl([*typed.split(), "--config", conf], libvirts or nothing_runs())


def test_the_slides_command_is_one_change(play: Callable[..., Script], conf: str) -> None:
    script = play(
        Step(MON, out=crm_mon()), Step(NODE, out="hostA\n"), Step(QUERY, out=cib()), Step(MODIFY)
    )
    assert vm_ctl("resource add guest1, guest2 -a hostA", conf) == 0
    assert script.left == []
    written = script.calls[-1][1] or ""
    assert written.count("<primitive ") == 2
    assert 'node="hostA"' in written


def test_dry_run_prints_and_writes_nothing(
    play: Callable[..., Script], conf: str, capsys: pytest.CaptureFixture[str]
) -> None:
    script = play(Step(MON, out=crm_mon()), Step(NODE, out="hostA\n"), Step(QUERY, out=cib()))
    assert vm_ctl("resource add guest1 -a hostA --dry-run --format crm", conf) == 0
    assert script.left == []
    said = capsys.readouterr().out
    assert said.startswith("primitive prmVMCTL_guest1 ocf:extra:")


def test_all_hosts_that_are_online_are_asked_over_the_migration_transport(
    play: Callable[..., Script], conf: str, capsys: pytest.CaptureFixture[str]
) -> None:
    libvirts = nothing_runs()
    libvirts[THERE].domains["guest2"].state = RUNNING
    play(Step(MON, out=crm_mon()), Step(NODE, out="hostA\n"), Step(QUERY, out=cib()))
    assert vm_ctl("resource add guest1,guest2 -a hostA", conf, libvirts) == 1
    assert [len(each.called("virConnectOpen")) for each in libvirts.values()] == [1, 1]
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == (
        "vm-ctl: MSG31 guest2: runs on hostB, Pacemaker would shut it down;"
        " stop it, or use --running\n"
    )


def test_a_host_that_hangs_is_named_and_holds_nobody_up(
    play: Callable[..., Script],
    conf: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Whoever waits for it longer than that waits for ever.
    monkeypatch.setattr(hosts, "ANSWER_S", 1.0)
    libvirts = nothing_runs()
    libvirts[THERE].stuck = True
    play(Step(MON, out=crm_mon()), Step(NODE, out="hostA"), Step(QUERY, out=cib()), Step(MODIFY))
    assert vm_ctl("resource add guest1 -a hostA", conf, libvirts) == 0
    said = capsys.readouterr().err
    assert "MSG34 hostB: its libvirt could not be asked about the guests: out of time" in said


def test_a_silent_libvirt_here_is_not_taken_for_an_undefined_guest(
    play: Callable[..., Script], conf: str, capsys: pytest.CaptureFixture[str]
) -> None:
    libvirts = nothing_runs()
    for each in libvirts.values():
        each.down = "no socket"
    play(Step(MON, out=crm_mon()), Step(NODE, out="hostA\n"))
    assert vm_ctl("resource add guest1 -a hostA", conf, libvirts) == 1
    assert capsys.readouterr().err == "vm-ctl: MSG05 libvirt on hostA: no socket\n"


STOPPED = cib(guest("guest1", target_role("guest1", "Stopped")))


def test_start_waits_until_it_runs(play: Callable[..., Script], conf: str) -> None:
    script = play(
        Step(MON, out=crm_mon()),
        Step(QUERY, out=STOPPED),
        Step(MODIFY),
        Step(MON, out=crm_mon(running("guest1", role="Stopped"))),
        Step(MON, out=crm_mon(running("guest1", "hostA"))),
    )
    assert vm_ctl("resource start guest1", conf) == 0
    assert script.left == []


def test_no_wait_returns_when_the_cluster_has_been_told(
    play: Callable[..., Script], conf: str
) -> None:
    script = play(Step(MON, out=crm_mon()), Step(QUERY, out=STOPPED), Step(MODIFY))
    assert vm_ctl("resource start guest1 --no-wait", conf) == 0
    assert script.left == []


def test_stop_of_a_stopped_guest_writes_nothing(play: Callable[..., Script], conf: str) -> None:
    stopped = crm_mon(running("guest1", role="Stopped"))
    script = play(Step(MON, out=stopped), Step(QUERY, out=STOPPED), Step(MON, out=stopped))
    assert vm_ctl("resource stop guest1", conf) == 0
    assert script.left == []


def test_one_that_does_not_start_is_named(
    play: Callable[..., Script],
    conf: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(waiting, "SLACK_S", 0.05)
    monkeypatch.setattr(cib_document, "DEFAULT_TIMEOUT_S", 0.0)
    monkeypatch.setattr(waiting, "POLL_S", 1.0)
    stopped = Step(MON, out=crm_mon(running("guest1", role="Stopped")))
    play(stopped, Step(QUERY, out=STOPPED), Step(MODIFY), stopped, stopped)
    assert vm_ctl("resource start guest1", conf) == 1
    assert capsys.readouterr().err.startswith("vm-ctl: MSG37 guest1: not started after 0 s")


def test_moving_to_where_it_runs_is_a_success(
    play: Callable[..., Script], conf: str, capsys: pytest.CaptureFixture[str]
) -> None:
    play(Step(QUERY, out=STOPPED), Step(MON, out=crm_mon(running("guest1", "hostA"))))
    assert vm_ctl("resource move guest1 -n hostA", conf) == 0
    assert "MSG21" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (Step(QUERY, 102), "MSG01 Pacemaker is not running here: "),
        (Step(QUERY, 4, err="permission"), "MSG05 cibadmin failed with 4: permission"),
        (Step(QUERY, out="<cib/>"), "MSG05 cibadmin's answer has no configuration"),
        (Step(QUERY, out="<cib"), "MSG05 cibadmin's answer is no XML"),
    ],
)
def test_a_cluster_that_does_not_answer_well_is_one_line(
    play: Callable[..., Script],
    conf: str,
    capsys: pytest.CaptureFixture[str],
    step: Step,
    message: str,
) -> None:
    play(Step(MON, out=crm_mon()), step)
    assert vm_ctl("resource start guest1", conf) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"vm-ctl: {message}")
    assert said.count("\n") == 1


def test_a_lock_that_another_holds_is_waited_for(
    play: Callable[..., Script],
    conf: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transaction, "LOCK_S", 0.1)
    (tmp_path / "run").mkdir()
    play(Step(MON, out=crm_mon()))
    with Lock(str(tmp_path / "run" / "vm-ctl.lock"), Deadline(1)):
        assert vm_ctl("resource start guest1 --no-wait", conf) == 1
    assert "MSG17" in capsys.readouterr().err
    play(Step(MON, out=crm_mon()), Step(QUERY, out=STOPPED), Step(MODIFY))
    assert vm_ctl("resource start guest1 --no-wait", conf) == 0


def test_where_no_lock_can_be_made_the_cibs_version_decides(
    play: Callable[..., Script], conf: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run").touch()
    play(Step(MON, out=crm_mon()), Step(QUERY, out=STOPPED), Step(MODIFY))
    assert vm_ctl("resource start guest1 --no-wait", conf) == 0
    assert "MSG57 another vm-ctl on this host can't be locked out" in capsys.readouterr().err


def test_messages_have_the_numbers_of_2011() -> None:
    # 4 was about a temporary file, of which there is none any more.
    assert {number for number in TEXTS if number < 30} == set(range(1, 28)) - {4}


def test_uris_of_other_hosts() -> None:
    assert hosts.remote_uri("qemu:///system", "tcp", "b") == "qemu+tcp://b/system?no_tty=1"
    assert hosts.remote_uri("xen:///", "ssh", "b") == "xen+ssh://b/?no_tty=1"


def test_a_start_clears_what_a_fence_left_behind_and_says_what_one_holds(
    play: Callable[..., Script], conf: str, capsys: pytest.CaptureFixture[str]
) -> None:
    now = int(time.time())
    held = Ban("prmVMCTL_guest2", "reset", "1", "r", "h", "hostA", "u", now + 60)
    left = held._replace(resource="prmVMCTL_guest1", end=now - 1)
    both = guest("guest1", target_role("guest1", "Stopped")) + guest("guest2")
    document = cib(both, bans.to_xml(held) + bans.to_xml(left))
    script = play(
        *(Step(MON, out=crm_mon()), Step(QUERY, out=document), Step(MODIFY)),
        *(Step(QUERY, out=document), Step(("cibadmin", "--delete-all")), Step(QUERY, 105)),
    )
    assert vm_ctl("resource start guest1,guest2 --no-wait", conf) == 0
    assert script.left == []
    assert "' vm-stonith-prmVMCTL_guest1 '" in script.calls[4][0][-1]
    assert capsys.readouterr().err.startswith(
        "vm-ctl: MSG52 guest2: a fence keeps it stopped, until 20"
    )


def test_a_transition_under_way_is_said_and_waited_for_by_nobody(
    play: Callable[..., Script], conf: str, capsys: pytest.CaptureFixture[str]
) -> None:
    busy = crm_mon(running("guest2", role="Stopped", more='pending="Starting"'))
    play(Step(MON, out=busy), Step(QUERY, out=STOPPED), Step(MODIFY))
    assert vm_ctl("resource start guest1 --no-wait", conf) == 0
    assert capsys.readouterr().err == (
        "vm-ctl: MSG43 the cluster is at work (prmVMCTL_guest2 Starting);"
        " the change is made all the same\n"
    )


def test_location_move_is_one_replacement_of_the_constraints(
    play: Callable[..., Script], conf: str
) -> None:
    home = '<rsc_location id="locVMCTL_guest1_hostA_ACT" rsc="prmVMCTL_guest1" node="hostA"/>'
    script = play(
        Step(MON, out=crm_mon(running("guest1", "hostB"))),
        Step(QUERY, out=cib(guest("guest1"), home)),
        Step(("cibadmin", "--replace")),
    )
    assert vm_ctl("location move -b hostA", conf) == 0
    assert script.left == []
    argv, written, _environment = script.calls[-1]
    assert argv[-2] == "/cib[@admin_epoch='0' and @epoch='5']/configuration/constraints"
    assert "locVMCTL_guest1_hostB_ACT" in (written or "")


def test_a_move_may_be_left_to_end_by_itself(
    play: Callable[..., Script], conf: str, capsys: pytest.CaptureFixture[str]
) -> None:
    scores = Step(("crm_simulate", "--xml-pipe"), out="<r/>")
    on_a = crm_mon(running("guest1", "hostA"))
    query = Step(QUERY, out=STOPPED)
    script = play(query, Step(MON, out=on_a), scores, query, Step(MODIFY))
    assert vm_ctl("resource move guest1 -n hostB --no-wait", conf) == 0
    assert script.left == []
    assert (script.calls[-1][1] or "").count("<date_expression ") == 2
    assert (
        "MSG53 guest1: the constraints of its move end by themselves in" in capsys.readouterr().err
    )


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
