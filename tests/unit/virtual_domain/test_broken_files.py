# SPDX-License-Identifier: GPL-2.0-or-later
"""What this host remembers can't be written, read or removed: what QEMU does decides all the same.

A directory stands where a file should be, or a file where a directory should, so that nobody can
write there, root included. tests/lab has disks that are full and read-only.
"""

from __future__ import annotations

import shutil
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agents.virtual_domain import fence, monitor, start
from pmkvm import run, settings
from pmkvm.errors import CommandTimeoutError
from pmkvm.fencing import debt as debts
from pmkvm.fencing.ban import Ban, to_xml
from pmkvm.fencing.debt import Debt
from pmkvm.process import Life
from pmkvm.run import Completed
from pmkvm.virt import record
from pmkvm.virt.record import Stage
from tests.unit.virtual_domain.fake_libvirtmod import RUNNING, FakeHypervisor
from tests.unit.virtual_domain.world import G1, ORDERS, UUID, World

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.unit.ocf.sample import Called

BAN_ID = "9c41d7e02b6f5a13"
OVER = Life(1, 1)
SOON_S = 0.3


def files_for_directories() -> None:
    for directory in (settings.domain_run_dir(), debts.directory()):
        shutil.rmtree(directory, ignore_errors=True)
        Path(settings.RUN_DIR).mkdir(exist_ok=True)
        Path(directory).touch()


def directories_for_files() -> None:
    """What is remembered can be neither read nor replaced nor removed."""
    for directory, names in (
        (settings.domain_run_dir(), ("vm1", "vm1%left")),
        (debts.directory(), ("vm1.debt",)),
    ):
        for name in names:
            path = Path(directory, name)
            path.unlink(missing_ok=True)
            path.mkdir(parents=True)


def no_run_directory() -> None:
    shutil.rmtree(settings.RUN_DIR, ignore_errors=True)
    Path(settings.RUN_DIR).touch()


def mend() -> None:
    path = Path(settings.RUN_DIR)
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


BREAKAGES = [files_for_directories, directories_for_files, no_run_directory]
broken = pytest.mark.parametrize("breaks", BREAKAGES)


class LocalCib:
    """What `cibadmin --query --local` finds of the resource vm1."""

    def __init__(self) -> None:
        self.answer = ""
        self.is_readable = True
        self.looks = 0
        # What happens as soon as it has answered.
        self.then: Callable[[], None] = lambda: None

    def ban(self, operation: str = "reset", lease_s: float = 60) -> None:
        end = int(time.time() + lease_s)
        self.answer = to_xml(Ban("vm1", operation, BAN_ID, "vm2", "5be0", "node1", UUID, end))

    def run(self, argv: Sequence[str], **_options: object) -> Completed:
        if argv[0] == "crm_node":
            return Completed(0, "node1 node2", "")
        assert argv[:3] == ("cibadmin", "--query", "--local")
        self.looks += 1
        if not self.is_readable:
            raise CommandTimeoutError("cibadmin did not end")
        answer = Completed(0, self.answer, "") if self.answer else Completed(105, "", "")
        self.then()
        return answer


@pytest.fixture
def cib(monkeypatch: pytest.MonkeyPatch) -> LocalCib:
    local = LocalCib()
    monkeypatch.setattr(run, "run", local.run)
    monkeypatch.setattr(fence, "LOOK_S", 0.05)
    monkeypatch.setattr(start, "_FILE_PAUSE_S", 0.05)
    return local


def by_pacemaker(world: World, action: str, timeout_s: float = 30, **parameters: str) -> Called:
    return world.act(action, timeout_s=timeout_s, CRM_meta_on_node="node1", **parameters)


def recurring(world: World) -> Called:
    return by_pacemaker(world, "monitor", CRM_meta_interval="10000")


# --- monitor


@broken
def test_a_healthy_guest_is_well_whatever_files_say(
    world: World, breaks: Callable[[], None]
) -> None:
    world.guest()
    breaks()
    for called in (recurring(world), world.probe(), recurring(world)):
        assert called.rc == 0, called.err
    assert len(world.table.living()) == 1


def test_a_guest_whose_memory_was_deleted_is_remembered_anew(world: World) -> None:
    qemu = world.qemu_of(world.guest())
    assert recurring(world).rc == 0
    mend()
    assert recurring(world).rc == 0
    assert world.remembered == (G1, Stage.RUNNING, qemu.life)


@pytest.mark.parametrize(("now", "lines"), [(1200.0, 1), (1209.9, 1), (1210.0, 0), (1799.0, 0)])
def test_a_recurring_monitor_says_so_every_ten_minutes(
    world: World, monkeypatch: pytest.MonkeyPatch, now: float, lines: int
) -> None:
    world.guest()
    files_for_directories()
    monkeypatch.setattr(time, "time", lambda: now)
    assert recurring(world).err.count("not written down") == lines
    # A person, or a probe, is told each time.
    assert world.probe().err.count("not written down") == 1


# --- a guest that is dead, without a debt


@pytest.mark.parametrize("operation", ["reset", "off", "settle"])
@broken
def test_a_guest_killed_where_no_debt_can_be_written_is_not_missed_under_its_ban(
    world: World, cib: LocalCib, breaks: Callable[[], None], operation: str
) -> None:
    world.qemu_of(world.guest()).end()
    breaks()
    cib.ban(operation)
    called = recurring(world)
    assert called.rc == 0
    assert f"being fenced under ban {BAN_ID}" in called.err
    assert cib.looks == 1


def test_probes_people_and_monitors_of_the_stopped_role_tell_the_truth(
    world: World, cib: LocalCib
) -> None:
    cib.ban()
    stopped = {"CRM_meta_interval": "10000", "CRM_meta_role": "Stopped"}
    assert by_pacemaker(world, "monitor", CRM_meta_interval="0").rc == 7
    assert world.act("monitor", stopped, CRM_meta_on_node="node1").rc == 7
    assert world.act("monitor", CRM_meta_interval="10000").rc == 7
    assert cib.looks == 0


@pytest.mark.parametrize("lease_s", [None, -1])
def test_a_guest_that_died_by_itself_is_missed_at_once(
    world: World, cib: LocalCib, lease_s: float | None
) -> None:
    if lease_s is not None:
        cib.ban(lease_s=lease_s)
    assert recurring(world).rc == 7
    assert cib.looks == 1


def test_a_cib_that_can_t_be_read_may_hold_a_ban(
    world: World, cib: LocalCib, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitor, "_PATIENCE_S", 0.3)
    cib.is_readable = False
    called = recurring(world)
    assert called.rc == 0
    assert "which may hold a ban" in called.err
    cib.is_readable = True
    assert recurring(world).rc == 7


def test_the_debt_of_an_earlier_life_says_nothing_of_the_last_one(
    world: World, cib: LocalCib
) -> None:
    """A stop could not remove it, and the guest has run here again since."""
    qemu = world.qemu_of(world.guest())
    assert recurring(world).rc == 0
    debts.store("vm1", Debt("0" * 16, UUID, OVER, time.monotonic()))
    qemu.end()
    assert recurring(world).rc == 7
    assert cib.looks == 1
    debts.store("vm1", Debt("0" * 16, UUID, qemu.life, time.monotonic()))
    assert recurring(world).rc == 0


# --- stop


@pytest.mark.usefixtures("cib")
@broken
@pytest.mark.parametrize("force_stop", ["yes", "no"])
def test_a_stop_ends_with_0_when_qemu_is_dead(
    world: World, breaks: Callable[[], None], force_stop: str
) -> None:
    qemu = world.qemu_of(world.guest())
    assert recurring(world).rc == 0
    breaks()
    called = by_pacemaker(world, "stop", force_stop=force_stop)
    assert (called.rc, called.reason) == (0, "")
    assert not qemu.lives
    assert by_pacemaker(world, "stop").rc == 0


def test_a_stop_says_what_it_could_not_remove(world: World) -> None:
    directories_for_files()
    called = world.act("stop")
    assert called.rc == 0
    assert "what is remembered of it stays" in called.err
    assert "the debt of its fence stays" in called.err


@broken
def test_a_stop_under_a_ban_loses_no_time(
    world: World, cib: LocalCib, breaks: Callable[[], None]
) -> None:
    world.guest().honours_shutdown = False
    breaks()
    cib.ban()
    assert by_pacemaker(world, "stop", timeout_s=600).rc == 0
    assert world.table.living() == []
    assert world.here.called("virDomainShutdownFlags") == []


# --- start, before anything has begun


@pytest.mark.usefixtures("cib")
@broken
def test_a_start_goes_on_when_the_trouble_ends(world: World, breaks: Callable[[], None]) -> None:
    breaks()
    asked: list[str] = []
    world.here.watch = asked.append

    def end_the_trouble() -> None:
        asked.append("mended")
        mend()

    ending = threading.Timer(SOON_S, end_the_trouble)
    ending.start()
    called = by_pacemaker(world, "start")
    ending.join()
    assert (called.rc, called.reason) == (0, "")
    creates = [each for each in asked if each in ("mended", *ORDERS)]
    assert creates == ["mended", "virDomainCreateXML", "virDomainResume"]
    world.assert_started()


@pytest.mark.usefixtures("cib")
@broken
def test_a_start_says_at_its_deadline_what_it_waited_for(
    world: World, breaks: Callable[[], None]
) -> None:
    breaks()
    called = by_pacemaker(world, "start", timeout_s=4)
    assert called.rc == 1
    assert called.reason.startswith("not started: ")
    assert str(settings.RUN_DIR) in called.reason
    assert world.here.called(*ORDERS) == []


@broken
def test_a_ban_ends_the_wait(world: World, cib: LocalCib, breaks: Callable[[], None]) -> None:
    """A fence is not kept waiting by a start that waits for a disk."""
    breaks()
    threading.Timer(SOON_S, cib.ban).start()
    began = time.monotonic()
    assert by_pacemaker(world, "start", timeout_s=600).rc == 0
    assert time.monotonic() - began < 10
    assert world.here.called(*ORDERS) == []


@pytest.mark.usefixtures("cib")
def test_a_debt_of_the_life_before_is_waited_for(world: World) -> None:
    """It may not stand beside the new life, and may not be taken for a fence of it."""
    path = Path(debts.directory(), "vm1.debt")
    path.mkdir(parents=True)
    threading.Timer(SOON_S, path.rmdir).start()
    assert by_pacemaker(world, "start").rc == 0
    world.assert_started()


@pytest.mark.usefixtures("cib")
def test_no_memory_is_restored_before_that_is_written_down(world: World, tmp_path: Path) -> None:
    """Without the word, the shell of a killed restore would pass for a guest that arrives."""
    world.guest()
    assert by_pacemaker(world, "stop", snapshot=str(tmp_path)).rc == 0
    restored: list[str] = []

    def watch(function: str) -> None:
        if function == "virDomainLookupByName" and not restored:
            restored.append("broken")
            files_for_directories()
            threading.Timer(SOON_S, mend).start()
        if function == "virDomainRestoreFlags":
            restored.append(world.stage)

    world.here.watch = watch
    assert by_pacemaker(world, "start", snapshot=str(tmp_path)).rc == 0
    assert restored == ["broken", "RESTORING"]
    world.assert_started()


# --- start, past its create


@pytest.mark.usefixtures("cib")
@pytest.mark.parametrize(
    "moment", ["virDomainCreateXML", "virDomainGetUUIDString", "virDomainResume"]
)
@broken
def test_a_start_past_its_create_ends_well(
    world: World, breaks: Callable[[], None], moment: str
) -> None:
    def watch(function: str) -> None:
        if function == moment:
            world.here.watch = lambda _function: None
            breaks()

    world.here.watch = watch
    called = by_pacemaker(world, "start")
    assert (called.rc, called.reason) == (0, "")
    assert "not written down that it is here" in called.err
    domain = world.here.domains["g1"]
    assert domain.state == RUNNING
    assert len(world.table.living()) == 1


def test_a_guest_that_runs_beside_the_mark_of_its_create_is_no_shell(world: World) -> None:
    """Neither RESUMING nor RUNNING could be written."""
    domain = world.guest()
    world.qemu_of(domain).end()
    domain.qemu = world.table.start_qemu("g1", UUID, has_run=True)
    world.remember(Stage.CREATING)
    assert world.probe().rc == 0
    assert domain.qemu.lives
    assert world.stage == "RUNNING"


# --- migrations


def leave(world: World) -> Called:
    node2 = {"CRM_meta_migrate_target": "node2", "migration_transport": "tcp"}
    return world.act("migrate_to", node2, CRM_meta_on_node="node1")


@pytest.mark.usefixtures("cib")
@broken
def test_a_guest_leaves(world: World, there: FakeHypervisor, breaks: Callable[[], None]) -> None:
    world.guest()
    breaks()
    called = leave(world)
    assert (called.rc, called.reason) == (0, "")
    assert there.domains["g1"].state == RUNNING
    assert world.table.living() == []


@pytest.mark.usefixtures("cib")
@broken
def test_a_guest_arrives(world: World, breaks: Callable[[], None]) -> None:
    world.guest()
    breaks()
    called = by_pacemaker(world, "migrate_from", CRM_meta_migrate_source="node2")
    assert (called.rc, called.reason) == (0, "")


@pytest.mark.usefixtures("cib")
def test_a_debt_that_could_not_be_removed_is_no_fence_of_a_guest_that_arrives(
    world: World,
) -> None:
    qemu = world.qemu_of(world.guest())
    debts.store("vm1", Debt("0" * 16, UUID, OVER, time.monotonic()))
    called = by_pacemaker(world, "migrate_from", CRM_meta_migrate_source="node2")
    assert called.rc == 0
    assert "being fenced" not in called.err
    assert world.remembered == (G1, Stage.RUNNING, qemu.life)


@broken
def test_an_action_under_a_ban_ends_with_0_without_a_debt(
    world: World, cib: LocalCib, breaks: Callable[[], None]
) -> None:
    world.guest()
    breaks()
    cib.ban()
    called = leave(world)
    assert called.rc == 0
    assert f"the debt of ban {BAN_ID} can't be written" in called.err
    assert world.table.living() == []


def test_a_guest_that_a_fence_kills_as_it_is_to_leave_is_not_missed(
    world: World, cib: LocalCib
) -> None:
    """Between the look for a ban and the look at the guest; and no debt could be written."""
    qemu = world.qemu_of(world.guest())

    def kill() -> None:
        cib.ban()
        qemu.end()

    cib.then = kill
    assert by_pacemaker(world, "migrate_to", CRM_meta_migrate_target="node2").rc == 0


@pytest.mark.usefixtures("cib")
def test_a_record_that_stays_is_replaced_by_the_next_start(world: World) -> None:
    world.remember(Stage.RUNNING, OVER)
    assert by_pacemaker(world, "start").rc == 0
    world.assert_started()
    assert record.load("vm1") is not None
