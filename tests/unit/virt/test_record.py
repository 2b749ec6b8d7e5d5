# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from pmkvm import settings
from pmkvm.deadline import Deadline
from pmkvm.errors import DeadlineError
from pmkvm.process import Life
from pmkvm.virt import record
from pmkvm.virt.identity import Identity
from pmkvm.virt.record import Record, Stage
from tests.unit.virt.fake_qemu import G1

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _run_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "RUN_DIR", str(tmp_path / "run"))


@pytest.mark.parametrize(
    "remembered",
    [
        Record(G1, Stage.CREATING),
        Record(G1, Stage.RESTORING),
        Record(G1, Stage.RESUMING),
        Record(G1, Stage.RUNNING, Life(4711, 123456789)),
        Record(Identity("a = b, c", "", is_qemu=False), Stage.RUNNING),
        Record(Identity("\u8a08\u7b97\u6a5f", "", is_qemu=True), Stage.CREATING),
    ],
)
def test_what_is_stored_is_loaded(remembered: Record) -> None:
    record.store("g1", remembered)
    assert record.load("g1") == remembered


def test_nothing_is_remembered_before_and_after_and_the_last_word_between() -> None:
    assert record.load("g1") is None
    record.forget("g1")
    record.store("g1", Record(G1, Stage.RUNNING, Life(1, 2)))
    record.store("g1", Record(G1, Stage.CREATING))
    assert record.load("g1") == Record(G1, Stage.CREATING)
    record.forget("g1")
    assert record.load("g1") is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"garbage",
        b"name=g1\nuuid=\nkind=qemu\n",
        b"name=g1\nuuid=\nkind=qemu\nstage=sleeping\n",
        b"name=g1\nuuid=\nkind=qemu\nstage=running\npid=x\nstart_time=1\n",
        b"name=g1\nuuid=\nkind=qemu\nstage=running\npid=1\n",
        b"name=\xff\xfe\nuuid=\nkind=qemu\nstage=running\n",
    ],
)
def test_what_cannot_be_understood_is_nothing(content: bytes) -> None:
    record.store("g1", Record(G1, Stage.CREATING))
    with open(f"{settings.domain_run_dir()}/g1", "wb") as file:
        file.write(content)
    assert record.load("g1") is None


def test_what_cannot_be_read_is_nothing(tmp_path: Path) -> None:
    (tmp_path / "run" / "domains" / "g1").mkdir(parents=True)
    assert record.load("g1") is None
    with pytest.raises(OSError, match="g1"):
        record.store("g1", Record(G1, Stage.CREATING))


def test_a_file_in_the_place_of_the_directory_remembers_nothing(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "domains").touch()
    assert record.load("g1") is None
    record.forget("g1")
    with pytest.raises(FileExistsError):
        record.store("g1", Record(G1, Stage.CREATING))
    with pytest.raises(FileExistsError):
        record.lock("g1", Deadline(0))


def test_only_root_may_look(tmp_path: Path) -> None:
    record.store("g1", Record(G1, Stage.CREATING))
    directory = tmp_path / "run" / "domains"
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert stat.S_IMODE((directory / "g1").stat().st_mode) == 0o600


def test_a_resources_id_does_not_leave_the_directory(tmp_path: Path) -> None:
    names = ["../g1", "%2F", "a/b", "a%2Fb", "..%2Fg1"]
    for number, name in enumerate(names):
        record.store(name, Record(G1._replace(name=f"g{number}"), Stage.CREATING))
    for number, name in enumerate(names):
        remembered = record.load(name)
        assert remembered is not None
        assert remembered.identity.name == f"g{number}"
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["domains"]


def test_a_lock_is_one_resources_own() -> None:
    with record.lock("g1", Deadline(0)), record.lock("g2", Deadline(0)):
        with pytest.raises(DeadlineError):
            record.lock("g1", Deadline(0)).__enter__()
        # Who only looks is not kept waiting.
        assert record.load("g1") is None


def test_a_lock_is_no_record_of_another_resource() -> None:
    with record.lock("g1", Deadline(0)):
        record.store("g1.lock", Record(G1, Stage.RUNNING))
        with pytest.raises(DeadlineError):
            record.lock("g1", Deadline(0)).__enter__()
    assert record.load("g1.lock") == Record(G1, Stage.RUNNING)
