# SPDX-License-Identifier: GPL-2.0-or-later
"""Real processes that play QEMU: looked at, killed under a ban and never without one."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Optional

import pytest

from daemons.vm_stonithd.cluster import queries
from daemons.vm_stonithd.host import qemu_processes
from daemons.vm_stonithd.host.pending_stop_files import PendingStopFiles
from daemons.vm_stonithd.host.qemu_processes import ProcessTable
from daemons.vm_stonithd.model.actions import Kill
from daemons.vm_stonithd.model.facts import Sender
from daemons.vm_stonithd.model.host_report import Objection
from pmkvm import run, settings
from pmkvm.deadline import Deadline
from pmkvm.errors import HaError
from pmkvm.fencing import ban as bans
from pmkvm.fencing import pending_stop as pending_stops
from pmkvm.fencing.ban import Ban
from pmkvm.fencing.pending_stop import PendingStop
from pmkvm.process import Life
from pmkvm.run import Completed
from pmkvm.service.far_files import FarFiles
from pmkvm.virt import record
from pmkvm.virt.identity import Identity
from pmkvm.virt.record import Record, Stage
from tests import impostor
from tests.unit.hanging import Mount, mount

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemons.vm_stonithd.host.qemu_processes import Sighting
    from tests.unit.virt.fake_qemu import FakeProcessTable

    Show = Callable[[Optional[Ban]], list[str]]

__all__ = ["mount"]

RESOURCE, UUID, OTHER = "prmVMCTL_guest2", "0123abcd-2222-3333-4444-555555555555", "aaaa-1"
NOBODY = 65534
EDITED = "1f0c2b6e-5d5e-4c1b-9a53-0f8d7a3b9c10"


@pytest.fixture
def cib(monkeypatch: pytest.MonkeyPatch) -> Show:
    """Has cibadmin show this ban, or none; gives the list of what was asked."""

    def show(ban: Ban | None) -> list[str]:
        asked: list[str] = []

        def answer(argv: tuple[str, ...], **_options: object) -> Completed:
            asked.append(argv[0])
            return Completed(105, "", "") if ban is None else Completed(0, bans.to_xml(ban), "")

        monkeypatch.setattr(run, "run", answer)
        return asked

    return show


def ban(ahead_s: float = 50) -> Ban:
    end = int(time.time() + ahead_s)
    return Ban(RESOURCE, "reset", "9c41", "prmVMCTL_guest1", "5be0", "host1", UUID, end)


def read_bans() -> str:
    return queries.bans_text(Deadline(5))


def kill(life: Life) -> bool:
    """As under our ban."""
    own = ban()
    order = Kill(1, own, (life,), PendingStop(own.id, UUID, life, time.monotonic()))
    return qemu_processes.kill(order, read_bans, PendingStopFiles().owe)


def test_kill_under_the_ban(host: FakeProcessTable, cib: Show) -> None:
    target, bystander = host.start_qemu("guest2", UUID), host.start_qemu("guest1", OTHER)
    cib(ban())
    assert kill(target.life)
    assert host.living() == [bystander]
    pending_stop = pending_stops.load(RESOURCE)
    assert pending_stop is not None
    assert pending_stop.is_for(target.life)


@pytest.mark.parametrize("directory", ["", "debts", "domains"])
def test_no_file_keeps_a_guest_alive(host: FakeProcessTable, cib: Show, directory: str) -> None:
    """Neither the look nor the kill; a file stands where our directory should."""
    target = host.start_qemu("guest2", UUID)
    cib(ban())
    path = Path(settings.RUN_DIR, directory)
    path.parent.mkdir(exist_ok=True)
    path.touch()
    seen = qemu_processes.look(ProcessTable(), RESOURCE, UUID, "")
    assert (seen.lives, seen.is_locked) == ((target.life,), False)
    assert kill(target.life)
    assert host.living() == []
    assert qemu_processes.look(ProcessTable(), RESOURCE, UUID, "").lives == ()


def test_a_start_is_seen_where_it_has_no_lock(host: FakeProcessTable) -> None:
    Path(settings.RUN_DIR).touch()
    start = host.start_agent("start", RESOURCE)
    assert qemu_processes.look(ProcessTable(), RESOURCE, UUID, "").is_locked
    start.end()
    assert not qemu_processes.look(ProcessTable(), RESOURCE, UUID, "").is_locked


@pytest.mark.parametrize("there", [None, ban(-1), ban()._replace(id="another")])
def test_without_this_very_ban_nobody_dies(
    host: FakeProcessTable, cib: Show, there: Ban | None
) -> None:
    target = host.start_qemu("guest2", UUID)
    asked = cib(there)
    assert not kill(target.life)
    assert asked == ["cibadmin"]
    assert host.living() == [target]
    assert pending_stops.load(RESOURCE) is None


def test_unreadable_cib_kills_nobody(
    host: FakeProcessTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = host.start_qemu("guest2", UUID)
    monkeypatch.setattr(run, "run", lambda _argv, **_options: Completed(102, "", ""))
    with pytest.raises(HaError):
        kill(target.life)
    assert host.living() == [target]


def test_life_that_has_ended_takes_nobody_along(host: FakeProcessTable, cib: Show) -> None:
    """Its number may be another's by now."""
    target = host.start_qemu("guest2", UUID)
    cib(ban())
    stale = Life(target.pid, target.life.start_time - 1)
    assert kill(stale)
    assert host.living() == [target]


def test_look_sees_lives_lock_and_another_definition(
    host: FakeProcessTable, tmp_path: Path
) -> None:
    target = host.start_qemu("guest2", UUID)
    host.start_qemu("guest1", OTHER)
    config = tmp_path / "definition.xml"
    found = qemu_processes.look(ProcessTable(), RESOURCE, UUID, str(config))
    assert (found.lives, found.is_locked, found.doubt) == ((target.life,), False, None)
    assert not found.is_remembered
    define(tmp_path, "guest2")
    with record.lock(RESOURCE, Deadline(1)):
        found = qemu_processes.look(ProcessTable(), RESOURCE, UUID, str(config))
    assert (found.lives, found.is_locked) == ((target.life,), True)
    assert why(found) == f"its definition here has uuid {EDITED}, not {UUID}"


def test_a_definition_that_does_not_answer_is_one_witness_less(
    host: FakeProcessTable, tmp_path: Path, mount: Mount, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that can't be read; else no fence of this guest would be proven, and no kill made."""
    monkeypatch.setattr(qemu_processes, "DEFINITIONS", FarFiles())
    monkeypatch.setattr(qemu_processes, "ANSWER_S", 0.2)
    target = host.start_qemu("guest2", UUID)
    config = define(tmp_path, "guest2")
    mount.paths.add(config)
    for _ in range(3):
        found = qemu_processes.look(ProcessTable(), RESOURCE, UUID, config)
        assert found == ((target.life,), False, None, False)
    assert mount.in_it == [config]


def test_the_guest_that_this_host_remembers_is_the_target_whatever_its_file_says(
    host: FakeProcessTable, tmp_path: Path
) -> None:
    """The uuid in the file was edited while it runs, so the ban carries the new one."""
    guest = host.start_qemu("guest2", UUID)
    remember(Stage.RUNNING, guest.life)
    definition = define(tmp_path, "renamed")
    found = qemu_processes.look(ProcessTable(), RESOURCE, EDITED, definition)
    assert why(found) == f"its guest runs in QEMU {guest.pid} under uuid {UUID}, not {EDITED}"
    assert not found.is_remembered
    guest.end()
    over = qemu_processes.look(ProcessTable(), RESOURCE, EDITED, definition)
    assert (over.doubt, over.is_remembered) == (None, False)


def test_a_guest_whose_record_is_lost_is_known_by_its_name(
    host: FakeProcessTable, tmp_path: Path
) -> None:
    guest = host.start_qemu("guest2", UUID)
    found = qemu_processes.look(ProcessTable(), RESOURCE, EDITED, define(tmp_path, "guest2"))
    assert why(found) == f"QEMU {guest.pid} named 'guest2' runs under uuid {UUID}, not {EDITED}"


@pytest.mark.parametrize("name", ["another", "guest2"])
def test_a_remembered_life_counts_whatever_its_command_line_says(
    host: FakeProcessTable, name: str
) -> None:
    """A QEMU that was taken over may write what it likes there, and does not fool its own fence."""
    guest = host.start_qemu(name, OTHER)
    remember(Stage.RUNNING, guest.life)
    found = qemu_processes.look(ProcessTable(), RESOURCE, UUID, "")
    assert (found.lives, found.doubt, found.is_remembered) == ((guest.life,), None, True)


@pytest.mark.parametrize("is_remembered", [True, False])
def test_a_guest_that_rewrites_its_command_line_is_killed_all_the_same(
    host: FakeProcessTable, tmp_path: Path, is_remembered: bool
) -> None:
    """Where nothing is remembered of it, by the name in its definition and libvirt's pid file."""
    guest = host.start_qemu_that_rewrites("guest2", UUID)
    definition = define(tmp_path, "guest2", UUID)
    if is_remembered:
        remember(Stage.RUNNING, guest.life)
        definition = ""
    else:
        host.write_pid_file("guest2", guest.pid)
    found = qemu_processes.look(ProcessTable(), RESOURCE, UUID, definition)
    assert (found.lives, found.doubt) == ((guest.life,), None)
    if is_remembered:
        assert qemu_processes.lives_of(RESOURCE, UUID) == (guest.life,)
    guest.end()
    assert qemu_processes.look(ProcessTable(), RESOURCE, UUID, definition).lives == ()
    assert qemu_processes.lives_of(RESOURCE, UUID) == ()


def test_another_guest_that_says_this_one_s_uuid_is_not_this_one(host: FakeProcessTable) -> None:
    """Neither does it keep the fence from its end, nor is it killed by it."""
    liar = host.start_qemu("guest2", UUID)
    record.store(
        "prmVMCTL_guest1", Record(Identity("guest1", OTHER, is_qemu=True), Stage.RUNNING, liar.life)
    )
    remember(Stage.RUNNING)
    found = qemu_processes.look(ProcessTable(), RESOURCE, UUID, "")
    assert (found.lives, found.doubt) == ((), None)


@pytest.mark.parametrize("kind", [impostor.NAMED, impostor.SAME, impostor.NAMELESS])
def test_another_user_s_process_is_no_witness(
    host: FakeProcessTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    user = NOBODY if os.geteuid() == 0 else os.getuid()
    fake = host.start_impostor(kind, "guest2", UUID, user=user)
    if user != NOBODY:
        monkeypatch.setattr(os, "geteuid", lambda: NOBODY)
    remember(Stage.CREATING)
    monkeypatch.setattr(qemu_processes, "YOUNG_S", 0.0)
    qemu_processes.kill_abandoned_creates([RESOURCE])
    found = qemu_processes.look(ProcessTable(), RESOURCE, UUID, define(tmp_path, "guest2", UUID))
    assert (found.lives, found.doubt) == ((), None)
    assert qemu_processes.lives_of(RESOURCE, UUID) == ()
    assert fake.lives


def why(found: Sighting) -> str:
    assert found.doubt is not None
    assert found.doubt.objection is Objection.DIFFERS
    return found.doubt.why


@pytest.mark.usefixtures("host")
@pytest.mark.parametrize("is_defined", [True, False])
def test_a_guest_of_another_hypervisor_is_never_dead_by_the_process_table(
    tmp_path: Path, is_defined: bool
) -> None:
    """A guest of Xen, or one whose libvirt is on another machine."""
    config = tmp_path / "definition.xml"
    if is_defined:
        config.write_text(f"<domain type='xen'><name>guest2</name><uuid>{EDITED}</uuid></domain>")
    else:
        record.store(RESOURCE, Record(Identity("guest2", EDITED, is_qemu=False), Stage.RUNNING))
    found = qemu_processes.look(ProcessTable(), RESOURCE, EDITED, str(config))
    assert found.doubt == (Objection.FOREIGN, "guest2 is no QEMU of this host")


def define(directory: Path, name: str, uuid: str = EDITED) -> str:
    path = directory / "definition.xml"
    path.write_text(f"<domain type='kvm'><name>{name}</name><uuid>{uuid}</uuid></domain>")
    return str(path)


def test_half_dead_qemu_lives(host: FakeProcessTable) -> None:
    half = host.start_half_dead_qemu("guest2", UUID)
    assert qemu_processes.look(ProcessTable(), RESOURCE, UUID, "").lives == (half.life,)


def test_sender_is_its_uuid_pid_and_start_time(host: FakeProcessTable) -> None:
    sender = host.start_qemu("guest1", OTHER)
    assert qemu_processes.is_alive(Sender(OTHER, sender.life))
    assert not qemu_processes.is_alive(Sender(UUID, sender.life))
    assert not qemu_processes.is_alive(Sender(OTHER, Life(sender.pid, 1)))
    sender.end()
    assert not qemu_processes.is_alive(Sender(OTHER, sender.life))


def remember(stage: Stage, life: Life | None = None) -> None:
    record.store(RESOURCE, Record(Identity("guest2", UUID, is_qemu=True), stage, life))


@pytest.fixture
def _all_are_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qemu_processes, "YOUNG_S", 0.0)


@pytest.mark.usefixtures("_all_are_old")
@pytest.mark.parametrize(
    ("stage", "incoming", "dies"),
    [
        (Stage.CREATING, False, True),
        (Stage.CREATING, True, False),
        # libvirt boots a guest afresh whose saved memory it can't read.
        (Stage.RESTORING, False, True),
        (Stage.RESTORING, True, False),
        (Stage.RESUMING, False, False),
        (Stage.RUNNING, False, False),
    ],
)
def test_abandoned_creates(
    host: FakeProcessTable, stage: Stage, incoming: bool, dies: bool
) -> None:
    abandoned = host.start_qemu("guest2", UUID, incoming=incoming)
    remember(stage)
    with record.lock(RESOURCE, Deadline(1)):
        # A start is under way.
        qemu_processes.kill_abandoned_creates([RESOURCE, "prmVMCTL_guest1"])
    assert host.living() == [abandoned]
    qemu_processes.kill_abandoned_creates([RESOURCE, "prmVMCTL_guest1"])
    assert host.living() == ([] if dies else [abandoned])


@pytest.mark.usefixtures("_all_are_old")
def test_a_start_whose_lock_was_removed_keeps_its_abandoned_create(host: FakeProcessTable) -> None:
    abandoned, start = host.start_qemu("guest2", UUID), host.start_agent("start", RESOURCE)
    remember(Stage.CREATING)
    qemu_processes.kill_abandoned_creates([RESOURCE])
    assert abandoned.lives
    start.end()
    qemu_processes.kill_abandoned_creates([RESOURCE])
    assert host.living() == []


@pytest.mark.parametrize(("has_run", "young_s"), [(True, 0.0), (False, 60.0)])
def test_a_guest_that_an_administrator_started_after_a_killed_start_lives(
    host: FakeProcessTable, monkeypatch: pytest.MonkeyPatch, has_run: bool, young_s: float
) -> None:
    """The mark of that start may be weeks old; running or paused by now, the guest has run. If it
    starts just now, libvirt, too, creates it paused before it lets it run."""
    monkeypatch.setattr(qemu_processes, "YOUNG_S", young_s)
    guest = host.start_qemu("guest2", UUID, has_run=has_run)
    remember(Stage.CREATING)
    qemu_processes.kill_abandoned_creates([RESOURCE])
    assert host.living() == [guest]
