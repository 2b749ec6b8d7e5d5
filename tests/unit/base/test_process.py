# SPDX-License-Identifier: GPL-2.0-or-later
"""Lives, told apart by start time and proven over by a pidfd; the processes are real."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from typing import TYPE_CHECKING

import pytest

from pmkvm import process, settings
from pmkvm.process import Life, Pidfd
from tests.unit import exhaustion
from tests.unit.virt.fake_qemu import FakeProcessTable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

UUID = "11111111-2222-3333-4444-555555555555"


@pytest.fixture
def host(tmp_path: Path) -> Iterator[FakeProcessTable]:
    table = FakeProcessTable(tmp_path)
    yield table
    table.close()


def with_another_start(life: Life) -> Life:
    return life._replace(start_time=life.start_time + 1)


def test_this_process_lives_and_knows_itself() -> None:
    life = process.life_of(os.getpid())
    assert life is not None
    assert life.pid == os.getpid()
    assert process.is_alive(life)
    assert not process.is_zombie(os.getpid())


def test_a_process_is_as_old_as_it_is(host: FakeProcessTable) -> None:
    assert 0 <= process.age_s(host.start_other().life) < 60
    one = process.life_of(1)
    assert one is not None
    assert process.age_s(one) > process.age_s(Life(1, one.start_time + 1))


def test_nobody_has_a_pid_that_is_not_there(host: FakeProcessTable) -> None:
    child = host.start_other()
    child.end()
    assert process.life_of(child.pid) is None
    assert not process.is_alive(child.life)
    assert not process.is_zombie(child.pid)


def test_a_killed_child_is_dead_before_anybody_reaps_it(host: FakeProcessTable) -> None:
    child = host.start_other()
    with Pidfd(child.life) as pidfd:
        assert not pidfd.wait_dead(0)
        pidfd.send(signal.SIGKILL)
        assert pidfd.wait_dead(10)
    assert process.is_zombie(child.pid)
    assert process.life_of(child.pid) == child.life
    assert not process.is_alive(child.life)


def test_a_zombie_with_a_living_thread_is_alive(host: FakeProcessTable) -> None:
    child = host.start_half_dead_qemu("g1", UUID)
    assert process.is_zombie(child.pid)
    assert process.is_alive(child.life)
    with Pidfd(child.life) as pidfd:
        assert not pidfd.is_dead()
        pidfd.send(signal.SIGKILL)
        assert pidfd.wait_dead(10)
    assert not process.is_alive(child.life)


def test_a_reused_pid_is_another_life_and_is_never_signalled(host: FakeProcessTable) -> None:
    child = host.start_other()
    reused = with_another_start(child.life)
    assert not process.is_alive(reused)
    with Pidfd(reused) as pidfd:
        assert pidfd.is_dead()
        pidfd.send(signal.SIGKILL)
    assert child.lives
    assert process.is_alive(child.life)


def test_a_pid_that_a_thread_has_now_is_no_life() -> None:
    """Threads take their numbers from the same pool; a pidfd of one is refused by the kernel."""
    release = threading.Event()
    thread = threading.Thread(target=release.wait)
    thread.start()
    try:
        assert thread.native_id is not None
        assert not process.is_alive(Life(thread.native_id, 1))
    finally:
        release.set()
        thread.join()


def test_a_signal_after_the_end_is_no_error(host: FakeProcessTable) -> None:
    child = host.start_other()
    with Pidfd(child.life) as pidfd:
        child.end()
        pidfd.send(signal.SIGTERM)
        assert pidfd.is_dead()


def test_a_name_with_brackets_and_blanks_does_not_shift_the_fields(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rest = " ".join(str(number) for number in range(4, 53))
    (tmp_path / "42").mkdir()
    (tmp_path / "42" / "stat").write_bytes(b"42 (a) R 1 (\xff) Z " + rest.encode() + b"\n")
    monkeypatch.setattr(settings, "PROC", str(tmp_path))
    assert process.is_zombie(42)
    # proc(5): starttime is field 22.
    assert process.life_of(42) == Life(42, 22)


def test_a_kernel_that_refuses_a_pidfd_is_an_error_and_no_death(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_pid: int) -> int:
        raise OSError(24, "Too many open files")

    life = process.life_of(os.getpid())
    assert life is not None
    monkeypatch.setattr(os, "pidfd_open", refuse)
    with pytest.raises(OSError, match="Too many"):
        process.is_alive(life)


def test_no_descriptor_is_left_open(host: FakeProcessTable) -> None:
    child = host.start_other()
    before = os.listdir("/proc/self/fd")
    process.is_alive(child.life)
    process.is_alive(with_another_start(child.life))
    with contextlib.suppress(ValueError), Pidfd(child.life):
        raise ValueError
    assert os.listdir("/proc/self/fd") == before


@pytest.mark.parametrize("room", [0, 1])
def test_without_descriptors_nobody_is_dead_and_none_is_lost(
    host: FakeProcessTable, room: int
) -> None:
    """One is enough for the pidfd, and not for the look behind it."""
    child = host.start_other()
    before = exhaustion.descriptors()
    with exhaustion.no_descriptors(room):
        for _ in range(3):
            with pytest.raises(OSError, match="Too many open files"):
                process.is_alive(child.life)
    assert exhaustion.descriptors() == before
    assert process.is_alive(child.life)
