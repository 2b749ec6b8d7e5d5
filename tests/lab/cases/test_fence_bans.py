# SPDX-License-Identifier: GPL-2.0-or-later
"""Which copies of the CIB say that a ban stands, and for how long."""

from __future__ import annotations

from pmkvm.fencing.ban import Ban
from tests.lab.faults.fence_bans import Banned, Copies, Copy, NewestCopies

BAN = Ban("prmVMCTL_guest2", "reset", "a", "prmVMCTL_guest1", "b", "host1", "c", end=160)
SEEN = Banned("a", "reset", 100.0, None, 160)


def copy(number: int, epoch: int, *bans: Ban) -> Copy:
    return Copy((1, number), (0, epoch), frozenset(bans))


def copies(*hosts: str) -> Copies:
    """Each of these hosts has the ban since 100."""
    found = Copies()
    for host in hosts:
        found.read(host, copy(1, 7, BAN))
    found.look(100.0)
    return found


def test_a_ban_is_gone_when_no_copy_has_it() -> None:
    both = copies("host1", "host2")
    assert both.banned() == [SEEN]
    both.read("host1", copy(2, 8))
    both.look(101.0)
    assert both.banned() == [SEEN]
    both.read("host2", copy(2, 8))
    both.look(102.0)
    both.look(103.0)
    assert both.banned() == [SEEN._replace(gone_s=102.0)]


def test_the_end_is_that_which_was_written_last() -> None:
    renewed = copies("host1", "host2")
    renewed.read("host2", copy(2, 8, BAN._replace(end=180)))
    renewed.look(101.0)
    assert renewed.banned() == [SEEN._replace(end_s=180)]


def test_what_a_host_has_left_bars_nobody_until_it_has_a_newer_copy() -> None:
    both = copies("host1", "host2")
    both.leave("host2")
    both.read("host1", copy(2, 8))
    both.look(101.0)
    gone = SEEN._replace(gone_s=101.0)
    assert both.banned() == [gone]
    # It comes back with what it had, and writes that again.
    both.read("host2", copy(2, 7, BAN))
    both.look(102.0)
    assert both.banned() == [gone]
    other = BAN._replace(id="d")
    both.read("host2", copy(3, 9, other))
    both.look(105.0)
    assert [one.id for one in both.banned() if one.gone_s is None] == ["d"]


def test_of_hosts_that_decide_together_only_the_newest_copy_bars() -> None:
    """A host whose disk is full can't write that the ban is gone."""
    found = NewestCopies()
    for host in ("host1", "host2"):
        found.read(host, copy(1, 7, BAN))
    found.look(100.0)
    found.read("host2", copy(2, 8))
    found.look(101.0)
    assert found.banned() == [SEEN._replace(gone_s=101.0)]


def test_a_file_is_read_once() -> None:
    one = copies("host1")
    assert one.knows("host1", (1, 1))
    assert not one.knows("host1", (2, 1))
    assert not one.knows("host2", (1, 1))
