# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether a start is under way, by its lock and where there is none by its process."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from pmkvm import settings
from pmkvm.deadline import Deadline
from pmkvm.errors import DeadlineError
from pmkvm.virt import record, starting

if TYPE_CHECKING:
    from tests.unit.virt.fake_qemu import FakeProcessTable

RESOURCE = "prmVMCTL_guest2"


def is_under_way() -> bool:
    try:
        with starting.held_off(RESOURCE):
            return False
    except DeadlineError:
        return True


@pytest.mark.usefixtures("host")
def test_a_lock_tells_while_it_is_held_and_can_t_be_had_while_a_start_is_held_off() -> None:
    assert not is_under_way()
    # Who only looks makes no lock: its file would speak for a start whose own was removed.
    assert not os.path.exists(settings.RUN_DIR)
    with record.lock(RESOURCE, Deadline(0)):
        assert is_under_way()
    assert not is_under_way()
    with starting.held_off(RESOURCE), pytest.raises(DeadlineError):
        record.lock(RESOURCE, Deadline(0)).__enter__()


def test_a_start_whose_lock_was_removed_is_seen(host: FakeProcessTable) -> None:
    start = host.start_agent("start", RESOURCE)
    with record.lock(RESOURCE, Deadline(0)):
        shutil.rmtree(settings.RUN_DIR)
        assert is_under_way()
    start.end()
    assert not is_under_way()


def test_a_file_in_the_place_of_the_directory_is_no_lock(host: FakeProcessTable) -> None:
    os.makedirs(settings.RUN_DIR)
    with open(settings.domain_run_dir(), "w", encoding="utf-8"):
        pass
    assert not is_under_way()
    host.start_agent("start", RESOURCE)
    assert is_under_way()


@pytest.mark.parametrize(
    ("action", "resource", "executable"),
    [
        ("stop", RESOURCE, ""),
        ("start", f"{RESOURCE}0", ""),
        # Somebody else's arguments, with root's rights or without.
        ("start", RESOURCE, "/bin/sh"),
    ],
)
def test_other_processes_are_no_start(
    host: FakeProcessTable, action: str, resource: str, executable: str
) -> None:
    host.start_agent(action, resource, executable)
    assert not is_under_way()


def test_a_process_table_that_can_t_be_read_is_no_answer(
    host: FakeProcessTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "PROC", str(host.directory / "nowhere"))
    with pytest.raises(FileNotFoundError):
        is_under_way()
