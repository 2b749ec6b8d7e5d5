# SPDX-License-Identifier: GPL-2.0-or-later
"""This host's debts, and what becomes of them where files can't be written, read or removed."""

from __future__ import annotations

import errno
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from daemons.vm_stonithd.host import qemu_processes
from daemons.vm_stonithd.host.pending_stop_files import Ledger
from daemons.vm_stonithd.model.actions import RemoveDebt, TouchDebt, WriteDebt
from pmkvm import settings
from pmkvm.deadline import Deadline
from pmkvm.fencing import pending_stop as debts
from pmkvm.fencing.pending_stop import Debt
from pmkvm.virt import record
from tests.unit.virt.fake_qemu import process_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pmkvm.process import Life
    from tests.unit.virt.fake_qemu import FakeProcessTable

RESOURCE, UUID, OTHER = "prmVMCTL_guest2", "aaaa-2", "aaaa-1"


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeProcessTable]:
    with process_table(tmp_path, monkeypatch) as table:
        Path(settings.RUN_DIR).mkdir()
        yield table


def owed(life: Life | None = None, age_s: float = 0, ban_id: str = "9c41") -> Debt:
    # As a file has it.
    return Debt(ban_id, UUID, life, round(time.monotonic() - age_s, 3))


def break_debts() -> None:
    shutil.rmtree(debts.directory(), ignore_errors=True)
    Path(debts.directory()).touch()


def mend_debts() -> None:
    Path(debts.directory()).unlink()


def pin(resource: str) -> Path:
    """Its debt's file can be neither read nor written nor removed."""
    path = Path(debts.directory(), f"{resource}.debt")
    path.mkdir(parents=True)
    return path


def test_debts_are_changed_only_while_they_are_the_same(host: FakeProcessTable) -> None:
    target = host.start_qemu("guest2", UUID)
    ledger, debt = Ledger(), owed(target.life, age_s=100)
    ledger.change(WriteDebt(RESOURCE, debt))
    assert ledger.read() == {RESOURCE: (debt, (target.life,))}
    ledger.change(TouchDebt(RESOURCE, debt))
    touched = ledger.read()[RESOURCE][0]
    assert touched.stamp > debt.stamp + 50
    ledger.change(RemoveDebt(RESOURCE, debt._replace(ban_id="another")))
    assert list(ledger.read()) == [RESOURCE]
    ledger.change(RemoveDebt(RESOURCE, debt))
    assert ledger.read() == {}
    assert ledger.troubles == []


@pytest.mark.usefixtures("host")
def test_a_debt_that_can_t_be_written_is_kept_until_it_can() -> None:
    ledger, debt = Ledger(), owed()
    break_debts()
    ledger.owe(RESOURCE, debt)
    assert ledger.read() == {RESOURCE: (debt, ())}
    mend_debts()
    assert debts.load(RESOURCE) is None
    assert ledger.read() == {RESOURCE: (debt, ())}
    assert debts.load(RESOURCE) == debt
    assert ledger.troubles == []


@pytest.mark.usefixtures("host")
def test_a_debt_in_memory_is_touched_and_paid_like_any_other() -> None:
    ledger, debt = Ledger(), owed(age_s=100)
    break_debts()
    ledger.change(WriteDebt(RESOURCE, debt))
    ledger.change(TouchDebt(RESOURCE, debt))
    touched = ledger.read()[RESOURCE][0]
    assert touched.stamp > debt.stamp + 50
    ledger.change(RemoveDebt(RESOURCE, debt._replace(ban_id="another")))
    assert list(ledger.read()) == [RESOURCE]
    ledger.change(RemoveDebt(RESOURCE, debt))
    assert ledger.read() == {}
    mend_debts()
    assert ledger.read() == {}
    assert debts.resources() == []


def test_a_debt_is_not_written_late_beside_a_start(host: FakeProcessTable) -> None:
    """The start has removed the debts of the life before, and would take it for a fence."""
    ledger, debt = Ledger(), owed()
    break_debts()
    ledger.owe(RESOURCE, debt)
    mend_debts()
    with record.lock(RESOURCE, Deadline(0)):
        assert list(ledger.read()) == [RESOURCE]
        assert debts.load(RESOURCE) is None
    # Nor beside the guest that it has started.
    life = host.start_qemu("guest2", UUID).life
    assert ledger.read() == {RESOURCE: (debt, (life,))}
    assert debts.load(RESOURCE) is None


@pytest.mark.usefixtures("host")
def test_what_an_action_wrote_meanwhile_counts() -> None:
    ledger = Ledger()
    break_debts()
    ledger.owe(RESOURCE, owed(age_s=1))
    mend_debts()
    later = owed(ban_id="later")
    debts.store(RESOURCE, later)
    assert ledger.read() == {RESOURCE: (later, ())}
    assert debts.load(RESOURCE) == later


@pytest.mark.usefixtures("host")
def test_a_file_that_can_t_be_replaced_does_not_hide_the_debt() -> None:
    ledger, debt = Ledger(), owed()
    path = pin(RESOURCE)
    ledger.owe(RESOURCE, debt)
    assert ledger.read() == {RESOURCE: (debt, ())}
    path.rmdir()
    ledger.read()
    assert debts.load(RESOURCE) == debt


@pytest.mark.usefixtures("host")
@pytest.mark.parametrize("content", [b"", b"\xff\xfe", None])
def test_one_debt_that_can_t_be_read_hides_no_other(content: bytes | None) -> None:
    ledger, debt = Ledger(), owed()
    ledger.owe("zz", debt)
    ledger.owe("aa", debt)
    path = Path(debts.directory(), "mm.debt")
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    assert set(ledger.read()) == {"aa", "zz"}


def test_one_debt_that_can_t_be_judged_hides_no_other(
    host: FakeProcessTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    lives_of = qemu_processes.lives_of

    def judge(resource: str, uuid: str) -> tuple[Life, ...]:
        if resource == "aa":
            raise OSError(errno.EMFILE, "Too many open files")
        return lives_of(resource, uuid)

    monkeypatch.setattr(qemu_processes, "lives_of", judge)
    other = host.start_qemu("guest1", OTHER)
    ledger = Ledger()
    ledger.owe("aa", owed())
    ledger.owe("zz", owed()._replace(uuid=OTHER))
    found = ledger.read()
    assert {name: lives for name, (_debt, lives) in found.items()} == {"zz": (other.life,)}
    assert "aa: its debt can't be judged" in ledger.troubles[0]


def test_a_qemu_without_a_name_makes_no_debt_unreadable(host: FakeProcessTable) -> None:
    host.start_qemu("", OTHER)
    ledger = Ledger()
    ledger.owe("aa", owed())
    assert ledger.read()["aa"][1] == ()
    assert ledger.troubles == []


@pytest.mark.usefixtures("host")
def test_each_trouble_is_logged_once_and_shown_while_it_lasts(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    ledger, debt = Ledger(), owed()
    break_debts()
    ledger.owe(RESOURCE, debt)
    for _ in range(3):
        ledger.read()
        ledger.owe(RESOURCE, debt)
    unlisted, unwritten = ledger.troubles
    assert "this host's debts can't be listed" in unlisted
    assert f"{RESOURCE}: its debt is kept in memory alone" in unwritten
    assert sorted(each.getMessage() for each in caplog.records) == sorted([unlisted, unwritten])
    caplog.clear()
    mend_debts()
    ledger.read()
    assert ledger.troubles == []
    assert sorted(each.getMessage() for each in caplog.records) == sorted(
        [f"no more: {unlisted}", f"no more: {unwritten}"]
    )
