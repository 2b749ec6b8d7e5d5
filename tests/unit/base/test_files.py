# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from pmkvm import files
from pmkvm.deadline import Deadline
from pmkvm.errors import DeadlineError

if TYPE_CHECKING:
    from pathlib import Path


def test_a_bound_reserves_no_memory(tmp_path: Path) -> None:
    """Python would, for one read: a host that has little left lost its agents by that."""
    (tmp_path / "file").write_bytes(b"x" * 40_000)
    assert files.read_beginning(str(tmp_path / "file"), 1 << 60) == b"x" * 40_000
    assert files.read_beginning(str(tmp_path / "file"), 30_000) == b"x" * 30_000


def test_text_is_read_a_missing_file_is_none_and_other_trouble_an_error(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert files.read_text(str(path)) is None
    path.write_text("caf\u00e9\n", encoding="utf-8")
    assert files.read_text(str(path)) == "caf\u00e9\n"
    with pytest.raises(IsADirectoryError):
        files.read_text(str(tmp_path))


def test_a_file_in_the_place_of_a_directory_holds_no_other(tmp_path: Path) -> None:
    (tmp_path / "domains").touch()
    path = str(tmp_path / "domains" / "g1")
    assert files.read_text(path) is None
    files.remove(path)
    with pytest.raises(NotADirectoryError):
        files.write_atomically(path, "text")


def test_what_is_too_long_is_an_error_and_not_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.write(b"beginning")
        file.truncate(1 << 40)
    assert files.read_beginning(str(path), 9) == b"beginning"
    for read in (files.read_text, lambda name: files.read_whole(name, 9)):
        with pytest.raises(OSError, match="longer than") as error:
            read(str(path))
        assert error.value.errno == errno.EFBIG
    path.write_bytes(b"beginning")
    assert files.read_whole(str(path), 9) == b"beginning"


@pytest.mark.parametrize("is_open", [False, True])
def test_a_pipe_is_empty_and_nobody_is_waited_for(tmp_path: Path, is_open: bool) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    descriptor = os.open(path, os.O_RDWR) if is_open else -1
    try:
        assert files.read_text(str(path)) == ""
    finally:
        if is_open:
            os.close(descriptor)


def test_a_file_is_its_owner_s_only_and_replaced_as_a_whole(tmp_path: Path) -> None:
    """Who has the old one open goes on reading the old one."""
    path = tmp_path / "file"
    files.write_atomically(str(path), "a long old text\n")
    assert path.read_text() == "a long old text\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with path.open() as reader:
        files.write_atomically(str(path), "new\n")
        assert reader.read() == "a long old text\n"
    assert path.read_text() == "new\n"
    assert os.listdir(tmp_path) == ["file"]


def test_a_text_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "file"
    files.write_atomically(str(path), "old\n")
    with pytest.raises(UnicodeEncodeError):
        files.write_atomically(str(path), "a lone surrogate: \udc80")
    assert path.read_text() == "old\n"
    assert os.listdir(tmp_path) == ["file"]


def test_a_target_that_cannot_be_replaced_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    with pytest.raises(OSError, match="directory"):
        files.write_atomically(str(tmp_path / "file"), "text")
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("name", ["file.{pid}.new", "file.new", ".file.new"])
def test_no_name_that_others_can_foresee_is_in_the_way(tmp_path: Path, name: str) -> None:
    """Neither a link that leads elsewhere, nor a file that somebody holds open."""
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    (tmp_path / name.format(pid=os.getpid())).symlink_to(victim)
    files.write_atomically(str(tmp_path / "file"), "text")
    assert victim.read_text() == "untouched"
    assert (tmp_path / "file").read_text() == "text"


def test_each_temporary_name_is_another_one_and_beside_its_file(tmp_path: Path) -> None:
    path = str(tmp_path / "file")
    names = {files.temporary_name(path) for _ in range(100)}
    assert len(names) == 100
    assert {os.path.dirname(name) for name in names} == {str(tmp_path)}


def test_what_a_killed_writer_has_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    others = ["file", "file.new", "file.1.new", "file2.0123456789abcdef.new", "new"]
    for name in (*others, os.path.basename(files.temporary_name(str(path)))):
        (tmp_path / name).touch()
    files.remove_temporary(str(path))
    assert sorted(os.listdir(tmp_path)) == sorted(others)


@pytest.mark.parametrize("kind", ["file", "link", "dangling link"])
def test_a_new_file_is_never_one_that_is_there_already(tmp_path: Path, kind: str) -> None:
    path, victim = tmp_path / "new", tmp_path / "victim"
    if kind == "file":
        path.write_text("somebody's")
    else:
        path.symlink_to(victim)
        if kind == "link":
            victim.touch()
    with pytest.raises(FileExistsError):
        files.create(str(path), 0o600)
    assert victim.exists() == (kind == "link")


def test_removing_what_is_not_there_is_no_error_and_what_stays_is_one(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    files.remove(str(path))
    assert not path.exists()
    files.remove(str(path))
    with pytest.raises(OSError, match=tmp_path.name):
        files.remove(str(tmp_path))
    assert tmp_path.exists()


CRAMPED = """\
import resource, sys
from pmkvm.files import write_atomically
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
try:
    write_atomically(sys.argv[1], "text")
except OSError as error:
    print(error.filename)
"""


def test_a_file_that_finds_no_room_is_named_and_the_old_one_stays(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old\n")
    argv = [sys.executable, "-B", "-c", CRAMPED, str(path)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == f"{path}\n"
    assert path.read_text() == "old\n"
    assert os.listdir(tmp_path) == ["file"]


def test_a_lock_is_held_once_and_is_free_afterwards_and_after_an_error(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    with files.Lock(path, Deadline(60)):
        with pytest.raises(DeadlineError, match="lock is held by another process"):
            files.Lock(path, Deadline(0)).__enter__()
        # A deadline in the future is waited for.
        with pytest.raises(DeadlineError):
            files.Lock(path, Deadline(0.1)).__enter__()
    with pytest.raises(ValueError, match="inside"), files.Lock(path, Deadline(0)):
        raise ValueError("inside")
    with files.Lock(path, Deadline(0)):
        pass


def test_a_lock_whose_file_is_removed_keeps_nobody_waiting(tmp_path: Path) -> None:
    """It is on a file that nobody else will ever open; the next one is made at the path."""
    path = tmp_path / "lock"
    taken = threading.Event()

    def wait() -> None:
        with files.Lock(str(path), Deadline(20)):
            taken.set()
            with pytest.raises(DeadlineError):
                files.Lock(str(path), Deadline(0)).__enter__()

    with files.Lock(str(path), Deadline(0)) as lost:
        waiting = threading.Thread(target=wait)
        waiting.start()
        assert not taken.wait(0.2)
        assert lost.is_at_path()
        path.unlink()
        assert not lost.is_at_path()
        assert taken.wait(10)
        waiting.join()


def test_a_lock_that_is_only_looked_at_is_not_made(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with pytest.raises(FileNotFoundError):
        files.Lock(str(path), Deadline(0), makes_file=False).__enter__()
    path.touch()
    with files.Lock(str(path), Deadline(0), makes_file=False), pytest.raises(DeadlineError):
        files.Lock(str(path), Deadline(0)).__enter__()


HOLDER = """\
import sys
from pmkvm.deadline import Deadline
from pmkvm.files import Lock
with Lock(sys.argv[1], Deadline(0)):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_lock_ends_with_its_process_whatever_kills_it(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    with subprocess.Popen(
        [sys.executable, "-B", "-c", HOLDER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(DeadlineError):
            files.Lock(path, Deadline(0)).__enter__()
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        with files.Lock(path, Deadline(0)):
            pass
