# SPDX-License-Identifier: GPL-2.0-or-later
"""A host without a thread or without memory decides nothing about a guest, and kills as ever."""

from __future__ import annotations

import builtins
import errno
import itertools
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from pmkvm import settings
from pmkvm.ocf import agent
from tests.unit import exhaustion
from tests.unit.test_house_loaded import Host
from tests.unit.virtual_domain.fake_libvirtmod import RUNNING, SYSTEM, Trouble
from tests.unit.virtual_domain.world import UUID, World, migrate_to

if TYPE_CHECKING:
    from pathlib import Path


SOON_S = 0.5

pytestmark = pytest.mark.usefixtures("impatient", "soon_killed")


class NoMemory:
    """libvirt's calls of these names find none, so many times."""

    def __init__(self, world: World, times: int, *functions: str) -> None:
        self.left = times
        self._functions = functions
        world.here.watch = self._watch

    def _watch(self, function: str) -> None:
        if self.left and function in self._functions:
            self.left -= 1
            raise MemoryError


def test_without_a_thread_a_healthy_guest_runs(world: World) -> None:
    world.guest()
    with exhaustion.no_threads():
        called = world.act("monitor", timeout_s=5, CRM_meta_interval="10000")
    assert called.outcome == (0, "")


def test_without_a_thread_a_guest_that_is_gone_is_not_running(world: World) -> None:
    with exhaustion.no_threads():
        assert world.probe().rc == 7


def test_without_a_thread_a_stop_kills_and_proves_it(world: World) -> None:
    qemu = world.table.start_qemu("g1", UUID, deaf=True)
    world.guest(qemu=qemu)
    with exhaustion.no_threads():
        called = world.act("stop", timeout_s=4)
    assert called.outcome == (0, "")
    assert not qemu.lives
    assert "no thread can be started" in called.err


def test_a_start_waits_for_a_thread(world: World) -> None:
    began = time.monotonic()
    with exhaustion.no_threads(seconds=SOON_S):
        called = world.act("start")
    assert called.outcome == (0, "")
    assert time.monotonic() - began >= SOON_S
    world.assert_started()


def test_a_start_waits_for_a_thread_no_longer_than_it_may(world: World) -> None:
    # No other try follows, which would be cut short and have another reason.
    world.patch.setattr(agent, "_RETRY_S", 3.0)
    with exhaustion.no_threads():
        called = world.act("start", timeout_s=4)
    assert called.rc == 1
    assert "no thread can be started" in called.reason
    assert world.table.living() == []


def test_a_migration_waits_for_a_thread(world: World) -> None:
    world.guest()
    with exhaustion.no_threads(seconds=SOON_S):
        called = migrate_to(world)
    assert called.outcome == (0, "")
    assert "g1" in world.there.domains


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENOMEM, errno.EAGAIN])
def test_a_migration_waits_for_what_libvirt_lacks(world: World, number: int) -> None:
    """Here or at the other end. An error would have this host fenced for a moment's lack."""
    world.guest()
    trouble = Trouble(SYSTEM, f"Unable to open: {os.strerror(number)}", errno=number)
    world.here.script("virDomainMigrate3", trouble, trouble)
    called = migrate_to(world)
    assert called.outcome == (0, "")
    assert called.err.count(trouble.text) == 1
    assert "g1" in world.there.domains


def test_a_migration_waits_for_the_memory_to_load_libvirt(world: World) -> None:
    world.guest()
    tries = itertools.count(1)

    def load(*_arguments: object) -> None:
        if next(tries) < 4:
            raise ImportError("libvirt.so.0: failed to map segment from shared object")

    world.patch.setattr(world.libvirt, "virRegisterErrorHandler", load)
    assert migrate_to(world).outcome == (0, "")
    assert "g1" in world.there.domains


@pytest.mark.parametrize("function", ["virDomainGetState", "virDomainMigrate3"])
def test_a_migration_goes_on_when_there_is_memory(world: World, function: str) -> None:
    world.guest()
    NoMemory(world, 3, function)
    assert migrate_to(world).outcome == (0, "")
    assert "g1" in world.there.domains


@pytest.mark.parametrize("at", [1, 2])
def test_a_migration_that_can_t_look_at_a_process_for_a_moment_ends_well(
    world: World, at: int
) -> None:
    """Whenever that is: before it leaves, or when it has left."""
    world.guest()
    looks = itertools.count(1)
    kernels_open = open

    def short_of_descriptors(path: Any, *arguments: Any, **more: Any) -> Any:
        is_look = isinstance(path, str) and path.startswith(settings.PROC)
        if is_look and path.endswith("/stat") and next(looks) == at:
            raise OSError(errno.EMFILE, "Too many open files", path)
        return kernels_open(path, *arguments, **more)

    world.patch.setattr(builtins, "open", short_of_descriptors)
    assert migrate_to(world).outcome == (0, "")
    assert world.there.domains["g1"].state == RUNNING
    assert world.table.living() == []
    assert next(looks) > at, "there was no such look"
    # The try that ended for it may have been that in which the guest has left.
    assert len(world.here.called("virDomainMigrate3")) == 1


def test_a_guest_that_had_left_before_is_not_asked_to_leave(world: World) -> None:
    """What an action has begun is of no account to a later one."""
    world.guest()
    assert migrate_to(world).rc == 0
    assert migrate_to(world).names(1, "does not run here, so it can't leave")
    assert len(world.here.called("virDomainMigrate3")) == 1


def test_an_action_without_a_thread_ends_at_its_deadline_and_says_where_it_was(
    world: World,
) -> None:
    world.guest()
    with exhaustion.no_threads():
        called = migrate_to(world, timeout_s=2)
    assert called.rc == 1
    # What it waited for, if that ended first, or the whole action.
    no_thread, whole = ": no thread can be started", "out of time while in migrate_to (in "
    assert called.reason.startswith(whole) or called.reason.endswith(no_thread), called.reason


@pytest.mark.parametrize("times", [1, 1000])
def test_a_libvirt_call_without_memory_is_a_libvirt_that_is_silent(
    world: World, times: int
) -> None:
    world.guest()
    NoMemory(world, times, "virDomainGetState", "virConnectOpen")
    assert world.act("monitor", timeout_s=5, CRM_meta_interval="10000").outcome == (0, "")


@pytest.mark.parametrize("function", ["virDomainCreateXML", "virDomainResume", "virConnectOpen"])
def test_a_start_tries_again_when_there_is_memory(world: World, function: str) -> None:
    NoMemory(world, 1, function)
    assert world.act("start").outcome == (0, "")
    world.assert_started()


def test_a_stop_without_memory_for_libvirt_kills(world: World) -> None:
    qemu = world.qemu_of(world.guest())
    asked = ("virConnectOpen", "virDomainShutdownFlags", "virDomainGetState", "virDomainDestroy")
    NoMemory(world, 1000, *asked)
    assert world.act("stop", timeout_s=4).outcome == (0, "")
    assert not qemu.lives


def test_a_guest_that_hears_the_second_request_is_not_killed(world: World) -> None:
    world.qemu_of(world.guest())
    NoMemory(world, 1, "virDomainShutdownFlags")
    assert world.act("stop", timeout_s=20).outcome == (0, "")
    assert world.here.called("virDomainDestroy") == []


# What is said of a living guest by a process that has so little room for more, and what of libvirt
# a stop of it needs.
ROOMS_KIB = (0, 64, 256, 1024, 2048, 4096)
DEAF = """
def virDomainShutdownFlags(domain, flags): return 0
def virDomainDestroy(domain): return 0
"""
LACK = """\
from tests.unit import exhaustion
limit = exhaustion.no_{what}({room})
limit.__enter__()
"""
FOR_A_WHILE = """\
from tests.unit import exhaustion
exhaustion.given_back_in({seconds}, {what!r})
"""
# Then Pacemaker kills it.
KILLED_S = 40.0
# How CPython before 3.11 ends itself where it finds no memory for a MemoryError. It says "Cannot
# recover from MemoryErrors while normalizing exceptions", or less. For Pacemaker that is an error.
OLD_CRASHES = {-signal.SIGABRT, -signal.SIGSEGV} if sys.version_info < (3, 11) else set()
# Of a processor: who waits has used less.
SPUN_S = 2.0


def ended_in_need(
    directory: Path, action: str, line: str, lack: str, timeout_ms: int
) -> tuple[subprocess.CompletedProcess[str], bool]:
    """The action in a process that lacks something from that line on; whether the guest lives.

    Its code is a signal's where CPython, since 3.11, looks for room for an exception for ever. An
    action that does not end for another reason fails the test.
    """
    host = Host(directory)
    with (directory / "library" / "libvirtmod.py").open("a", encoding="utf-8") as library:
        library.write(DEAF)
    code = host.code(action)
    place = code.index(line)
    environment = {**host.environment(), "OCF_RESKEY_CRM_meta_timeout": str(timeout_ms)}
    qemu = host.start_qemu()
    used_s = _children_s()
    try:
        program = code[:place] + lack + code[place:]
        ended = exhaustion.child(program, seconds=KILLED_S, environment=environment)
        return ended, qemu.poll() is None
    except subprocess.TimeoutExpired as killed:
        if _children_s() - used_s < SPUN_S:
            raise
        return subprocess.CompletedProcess(killed.cmd, -signal.SIGKILL), qemu.poll() is None
    finally:
        qemu.kill()
        qemu.wait()


def _children_s() -> float:
    """Processor time of the children that have ended."""
    used = os.times()
    return used.children_user + used.children_system


@pytest.mark.parametrize("room", ROOMS_KIB)
@pytest.mark.parametrize("action", ["monitor", "stop"])
def test_with_little_memory_an_exit_code_is_as_honest_as_ever(
    tmp_path: Path, action: str, room: int
) -> None:
    lack = LACK.format(what="memory", room=room << 10)
    ended, is_alive = ended_in_need(tmp_path, action, "from agents", lack, 1500)
    if action == "monitor":
        assert is_alive
        assert ended.returncode != 7, ended
    else:
        # Else the interpreter was at its end, by a signal of its own at the worst.
        assert ended.returncode != 0 or not is_alive, ended


@pytest.mark.parametrize(("what", "room"), [("memory", 64 << 10), ("descriptors", 0)])
@pytest.mark.parametrize("action", ["monitor", "stop"])
def test_an_action_waits_for_what_it_lacks(
    tmp_path: Path, action: str, what: str, room: int
) -> None:
    lack = FOR_A_WHILE.format(what=what, seconds=SOON_S) + LACK.format(what=what, room=room)
    ended, is_alive = ended_in_need(tmp_path, action, "sys.exit(main())", lack, 20_000)
    if ended.returncode not in OLD_CRASHES:
        assert (ended.returncode, is_alive) == (0, action == "monitor"), ended.stderr
    elif action == "monitor":
        assert is_alive
