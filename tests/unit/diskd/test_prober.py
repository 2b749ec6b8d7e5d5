# SPDX-License-Identifier: GPL-2.0-or-later
"""Checks by a real child. That one outlives SIGKILL, as in the kernel's wait for a disk, is faked:
nobody sends it."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING

import pytest

from daemons.diskd.checker import Target
from daemons.diskd.prober import Prober
from pmkvm import process
from pmkvm.service.thread_calls import ThreadCalls
from tests.unit.vm_anything.world import state_of
from tests.unit.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.unit.diskd.world import World

# A busy machine may take long to run the child.
PATIENT_S, SOON_S = 60.0, 0.3


@contextlib.contextmanager
def prober(world: World, timeout_s: float = PATIENT_S, path: str = "") -> Iterator[Prober]:
    target = Target(path or str(world.disk), False, str(world.path("locks/disk.lock")))
    made = Prober(target, timeout_s, ThreadCalls(1))
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def unkillable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setattr(process.Pidfd, "send", lambda *_: None)
        yield


async def hang(made: Prober, world: World) -> int:
    """A check under way, which the child does not come back from; who that is."""
    # It is up: only the disk is waited for.
    assert (await made.attempt()).is_good
    (child,) = world.processes()
    made._timeout_s = SOON_S
    with world.file("stall"):
        answer = await made.attempt()
    assert (answer.is_good, answer.is_hanging) == (False, True)
    assert answer.reason == "it hangs: no answer in 0.3 s"
    made._timeout_s = PATIENT_S
    return child


async def has_ended(child: int) -> None:
    """A process on its way out has no command line any more, and is not yet dead."""
    await until(lambda: state_of(child) in ("Z", ""))


async def test_a_good_disk_is_checked_by_one_child(world: World) -> None:
    with prober(world) as made:
        assert (await made.attempt()).is_good
        (child,) = world.processes()
        assert (await made.attempt()).is_good
        assert world.processes() == [child]
        # Neither a stop nor a signal for the daemon finds it.
        assert os.getsid(child) == child
        with open(f"/proc/{child}/environ", "rb") as file:
            assert b"VM_ANYTHING" not in file.read()
    await until(lambda: not world.processes())


async def test_an_error_is_the_answer_and_the_child_stays(world: World) -> None:
    with prober(world, path=str(world.path("gone"))) as made:
        answer = await made.attempt()
        assert answer == (False, "No such file or directory", False)
        (child,) = world.processes()
        world.path("gone").write_bytes(bytes(8192))
        assert (await made.attempt()).is_good
        assert world.processes() == [child]


async def test_one_that_is_late_is_killed_and_another_one_checks(world: World) -> None:
    with prober(world) as made:
        await has_ended(await hang(made, world))
        assert (await made.attempt()).is_good
        assert made.hanging is None


@pytest.mark.usefixtures("unkillable")
async def test_while_one_outlives_its_kill_there_is_no_other(world: World) -> None:
    with prober(world) as made:
        child = await hang(made, world)
        for _ in range(3):
            answer = await made.attempt()
            assert answer.is_hanging
            assert answer.reason.startswith(f"it hangs: process {child} was killed ")
            assert world.processes() == [child]
        os.kill(child, signal.SIGKILL)
        await has_ended(child)
        assert (await made.attempt()).is_good
        assert child not in world.processes()


@pytest.mark.usefixtures("unkillable")
async def test_the_next_daemon_sends_no_second_one_either(world: World) -> None:
    with prober(world) as made:
        child = await hang(made, world)
    with prober(world) as made:
        for _ in range(2):
            answer = await made.attempt()
            assert answer == (False, "an earlier check of it still hangs", True)
        os.kill(child, signal.SIGKILL)
        await has_ended(child)
        assert (await made.attempt()).is_good


async def test_a_child_ends_with_its_daemon(world: World) -> None:
    with prober(world) as made:
        assert (await made.attempt()).is_good
        assert made._child is not None
        # What the kernel does for a daemon that was killed.
        (child,) = world.processes()
        made._child.socket.close()
        await has_ended(child)


async def test_a_child_that_was_killed_is_a_failed_attempt(world: World) -> None:
    with prober(world) as made:
        assert (await made.attempt()).is_good
        (child,) = world.processes()
        os.kill(child, signal.SIGKILL)
        await has_ended(child)
        assert (await made.attempt()).reason == "the process that checks it has ended"
        assert (await made.attempt()).is_good


async def test_a_child_that_can_not_be_started_is_one_too(world: World) -> None:
    world.program.unlink()
    with prober(world) as made:
        answer = await made.attempt()
    assert not answer.is_hanging
    assert answer.reason == f"it can't be checked: {world.program} is not installed"


async def test_without_a_lock_it_is_checked_all_the_same(world: World) -> None:
    world.path("locks").write_text("no directory")
    with prober(world) as made:
        assert (await made.attempt()).is_good
