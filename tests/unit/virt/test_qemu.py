# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMUs by their command lines; the processes are real, their table is the test's own."""

from __future__ import annotations

import os
import signal
import subprocess
import uuid
from typing import TYPE_CHECKING

import pytest

from pmkvm.deadline import Deadline
from pmkvm.process import Life
from pmkvm.virt import qemu
from pmkvm.virt.identity import Identity
from pmkvm.virt.qemu import ForeignQemuError, Guest, parse_command_line
from tests.unit.virt.fake_qemu import G1, OTHER_UUID, UUID, qemu_arguments

if TYPE_CHECKING:
    from tests.unit.virt.fake_qemu import FakeProcessTable, FakeQemu

G1_BY_NAME = Identity("g1", "", is_qemu=True)


def line(*argv: str) -> bytes:
    return b"".join(argument.encode() + b"\0" for argument in argv)


@pytest.mark.parametrize(
    ("argv", "guest"),
    [
        (
            ["/usr/bin/qemu-system-x86_64", "-name", "guest=g1,debug-threads=on", "-uuid", UUID],
            Guest("g1", UUID, is_incoming=False),
        ),
        (["q", "-name", "g1", "-uuid", UUID.upper()], Guest("g1", UUID, is_incoming=False)),
        (["q", *qemu_arguments("a,b", UUID)], Guest("a,b", UUID, is_incoming=False)),
        (["q", *qemu_arguments("a,", UUID)], Guest("a,", UUID, is_incoming=False)),
        (["q", *qemu_arguments(",,", UUID)], Guest(",,", UUID, is_incoming=False)),
        (["q", *qemu_arguments("g 1", UUID)], Guest("g 1", UUID, is_incoming=False)),
        (["q", *qemu_arguments("guest=g1", UUID)], Guest("guest=g1", UUID, is_incoming=False)),
        (["q", *qemu_arguments("\u8a08", UUID)], Guest("\u8a08", UUID, is_incoming=False)),
        (["q", *qemu_arguments("g1", UUID, incoming=True)], Guest("g1", UUID, is_incoming=True)),
        ([], None),
        (["bash"], None),
        (["q", "-name", "g1"], None),
        (["q", "-uuid", UUID], None),
        (["q", "-name", "g1", "-uuid"], None),
        # What a person types while looking for a guest.
        (["grep", f"-name guest=g1 -uuid {UUID}"], None),
    ],
)
def test_a_command_line_says_whose_it_is(argv: list[str], guest: Guest | None) -> None:
    assert parse_command_line(line(*argv)) == guest


def lives(found: list[qemu.Qemu]) -> list[int]:
    return sorted(one.life.pid for one in found)


@pytest.mark.parametrize("identity", [G1, G1_BY_NAME])
def test_a_guest_is_found_among_other_processes(host: FakeProcessTable, identity: Identity) -> None:
    mine = host.start_qemu("g1", UUID)
    host.start_qemu("g10", OTHER_UUID)
    host.start_qemu("g", "88888888-2222-3333-4444-555555555555")
    host.start_other("-name", "g1")
    (found,) = qemu.find(identity)
    assert found == (mine.life, Guest("g1", UUID, is_incoming=False))


def test_a_guest_is_found_by_its_uuid_under_another_name(host: FakeProcessTable) -> None:
    """virsh domrename changes libvirt's name, not the running process."""
    mine = host.start_qemu("old", UUID)
    assert lives(qemu.find(G1)) == [mine.pid]


def test_nothing_is_found_where_nothing_is(host: FakeProcessTable) -> None:
    host.start_qemu("g2", OTHER_UUID)
    assert qemu.find(G1) == []


def test_two_lives_of_one_guest_are_both_found(host: FakeProcessTable) -> None:
    first, second = host.start_qemu("g1", UUID), host.start_qemu("g1", UUID)
    assert lives(qemu.find(G1)) == sorted([first.pid, second.pid])


def test_a_foreign_uuid_under_the_name_is_for_a_person(host: FakeProcessTable) -> None:
    foreign = host.start_qemu("g1", OTHER_UUID)
    with pytest.raises(ForeignQemuError, match=f"QEMU {foreign.pid} .* {OTHER_UUID}, not {UUID}"):
        qemu.find(G1)
    foreign.end()
    assert qemu.find(G1) == []


def test_a_guest_that_is_killed_is_gone_before_anybody_reaps_it(host: FakeProcessTable) -> None:
    mine = host.start_qemu("g1", UUID)
    assert qemu.kill(mine.life, signal.SIGKILL, Deadline(10))
    assert qemu.find(G1) == []
    assert not qemu.is_guest(mine.life, G1)


@pytest.mark.parametrize("identity", [G1, G1_BY_NAME])
def test_a_zombie_with_a_living_thread_is_found(host: FakeProcessTable, identity: Identity) -> None:
    mine = host.start_half_dead_qemu("g1", UUID)
    with open(f"/proc/{mine.pid}/cmdline", "rb") as file:
        assert file.read() == b""
    assert lives(qemu.find(identity)) == [mine.pid]
    assert qemu.is_guest(mine.life, identity)
    assert qemu.kill(mine.life, signal.SIGKILL, Deadline(10))
    assert qemu.find(identity) == []


@pytest.mark.parametrize(
    ("identity", "is_guest"),
    [
        (G1, True),
        (G1_BY_NAME, True),
        (Identity("g1", OTHER_UUID, is_qemu=True), False),
        (Identity("g2", "", is_qemu=True), False),
    ],
)
def test_a_remembered_life_is_looked_at_before_it_is_believed(
    host: FakeProcessTable, identity: Identity, is_guest: bool
) -> None:
    mine = host.start_qemu("g1", UUID)
    assert qemu.is_guest(mine.life, identity) is is_guest
    assert not qemu.is_guest(mine.life._replace(start_time=1), identity)


def test_a_pid_that_another_program_has_now_is_not_the_guest(host: FakeProcessTable) -> None:
    other = host.start_other("-x")
    assert not qemu.is_guest(other.life, G1)


def test_a_guest_that_ignores_sigterm_outlives_the_deadline(host: FakeProcessTable) -> None:
    mine = host.start_qemu("g1", UUID, deaf=True)
    assert not qemu.kill(mine.life, signal.SIGTERM, Deadline(0.2))
    assert mine.lives
    assert qemu.kill(mine.life, signal.SIGKILL, Deadline(10))
    assert mine.exit_code() == -signal.SIGKILL


def test_sigterm_is_what_qemu_gets(host: FakeProcessTable) -> None:
    mine = host.start_qemu("g1", UUID)
    assert qemu.kill(mine.life, signal.SIGTERM, Deadline(10))
    assert mine.exit_code() == -signal.SIGTERM


def test_another_life_under_the_same_pid_is_never_signalled(host: FakeProcessTable) -> None:
    mine = host.start_qemu("g1", UUID)
    assert qemu.kill(Life(mine.pid, mine.life.start_time - 1), signal.SIGKILL, Deadline(0))
    assert mine.lives


def test_processes_that_vanish_while_one_looks_do_no_harm(host: FakeProcessTable) -> None:
    """Their directories are dead links in the test's table, as they may be in any. "self" is no
    process's number."""
    vanished: list[FakeQemu] = [host.start_qemu("g1", UUID) for _ in range(3)]
    for one in vanished:
        one.end()
    assert qemu.find(G1) == []


def test_a_process_table_that_cannot_be_read_is_an_error_and_no_answer(
    host: FakeProcessTable,
) -> None:
    (host.directory / "self").unlink()
    os.rmdir(host.directory)
    with pytest.raises(FileNotFoundError):
        qemu.find(G1)


def test_the_real_process_table_is_read_by_default() -> None:
    """Whoever else runs here, also these tests at the same time: nobody has this uuid."""
    identity = Identity("unit-test-guest", str(uuid.uuid4()), is_qemu=True)
    assert qemu.find(identity._replace(name="")) == []
    with subprocess.Popen(
        ["q", "-c", "echo; read line", *qemu_arguments("", identity.uuid)],
        executable="/bin/sh",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert lives(qemu.find(identity)) == [child.pid]
