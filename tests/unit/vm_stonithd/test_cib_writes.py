# SPDX-License-Identifier: GPL-2.0-or-later
"""The guarded writes: what is wanted at one moment together, each told how its own ended."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest

from daemons.vm_stonithd.cluster import cib_writes
from daemons.vm_stonithd.cluster.cib_writes import CreateBans
from daemons.vm_stonithd.model import actions
from daemons.vm_stonithd.model.actions import CreateBan
from daemons.vm_stonithd.model.events import Outcome
from daemons.vm_stonithd.model.facts import Sender
from daemons.vm_stonithd.model.invariants import known
from pmkvm import run, settings
from pmkvm.fencing import ban as bans
from pmkvm.fencing.ban import Ban
from pmkvm.fencing.guard import Histories
from pmkvm.process import Life, life_of
from pmkvm.run import Completed
from tests.unit.virt.fake_qemu import qemu_arguments

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# This process, and who had its number before.
ALIVE = known(life_of(os.getpid()))
DEAD = Life(ALIVE.pid, ALIVE.start_time - 1)


def creation(ticket: int, target: str, requester: str = "guest0", of: Life = ALIVE) -> CreateBan:
    ban = Ban(target, "reset", f"id{ticket}", requester, "hash", "host1", "uuid", 1795370064)
    return CreateBan(ticket, ban, Histories(1, (("host1", 1),)), None, Sender("uuid0", of))


class Manager:
    """Takes bans for cibadmin, all of a write or none; some targets' guards don't hold."""

    def __init__(self, command_line: Path) -> None:
        self.command_line = command_line
        self.refused: set[str] = set()
        self.written: list[list[str]] = []
        self.rc = 0
        self.then: Callable[[], None] = lambda: None

    def __call__(self, argv: list[str], **_options: object) -> Completed:
        found, _ = bans.find_all(argv[argv.index("--xml-text") + 1])
        targets = [each.resource for each in found]
        assert all(re.search(rf"@id='{each}'", argv[argv.index("--xpath") + 1]) for each in targets)
        self.written.append(targets)
        self.then()
        return Completed(105 if self.refused & set(targets) else self.rc, "", "")


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Manager:
    """Where the process table shows ALIVE as the senders' QEMU."""
    process = tmp_path / str(ALIVE.pid)
    process.mkdir()
    (process / "stat").symlink_to("/proc/self/stat")
    manager = Manager(process / "cmdline")
    arguments = ["qemu-system-x86_64", *qemu_arguments("guest0", "uuid0")]
    manager.command_line.write_text("\0".join(arguments))
    monkeypatch.setattr(settings, "PROC", str(tmp_path))
    monkeypatch.setattr(run, "run", manager)
    return manager


def outcomes(*wanted: CreateBan) -> dict[int, Outcome]:
    told = cib_writes.create(CreateBans(wanted))
    return {ticket: done.outcome for ticket, done in told.items()}


def test_bans_of_one_moment_are_created_by_one_write(manager: Manager) -> None:
    found = outcomes(creation(1, "guest1"), creation(2, "guest2"), creation(3, "guest3"))
    assert found == {1: Outcome.DONE, 2: Outcome.DONE, 3: Outcome.DONE}
    assert manager.written == [["guest1", "guest2", "guest3"]]


def test_one_that_is_refused_does_not_keep_the_others(manager: Manager) -> None:
    manager.refused = {"guest2"}
    found = outcomes(creation(1, "guest1"), creation(2, "guest2"), creation(3, "guest3"))
    assert found == {1: Outcome.DONE, 2: Outcome.NOT_MATCHED, 3: Outcome.DONE}
    assert manager.written[1:] == [["guest1"], ["guest2"], ["guest3"]]


def test_an_id_that_cannot_be_written_does_not_keep_the_others(manager: Manager) -> None:
    found = outcomes(creation(1, "guest1"), creation(2, "guest'2"))
    assert found == {1: Outcome.DONE, 2: Outcome.NOT_MATCHED}
    assert manager.written == [["guest1"]]


def test_guards_that_are_too_long_together_are_written_one_by_one(manager: Manager) -> None:
    hosts = tuple((f"host-number-{number}", 1) for number in range(700))
    wanted = [creation(1, "guest1"), creation(2, "guest2")]
    found = outcomes(*(each._replace(read=Histories(1, hosts)) for each in wanted))
    assert found == {1: Outcome.DONE, 2: Outcome.DONE}
    assert manager.written == [["guest1"], ["guest2"]]


def test_a_dead_guest_fences_nobody_beside_others(manager: Manager) -> None:
    found = outcomes(creation(1, "guest1", "guest7", DEAD), creation(2, "guest2"))
    assert found == {1: Outcome.SENDER_GONE, 2: Outcome.DONE}
    assert manager.written == [["guest2"]]


def test_senders_are_looked_at_again_before_each_write(manager: Manager) -> None:
    """Writing together may take as long as a host's loss does."""
    manager.then = manager.command_line.unlink
    manager.refused = {"guest2"}
    found = outcomes(creation(1, "guest1"), creation(2, "guest2"))
    assert set(found.values()) == {Outcome.SENDER_GONE}
    assert manager.written == [["guest1", "guest2"]]


def test_of_a_write_without_an_answer_nobody_knows(manager: Manager) -> None:
    """Any of them may come late: none is tried again before it was looked for."""
    manager.rc = 124
    found = outcomes(creation(1, "guest1"), creation(2, "guest2"))
    assert set(found.values()) == {Outcome.TIMED_OUT}
    assert manager.written == [["guest1", "guest2"]]


def groups(*wanted: actions.Action) -> list[list[int]]:
    return [
        [one.ticket for one in each.wanted]
        for each in cib_writes.together(wanted)
        if isinstance(each, CreateBans)
    ]


def test_guests_that_fence_each_other_are_not_banned_together() -> None:
    """The second one's guard would be judged where the first one's ban does not stand yet."""
    assert groups(creation(1, "a", "b"), creation(2, "b", "a")) == [[1], [2]]
    chain = creation(1, "a", "b"), creation(2, "c", "b"), creation(3, "d", "a"), creation(4, "e")
    assert groups(*chain) == [[1, 2], [3, 4]]


def test_a_write_creates_so_many_at_the_most() -> None:
    wanted = [creation(ticket, f"guest{ticket}") for ticket in range(1, 24)]
    assert [len(each) for each in groups(*wanted)] == [cib_writes.AT_ONCE, cib_writes.AT_ONCE, 3]


def test_what_else_is_wanted_stays_where_it_is() -> None:
    first, last = actions.ReadCib(1), actions.Log("text")
    found = list(cib_writes.together([first, creation(2, "a"), last, creation(3, "c")]))
    assert found == [
        first,
        CreateBans((creation(2, "a"),)),
        last,
        CreateBans((creation(3, "c"),)),
    ]
