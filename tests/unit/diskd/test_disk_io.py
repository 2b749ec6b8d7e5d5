# SPDX-License-Identifier: GPL-2.0-or-later
"""A block that is read, and a file that is written."""

from __future__ import annotations

import errno
import fcntl
import os
from typing import TYPE_CHECKING, Any

import pytest

from daemons.diskd import disk_io
from daemons.diskd.disk_io import BLOCK, NOT_DIRECT

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    path = tmp_path / "disk"
    path.write_bytes(bytes(16 * BLOCK))
    return path


def refuse_direct(monkeypatch: pytest.MonkeyPatch) -> None:
    real = fcntl.fcntl

    def called(descriptor: int, command: int, argument: int = 0) -> int:
        if command == fcntl.F_SETFL and argument & os.O_DIRECT:
            raise OSError(errno.EINVAL, "Invalid argument")
        return real(descriptor, command, argument)

    monkeypatch.setattr(fcntl, "fcntl", called)


def test_a_disk_is_read_and_written_past_the_cache(
    disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags: list[int] = []

    def noting(real: Any) -> Any:
        def call(descriptor: int, *arguments: Any) -> Any:
            flags.append(fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_DIRECT)
            return real(descriptor, *arguments)

        return call

    monkeypatch.setattr(os, "preadv", noting(os.preadv))
    monkeypatch.setattr(os, "pwritev", noting(os.pwritev))
    for io, path in ((disk_io.read, disk), (disk_io.write, disk.parent / "diskcheck")):
        # Some file system of a build host may refuse it: then that is said.
        said = io(str(path))
        assert said == ("" if flags[-1] else NOT_DIRECT)
    assert sorted(disk.parent.iterdir()) == [disk]


def test_where_the_file_system_refuses_that_it_is_done_without_and_said(
    disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_direct(monkeypatch)
    assert disk_io.read(str(disk)) == NOT_DIRECT
    assert disk_io.write(str(disk.parent / "diskcheck")) == NOT_DIRECT


def test_reads_are_of_many_blocks(disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offsets = set()
    real = os.preadv

    def noting(descriptor: int, buffers: Any, offset: int) -> int:
        offsets.add(offset)
        return real(descriptor, buffers, offset)

    monkeypatch.setattr(os, "preadv", noting)
    for _ in range(200):
        disk_io.read(str(disk))
    assert len(offsets) > 8
    assert {offset % BLOCK for offset in offsets} == {0}


@pytest.mark.parametrize("content", [None, b"", b"short"])
def test_a_disk_that_is_missing_or_empty_is_an_error(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "other"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(OSError, match="No such file" if content is None else "holds no block"):
        disk_io.read(str(path))


def test_nobody_waits_for_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="Illegal seek"):
        disk_io.read(str(tmp_path / "pipe"))


@pytest.mark.parametrize(
    ("result", "said"),
    [(OSError(errno.EIO, "Input/output error"), "Input/output"), (512, "512 bytes of 4096")],
)
def test_what_the_disk_does_not_give_or_take_is_an_error(
    disk: Path, monkeypatch: pytest.MonkeyPatch, result: object, said: str
) -> None:
    def fail(*_arguments: object) -> object:
        if isinstance(result, OSError):
            raise result
        return result

    for name in ("preadv", "pwritev"):
        monkeypatch.setattr(os, name, fail)
    with pytest.raises(OSError, match=said):
        disk_io.read(str(disk))
    with pytest.raises(OSError, match=said):
        disk_io.write(str(disk.parent / "diskcheck"))
    # Nothing is left behind.
    assert sorted(disk.parent.iterdir()) == [disk]


def test_a_name_that_others_can_foresee_is_not_written_to(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    (tmp_path / "diskcheck").symlink_to(victim)
    disk_io.write(str(tmp_path / "diskcheck"))
    assert victim.read_text() == "untouched"
