# SPDX-License-Identifier: GPL-2.0-or-later
"""The file of what is recorded: whole lines or none, and nobody waits for it."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import stat
import threading
from typing import TYPE_CHECKING

import pytest

from daemons.vm_stonithd.host import record_file
from daemons.vm_stonithd.host.record_file import RecordFile, append
from pmkvm import settings
from pmkvm.fencing import record
from pmkvm.fencing.record import PARTICIPANT, Record
from tests.unit.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ONE = Record(1.5, "host1", PARTICIPANT, "reset", "guest2", "OK", "no QEMU here")
LINE = record.encode(ONE).encode()


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(settings, "FENCE_RECORDS", str(tmp_path / "fences.jsonl"))
    return tmp_path / "fences.jsonl"


def test_lines_are_added_to_a_file_of_root_s_alone(path: Path) -> None:
    append(str(path), b"one\n")
    append(str(path), b"two\n")
    assert path.read_bytes() == b"one\ntwo\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_line_that_was_cut_off_spoils_no_other(path: Path) -> None:
    path.write_bytes(b"one\ntw")
    append(str(path), b"three\n")
    assert path.read_bytes() == b"one\ntw\nthree\n"


def test_a_disk_that_takes_half_a_line_keeps_none_of_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_bytes(b"one\n")
    write = os.write
    monkeypatch.setattr(os, "write", lambda where, line: write(where, line[:3]))
    with pytest.raises(OSError, match="No space left") as caught:
        append(str(path), b"second\n")
    assert caught.value.errno == errno.ENOSPC
    assert path.read_bytes() == b"one\n"


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: os.symlink("elsewhere", path), os.mkdir])
def test_what_is_no_file_is_not_written_to(path: Path, make: Callable[[str], None]) -> None:
    make(str(path))
    with pytest.raises(OSError, match=r"."):
        append(str(path), LINE)
    assert not path.with_name("elsewhere").exists()


async def test_records_are_written_in_their_order(path: Path) -> None:
    made = RecordFile()
    task = asyncio.get_running_loop().create_task(made.run())
    wanted = [ONE._replace(at=float(at)) for at in range(5)]
    for each in wanted:
        made.add(each)
    await until(lambda: path.exists() and len(path.read_text().splitlines()) == len(wanted))
    task.cancel()
    assert list(record.parse(path.read_text())) == wanted


async def test_a_disk_that_hangs_loses_records_and_says_so_once(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    goes_on, real = threading.Event(), record_file.append

    def hang(where: str, line: bytes) -> None:
        goes_on.wait(30.0)
        real(where, line)

    monkeypatch.setattr(record_file, "append", hang)
    monkeypatch.setattr(record_file, "APPEND_S", 0.05)
    caplog.set_level(logging.INFO)
    made = RecordFile()
    task = asyncio.get_running_loop().create_task(made.run())
    for _ in range(3):
        made.add(ONE)
    await until(lambda: "hang" in made.trouble)
    assert made.trouble.startswith(f"{path}: fences are not recorded: ")
    goes_on.set()
    await until(path.exists)
    monkeypatch.setattr(record_file, "APPEND_S", 5.0)
    await until(lambda: tried(made))
    task.cancel()
    told = [each.message for each in caplog.records]
    assert len(told) == 2
    assert "fences are not recorded: out of time while recording a fence" in told[0]
    assert "fences are recorded again, 3 records are lost" in told[1]


def tried(made: RecordFile) -> bool:
    """Whether one has been written since."""
    if made.trouble and made._waiting.empty():
        made.add(ONE)
    return not made.trouble


async def test_a_full_disk_loses_records_and_says_so_once(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.mkdir()
    made = RecordFile()
    task = asyncio.get_running_loop().create_task(made.run())
    for _ in range(3):
        made.add(ONE)
    await until(lambda: made._lost == 3)
    task.cancel()
    assert len(caplog.records) == 1
    assert "Is a directory" in made.trouble


async def test_of_too_many_that_wait_some_are_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_file, "MOST_WAITING", 2)
    made = RecordFile()
    for _ in range(4):
        made.add(ONE)
    assert made._lost == 2
    assert "too many wait" in made.trouble
