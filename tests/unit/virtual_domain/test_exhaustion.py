# SPDX-License-Identifier: GPL-2.0-or-later
"""A host without a thread or without memory decides nothing about a guest, and kills as ever."""

from __future__ import annotations

import builtins
import errno
import itertools
import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from agents.virtual_domain.actions import monitor, start, stop
from agents.virtual_domain.stopping import budget, shutdown
from pmkvm import settings
from pmkvm.ocf import agent
from tests.unit import exhaustion
from tests.unit.test_house_loaded import Host
from tests.unit.virtual_domain.fake_libvirtmod import RUNNING, SYSTEM, Trouble
from tests.unit.virtual_domain.world import UUID, World, migrate_to

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.virtual_domain.fake_libvirtmod import FakeHypervisor

SOON_S = 0.5


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """libvirt is waited for less than a second, and QEMU too."""
    monkeypatch.setattr(monitor, "_PATIENCE_S", 0.3)
    monkeypatch.setattr(shutdown, "_LIBVIRT_RETURN_S", 0.1)
    monkeypatch.setattr(stop, "_ANSWER_S", 0.1)
    monkeypatch.setattr(budget, "_TERM_MAX_S", 0.2)
    monkeypatch.setattr(start, "_RESERVE_S", 0.6)


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
    assert (called.rc, called.reason) == (0, "")


def test_without_a_thread_a_guest_that_is_gone_is_not_running(world: World) -> None:
    with exhaustion.no_threads():
        assert world.probe().rc == 7


def test_without_a_thread_a_stop_kills_and_proves_it(world: World) -> None:
    domain = world.here.add("g1", UUID, persistent=False)
    domain.state = RUNNING
    qemu = domain.qemu = world.table.start_qemu("g1", UUID, deaf=True)
    with exhaustion.no_threads():
        called = world.act("stop", timeout_s=4)
    assert (called.rc, called.reason) == (0, "")
    assert not qemu.lives
    assert "no thread can be started" in called.err


def test_a_start_waits_for_a_thread(world: World) -> None:
    began = time.monotonic()
    with exhaustion.no_threads(seconds=SOON_S):
        called = world.act("start")
    assert (called.rc, called.reason) == (0, "")
    assert time.monotonic() - began >= SOON_S
    world.assert_started()


def test_a_start_waits_for_a_thread_no_longer_than_it_may(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No other try follows, which would be cut short and have another reason.
    monkeypatch.setattr(agent, "_RETRY_S", 3.0)
    monkeypatch.setattr(start, "_RESERVE_S", 2.0)
    with exhaustion.no_threads():
        called = world.act("start", timeout_s=4)
    assert called.rc == 1
    assert "no thread can be started" in called.reason
    assert world.table.living() == []


def test_a_migration_waits_for_a_thread(world: World, there: FakeHypervisor) -> None:
    world.guest()
    with exhaustion.no_threads(seconds=SOON_S):
        called = migrate_to(world)
    assert (called.rc, called.reason) == (0, "")
    assert "g1" in there.domains


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENOMEM, errno.EAGAIN])
def test_a_migration_waits_for_what_libvirt_lacks(
    world: World, there: FakeHypervisor, number: int
) -> None:
    """Here or at the other end. An error would have this host fenced for a moment's lack."""
    world.guest()
    trouble = Trouble(SYSTEM, f"Unable to open: {os.strerror(number)}", errno=number)
    world.here.script("virDomainMigrate3", trouble, trouble)
    called = migrate_to(world)
    assert (called.rc, called.reason) == (0, "")
    assert called.err.count(trouble.text) == 1
    assert "g1" in there.domains


def test_a_migration_waits_for_the_memory_to_load_libvirt(
    world: World, there: FakeHypervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.guest()
    tries = itertools.count(1)

    def load(*_arguments: object) -> None:
        if next(tries) < 4:
            raise ImportError("libvirt.so.0: failed to map segment from shared object")

    monkeypatch.setattr(world.libvirt, "virRegisterErrorHandler", load)
    called = migrate_to(world)
    assert (called.rc, called.reason) == (0, "")
    assert "g1" in there.domains


@pytest.mark.parametrize("function", ["virDomainGetState", "virDomainMigrate3"])
def test_a_migration_goes_on_when_there_is_memory(
    world: World, there: FakeHypervisor, function: str
) -> None:
    world.guest()
    NoMemory(world, 3, function)
    called = migrate_to(world)
    assert (called.rc, called.reason) == (0, "")
    assert "g1" in there.domains


@pytest.mark.parametrize("at", [1, 2])
def test_a_migration_that_can_t_look_at_a_process_for_a_moment_ends_well(
    world: World, there: FakeHypervisor, monkeypatch: pytest.MonkeyPatch, at: int
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

    monkeypatch.setattr(builtins, "open", short_of_descriptors)
    called = migrate_to(world)
    assert (called.rc, called.reason) == (0, "")
    assert there.domains["g1"].state == RUNNING
    assert world.table.living() == []
    assert next(looks) > at, "there was no such look"


def test_a_guest_that_has_left_is_not_asked_to_leave_again(
    world: World, there: FakeHypervisor
) -> None:
    """The action's try before may have ended when the guest was there already."""
    world.guest()
    assert migrate_to(world).rc == 0
    called = migrate_to(world)
    assert (called.rc, called.reason) == (0, "")
    there.domains.clear()
    called = migrate_to(world)
    assert called.rc == 1
    assert "does not run here, so it can't leave" in called.reason


def test_an_action_without_a_thread_ends_at_its_deadline_and_says_where_it_was(
    world: World,
) -> None:
    world.guest()
    with exhaustion.no_threads():
        called = migrate_to(world, timeout_s=2)
    assert called.rc == 1
    assert called.reason.startswith("out of time while in migrate_to (in ")


@pytest.mark.parametrize("times", [1, 1000])
def test_a_libvirt_call_without_memory_is_a_libvirt_that_is_silent(
    world: World, times: int
) -> None:
    world.guest()
    NoMemory(world, times, "virDomainGetState", "virConnectOpen")
    called = world.act("monitor", timeout_s=5, CRM_meta_interval="10000")
    assert (called.rc, called.reason) == (0, "")


@pytest.mark.parametrize("function", ["virDomainCreateXML", "virDomainResume", "virConnectOpen"])
def test_a_start_tries_again_when_there_is_memory(world: World, function: str) -> None:
    NoMemory(world, 1, function)
    called = world.act("start")
    assert (called.rc, called.reason) == (0, "")
    world.assert_started()


def test_a_stop_without_memory_for_libvirt_kills(world: World) -> None:
    qemu = world.qemu_of(world.guest())
    asked = ("virConnectOpen", "virDomainShutdownFlags", "virDomainGetState", "virDomainDestroy")
    NoMemory(world, 1000, *asked)
    called = world.act("stop", timeout_s=4)
    assert (called.rc, called.reason) == (0, "")
    assert not qemu.lives


def test_a_guest_that_hears_the_second_request_is_not_killed(world: World) -> None:
    world.qemu_of(world.guest())
    NoMemory(world, 1, "virDomainShutdownFlags")
    called = world.act("stop", timeout_s=20)
    assert (called.rc, called.reason) == (0, "")
    assert world.here.called("virDomainDestroy") == []


# What is said of a living guest by a process that has so little room for more, and what of libvirt
# a stop of it needs.
ROOMS_KIB = (0, 64, 256, 1024, 2048, 4096)
LITTLE_MEMORY = """\
from tests.unit import exhaustion
limit = exhaustion.no_memory({room} << 10)
limit.__enter__()
"""
DEAF = """
def virDomainShutdownFlags(domain, flags): return 0
def virDomainDestroy(domain): return 0
"""


@pytest.mark.parametrize("room", ROOMS_KIB)
@pytest.mark.parametrize("action", ["monitor", "stop"])
def test_with_little_memory_an_exit_code_is_as_honest_as_ever(
    tmp_path: Path, action: str, room: int
) -> None:
    host = Host(tmp_path)
    with (tmp_path / "library" / "libvirtmod.py").open("a", encoding="utf-8") as library:
        library.write(DEAF)
    qemu = host.start_qemu()
    code = host.code(action)
    place = code.index("from agents")
    try:
        ended = exhaustion.child(
            code[:place] + LITTLE_MEMORY.format(room=room) + code[place:],
            environment={**host.environment(), "OCF_RESKEY_CRM_meta_timeout": "1500"},
        )
        is_alive = qemu.poll() is None
        if action == "monitor":
            assert is_alive
            assert ended.returncode != 7, ended
        else:
            # Else the interpreter was at its end, by a signal of its own at the worst.
            assert ended.returncode != 0 or not is_alive, ended
    finally:
        qemu.kill()
        qemu.wait()


@pytest.mark.parametrize("what", ["memory", "descriptors"])
@pytest.mark.parametrize("action", ["monitor", "stop"])
def test_an_action_waits_for_what_it_lacks(tmp_path: Path, action: str, what: str) -> None:
    host = Host(tmp_path)
    with (tmp_path / "library" / "libvirtmod.py").open("a", encoding="utf-8") as library:
        library.write(DEAF)
    qemu = host.start_qemu()
    code = host.code(action)
    place = code.index("sys.exit(main())")
    room = 64 << 10 if what == "memory" else 0
    lack = (
        "from tests.unit import exhaustion\n"
        f"limit = exhaustion.no_{what}({room}, seconds={SOON_S})\n"
        "limit.__enter__()\n"
    )
    try:
        ended = exhaustion.child(
            code[:place] + lack + code[place:],
            environment={**host.environment(), "OCF_RESKEY_CRM_meta_timeout": "20000"},
        )
        is_alive = qemu.poll() is None
        assert (ended.returncode, is_alive) == (0, action == "monitor"), ended
    finally:
        qemu.kill()
        qemu.wait()
