# SPDX-License-Identifier: GPL-2.0-or-later
"""Whole commands against a scripted cluster, and what is asked of the hosts' libvirts."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import pytest

from pmkvm import settings
from pmkvm.deadline import Deadline
from pmkvm.fencing import ban as bans
from pmkvm.fencing.ban import Ban
from pmkvm.files import Lock
from pmkvm.virt.connection import LibvirtError
from pmkvm.virt.job import Job
from tests.unit.pacemaker.script import Script, Step
from tests.unit.vmctl import world
from tests.unit.vmctl.world import DATA, cib, crm_mon, definition, guest, running, target_role
from vmctl import cib_document, commands, hosts, transaction, waiting
from vmctl.hosts import Domain
from vmctl.messages import TEXTS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    Ask = Callable[[str, Sequence[str]], Mapping[str, Domain]]

MON = ("crm_mon", "--output-as=xml")
NODE = ("crm_node", "--name")
QUERY, MODIFY = ("cibadmin", "--query"), ("cibadmin", "--modify")
# What is asked before a guest is added: all is well, and it is asked on hostA.
ADDING = (Step(MON, out=crm_mon()), Step(NODE, out="hostA\n"), Step(QUERY, out=cib()))


def nothing_runs(_uri: str, domains: Sequence[str]) -> Mapping[str, Domain]:
    return {
        domain: Domain(False, False, definition(domain))
        for domain in domains
        if domain in {"guest1", "guest2"}
    }


@pytest.fixture
def play(
    play: Callable[..., Script], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Script]:
    for name in ("CIB_file", "CIB_shadow"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(settings, "RUN_DIR", str(tmp_path / "run"))
    monkeypatch.setattr(waiting, "POLL_S", 0.0)
    monkeypatch.setattr(hosts, "LIBVIRT_GUESTS", str(tmp_path / "none"))
    return play


@pytest.fixture
def conf(tmp_path: Path) -> str:
    """The slides' configuration, and two definitions where it says they are."""
    for name in ("guest1", "guest2"):
        (tmp_path / f"{name}.xml").touch()
    path = tmp_path / "vm-ctl.conf"
    text = (DATA / "slides.conf").read_text(encoding="utf-8")
    path.write_text(text.replace("/etc/libvirt/qemu", str(tmp_path)), encoding="utf-8")
    return str(path)


class Ended(NamedTuple):
    rc: int
    out: str
    err: str
    calls: list[tuple[tuple[str, ...], str | None, dict[str, str]]]


@pytest.fixture
def vm_ctl(
    play: Callable[..., Script], conf: str, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Ended]:
    """A command in a cluster that follows these steps, each of them."""

    def run(typed: str, *steps: Step, ask: Ask = nothing_runs) -> Ended:
        script = play(*steps)
        rc = world.vm_ctl([*typed.split(), "--config", conf], ask)
        assert script.left == []
        said = capsys.readouterr()
        return Ended(rc, said.out, said.err, script.calls)

    return run


def test_the_slides_command_is_one_change(vm_ctl: Callable[..., Ended]) -> None:
    ended = vm_ctl("resource add guest1, guest2 -a hostA", *ADDING, Step(MODIFY))
    assert ended.rc == 0
    written = ended.calls[-1][1] or ""
    assert written.count("<primitive ") == 2
    assert 'node="hostA"' in written


def test_dry_run_prints_and_writes_nothing(vm_ctl: Callable[..., Ended]) -> None:
    ended = vm_ctl("resource add guest1 -a hostA --dry-run --format crm", *ADDING)
    assert ended.rc == 0
    assert ended.out.startswith("primitive prmVMCTL_guest1 ocf:extra:")


def test_all_hosts_that_are_online_are_asked_over_the_migration_transport(
    vm_ctl: Callable[..., Ended],
) -> None:
    asked: list[str] = []

    def ask(uri: str, wanted: Sequence[str]) -> Mapping[str, Domain]:
        asked.append(uri)
        known = dict(nothing_runs(uri, wanted))
        if "hostB" in uri:
            known["guest2"] = known["guest2"]._replace(running=True)
        return known

    ended = vm_ctl("resource add guest1,guest2 -a hostA", *ADDING, ask=ask)
    assert (ended.rc, ended.out) == (1, "")
    assert sorted(asked) == ["qemu+ssh://hostB/system?no_tty=1", "qemu:///system"]
    assert ended.err == (
        "vm-ctl: MSG31 guest2: runs on hostB, Pacemaker would shut it down;"
        " stop it, or use --running\n"
    )


def test_a_host_that_hangs_is_named_and_holds_nobody_up(
    vm_ctl: Callable[..., Ended],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hosts, "ANSWER_S", 0.2)

    def ask(uri: str, wanted: Sequence[str]) -> Mapping[str, Domain]:
        if "hostB" in uri:
            time.sleep(2)
        return nothing_runs(uri, wanted)

    begun = time.monotonic()
    ended = vm_ctl("resource add guest1 -a hostA", *ADDING, Step(MODIFY), ask=ask)
    assert ended.rc == 0
    assert time.monotonic() - begun < 1.5
    assert "MSG34 hostB: its libvirt could not be asked about the guests: out of" in ended.err


def test_a_silent_libvirt_here_is_not_taken_for_an_undefined_guest(
    vm_ctl: Callable[..., Ended],
) -> None:
    def ask(_uri: str, _domains: Sequence[str]) -> Mapping[str, Domain]:
        raise LibvirtError(1, "no socket")

    ended = vm_ctl("resource add guest1 -a hostA", *ADDING[:2], ask=ask)
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
def test_a_role_is_written_and_waited_for(
    vm_ctl: Callable[..., Ended], typed: str, steps: Sequence[Step]
) -> None:
    assert vm_ctl(f"resource {typed}", *steps).rc == 0


def test_one_that_does_not_start_is_named(
    vm_ctl: Callable[..., Ended],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(waiting, "SLACK_S", 0.05)
    monkeypatch.setattr(cib_document, "DEFAULT_TIMEOUT_S", 0.0)
    monkeypatch.setattr(waiting, "POLL_S", 1.0)
    ended = vm_ctl("resource start guest1", OFF, *STARTING[1:], OFF, OFF)
    assert ended.rc == 1
    assert ended.err.startswith("vm-ctl: MSG37 guest1: not started after 0 s")


def test_moving_to_where_it_runs_is_a_success(vm_ctl: Callable[..., Ended]) -> None:
    ended = vm_ctl("resource move guest1 -n hostA", Step(QUERY, out=STOPPED), ON)
    assert ended.rc == 0
    assert "MSG21" in ended.err


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
    vm_ctl: Callable[..., Ended],
    step: Step,
    message: str,
) -> None:
    ended = vm_ctl("resource start guest1", STARTING[0], step)
    assert ended.rc == 1
    assert ended.err.startswith(f"vm-ctl: {message}")
    assert ended.err.count("\n") == 1


def test_a_lock_that_another_holds_is_waited_for(
    vm_ctl: Callable[..., Ended],
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


def test_where_no_lock_can_be_made_the_cibs_version_decides(
    vm_ctl: Callable[..., Ended], tmp_path: Path
) -> None:
    (tmp_path / "run").touch()
    ended = vm_ctl("resource start guest1 --no-wait", *STARTING)
    assert ended.rc == 0
    assert "MSG57 another vm-ctl on this host can't be locked out" in ended.err


def test_messages_have_the_numbers_of_2011() -> None:
    # 4 was about a temporary file, of which there is none any more.
    assert {number for number in TEXTS if number < 30} == set(range(1, 28)) - {4}


def test_uris_of_other_hosts() -> None:
    assert hosts.remote_uri("qemu:///system", "tcp", "b") == "qemu+tcp://b/system?no_tty=1"
    assert hosts.remote_uri("xen:///", "ssh", "b") == "xen+ssh://b/?no_tty=1"


def test_a_start_clears_what_a_fence_left_behind_and_says_what_one_holds(
    vm_ctl: Callable[..., Ended],
) -> None:
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


def test_a_transition_under_way_is_said_and_waited_for_by_nobody(
    vm_ctl: Callable[..., Ended],
) -> None:
    busy = crm_mon(running("guest2", role="Stopped", more='pending="Starting"'))
    ended = vm_ctl("resource start guest1 --no-wait", Step(MON, out=busy), *STARTING[1:])
    assert ended.rc == 0
    assert ended.err == (
        "vm-ctl: MSG43 the cluster is at work (prmVMCTL_guest2 Starting);"
        " the change is made all the same\n"
    )


def test_location_move_is_one_replacement_of_the_constraints(vm_ctl: Callable[..., Ended]) -> None:
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


def test_a_move_may_be_left_to_end_by_itself(vm_ctl: Callable[..., Ended]) -> None:
    scores = Step(("crm_simulate", "--xml-pipe"), out="<r/>")
    query = Step(QUERY, out=STOPPED)
    steps = (query, ON, scores, query, Step(MODIFY))
    ended = vm_ctl("resource move guest1 -n hostB --no-wait", *steps)
    assert ended.rc == 0
    assert (ended.calls[-1][1] or "").count("<date_expression ") == 2
    assert "MSG53 guest1: the constraints of its move end by themselves in" in ended.err


def test_figures_of_a_migration_are_libvirts(monkeypatch: pytest.MonkeyPatch) -> None:
    class Moving:
        def __init__(self, uri: str) -> None:
            if uri != "qemu+ssh://hostB/system?no_tty=1":
                raise LibvirtError(1, uri)

        def __enter__(self) -> Moving:
            return self

        def __exit__(self, *_error: object) -> None:
            pass

        def lookup(self, _name: str) -> Moving:
            return self

    monkeypatch.setattr(commands, "Connection", Moving)
    job = Job(3.0, 256, 768, 1024, 85, 1, 300)
    monkeypatch.setattr(commands, "job_of", lambda _guest: job)
    uri = "qemu+ssh://hostB/system?no_tty=1"
    assert commands.figures("guest1", uri) == "moved: 256 of 1024 MiB"
    assert commands.figures("guest1", "qemu:///system") == "moved"
