# SPDX-License-Identifier: GPL-2.0-or-later
"""Real threads; the stuck ones wait for an event that the end of the test sets."""

from __future__ import annotations

import errno
import threading
import time
from typing import TYPE_CHECKING

import pytest

from pmkvm.service.far_files import FarFiles
from tests.unit import exhaustion

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENT_S, SOON_S = 120.0, 0.05


class Storage:
    """Has a file that can be read once it is back."""

    def __init__(self) -> None:
        self.back = threading.Event()
        self.entered = threading.Event()
        self.readers: list[int] = []

    def read(self) -> str:
        self.readers.append(threading.get_ident())
        self.entered.set()
        self.back.wait()
        return "text"


@pytest.fixture
def storage() -> Iterator[Storage]:
    made = Storage()
    yield made
    made.back.set()


def fail() -> str:
    raise FileNotFoundError(errno.ENOENT, "No such file or directory", "a")


def test_what_was_read_comes_back_and_nothing_is_kept() -> None:
    files = FarFiles()
    assert files.ask("a", lambda: "one", PATIENT_S) == "one"
    assert files.ask("a", lambda: "two", PATIENT_S) == "two"
    with pytest.raises(FileNotFoundError):
        files.ask("a", fail, PATIENT_S)
    assert files.hanging == []
    assert files._looks == {}


def test_one_thread_hangs_for_a_file_and_no_second(storage: Storage) -> None:
    files = FarFiles()
    with pytest.raises(OSError, match="does not answer in time") as error:
        files.ask("a", storage.read, SOON_S)
    assert (error.value.errno, error.value.filename) == (errno.ETIMEDOUT, "a")
    for _ in range(3):
        # At once: it would take longer than any test may.
        with pytest.raises(OSError, match="does not answer in time"):
            files.ask("a", storage.read, PATIENT_S)
    assert len(storage.readers) == 1
    assert files.hanging == ["a"]
    assert files.ask("b", lambda: "text", PATIENT_S) == "text"


def test_it_is_read_again_when_it_is_back(storage: Storage) -> None:
    files = FarFiles()
    with pytest.raises(OSError, match="does not answer in time"):
        files.ask("a", storage.read, SOON_S)
    storage.back.set()
    while files.hanging:
        time.sleep(0.01)
    assert files.ask("a", lambda: "new", PATIENT_S) == "new"
    assert files._looks == {}


def test_who_comes_while_another_reads_waits_and_reads_what_is_there_then(
    storage: Storage,
) -> None:
    files = FarFiles()
    said: list[str] = []
    other = threading.Thread(target=lambda: said.append(files.ask("a", storage.read, PATIENT_S)))
    other.start()
    assert storage.entered.wait(PATIENT_S)
    mine = threading.Thread(target=lambda: said.append(files.ask("a", lambda: "new", PATIENT_S)))
    mine.start()
    storage.back.set()
    for each in (other, mine):
        each.join()
    assert sorted(said) == ["new", "text"]
    assert len(storage.readers) == 1


def test_without_a_thread_the_caller_reads() -> None:
    files = FarFiles()
    with exhaustion.no_threads():
        assert files.ask("a", threading.get_ident, PATIENT_S) == threading.get_ident()
    assert files._looks == {}
