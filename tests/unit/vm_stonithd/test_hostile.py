# SPDX-License-Identifier: GPL-2.0-or-later
"""A hostile guest's text: what of it a log, an answer or the CIB shows. And what one that asks
without end makes of the machine: few lines, and no hurry.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from daemons.vm_stonithd.host.domain_uuids import DomainUuids
from daemons.vm_stonithd.intake.desk import Desk
from daemons.vm_stonithd.intake.key_file import Keys
from daemons.vm_stonithd.intake.legacy_tokens import Decoder
from daemons.vm_stonithd.intake.token_readers import Readers
from daemons.vm_stonithd.machine.fence import MARGIN_S
from daemons.vm_stonithd.model import actions, events
from daemons.vm_stonithd.model.events import Outcome
from daemons.vm_stonithd.model.facts import Operation
from daemons.vm_stonithd.model.host_report import MOST_DONE, Stage, encode
from daemons.vm_stonithd.model.pace import NOTHING, pause_s, tick_s
from pmkvm.fencing.role import Written
from pmkvm.service.bucket import LINES_BURST
from pmkvm.service.log import LineFormatter
from pmkvm.service.thread_calls import ThreadCalls
from pmkvm.tokens import ring, seal
from pmkvm.tokens.ring import Ring, State
from pmkvm.tokens.seal import Content
from pmkvm.wire.message import Forwarded, Sender
from tests.unit.vm_stonithd.table import Table, request, target
from tests.unit.vm_stonithd.unread_cib import UnreadCib

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = (
    "\x1b[2J\x1b[31mroot\x07",
    "reset\nNov 22 12:00:00 host1 vm-stonithd: OK",
    "reset x\r\n<3>panic",
    '"/><primitive id="x"/>',
    "']|//*[@id='x",
    "$(reboot) `reboot` ; reboot & | > /etc/passwd",
    "%s%n{0}{request.__class__}",
    "\u202egnp.exe\u2028\u0085",
    "../../../etc/shadow\0",
    "A" * 4000,
)
KEY = ring.new_key(State.SEALS, bytes(range(32)))
SENDER = Sender("uuid1", 10, 1, "guest1", "guest1")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    ring.store(str(tmp_path / "keys"), Ring((KEY,)))
    readers = Readers(Keys(str(tmp_path / "keys")), Decoder("/bin/cat", is_on_stdin=True))
    return Desk(readers, UnreadCib(), DomainUuids(dict), ThreadCalls(1), lambda _event: None)


def shown(desk: Desk, request_id: str, body: str) -> tuple[list[str], list[str]]:
    """What the log and the guest, and what attrd and the CIB get to see."""
    table = Table()
    forwarded = Forwarded(1, SENDER, "stonith", request_id, 5.0, body)
    made = desk._read(1, forwarded)
    table.tell(events.Arrived(made))
    for _ in range(3):
        table.wait(2.0)
    formatter = LineFormatter("vm-stonithd", is_journal=True)
    lines = [
        formatter.format(logging.LogRecord("x", logging.INFO, "", 0, "%s", (each.text,), None))
        for each in table.all(actions.Log)
    ]
    reports = [encode(each.report) for each in table.all(actions.Say)]
    bans = [each.ban.value for each in table.all(actions.CreateBan)]
    return lines + list(table.answers().values()), reports + bans


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("body", ["{}", "reset {}", "status {}", "{} x", "off {} {}"])
def test_what_a_guest_sends_stays_with_it(desk: Desk, text: str, body: str) -> None:
    seen, kept = shown(desk, text[:128], body.format(text, text))
    assert seen, "nothing is said of it at all"
    for line in seen:
        assert line.isprintable(), repr(line)
        assert len(line) < 400
        assert text[:12] not in line
    for value in kept:
        assert value.isprintable()
        assert text[:12] not in value
        assert not set(value) & set("\"'<>\n")


def test_a_sealed_name_is_shown_escaped(desk: Desk) -> None:
    """Root has sealed it, but perhaps not with a clear head."""
    content = Content("a\x1b[2Jb", "guest2", "uuid2", ("uuid1",), ("reset",))
    seen, _ = shown(desk, "id", f"reset {seal.seal(content, KEY)}")
    assert all(line.isprintable() for line in seen)
    assert any('the cluster "a\\x1b[2Jb"' in line for line in seen)


def test_a_token_is_in_no_line(desk: Desk) -> None:
    token = seal.seal(Content("other", "guest2", "uuid2", ("uuid1",), ("reset",)), KEY)
    for body in (f"reset {token}", f"reset {token[:-3]}", token, f"{token} reset"):
        seen, kept = shown(desk, token[:128], body)
        assert not any(token[12:40] in each for each in seen + kept)


# --- floods

FLOOD = 300
# As many as vm-connectd lets a guest have under way.
AT_A_TIME = 32


def lines(table: Table, of: str) -> list[str]:
    return [each.text for each in table.all(actions.Log) if f" {of} " in each.text]


def flood(table: Table, **fields: object) -> None:
    for number in range(100, 100 + FLOOD):
        asked = request(number, **{"requester": "flooding", "hash": f"h{number}", **fields})  # type: ignore[arg-type]
        table.tell(events.Arrived(asked))
        if number % AT_A_TIME == 0:
            table.wait()


@pytest.mark.parametrize("refusal", ["", "the token is refused"])
def test_every_request_is_answered_and_few_are_logged(table: Table, refusal: str) -> None:
    flood(table, refusal=refusal, target="nobody", why="because")
    for _ in range(3):
        table.wait(10.0)
        table.tell(events.Arrived(request(1, requester="flooding", refusal="a token is missing")))
    assert len(table.answers()) == FLOOD + 1
    told = lines(table, "flooding")
    assert 10 < len(told) < LINES_BURST + 6
    assert any("are left out" in line for line in told[-3:])


def test_another_guests_lines_are_all_there(table: Table) -> None:
    flood(table, refusal="the token is refused")
    table.banned()
    table.proven()
    assert any(": OK, dead on host1, host2" in line for line in lines(table, "guest1"))
    assert "left out" not in lines(table, "guest1")[-1]


def test_what_killed_is_told_beyond_the_quota(table: Table) -> None:
    flood(table, refusal="the token is refused", requester="guest1")
    table.banned()
    table.proven()
    assert len([line for line in lines(table, "guest1") if ": OK, dead on" in line]) == 1


def test_an_answer_to_another_guest_is_still_remembered(table: Table) -> None:
    table.banned()
    table.proven()
    flood(table, target="nobody")
    table.wait()
    assert len(table.report.done) == MOST_DONE
    assert "guest1" in {one.requester for one in table.report.done}


@pytest.mark.parametrize("operation", list(Operation))
def test_who_only_asks_makes_nobody_hurry(table: Table, operation: Operation) -> None:
    table.tell(events.Arrived(request(operation=operation)))
    is_question = operation in (Operation.STATUS, Operation.LIST)
    assert (table.machine.quiet_s(table.now) == NOTHING) == is_question
    table.tell(events.Arrived(request(2, operation, refusal="the token is refused")))
    assert (table.machine.quiet_s(table.now) == NOTHING) == is_question


def test_nobody_hurries_for_a_refusal(table: Table) -> None:
    table.tell(events.Arrived(request(refusal="the token is refused")))
    assert table.machine.quiet_s(table.now) == NOTHING
    assert table.answers() == {1: "NG the token is refused: see hash1 in the host's log"}


def test_the_guest_is_told_the_first_word_of_the_host_s_line_and_no_reason(table: Table) -> None:
    for number, why in ((1, "it was cut"), (2, "another guest's")):
        word = f"{number}" * 16
        refused = request(number, refusal="the token is refused", why=why, hash=word)
        table.tell(events.Arrived(refused))
        told = table.answers()[number]
        assert told == f"NG the token is refused: see {word} in the host's log"
        assert table.all(actions.Log)[-1].text == f"{word} guest1 is refused: {why}"


# --- what stays as it is


@pytest.mark.parametrize("operation", [Operation.RESET, Operation.OFF, Operation.ON])
def test_who_waits_for_what_stays_impossible_is_served_less_and_less(
    table: Table, operation: Operation
) -> None:
    table.becomes(quorum=False)
    table.tell(events.Arrived(request(operation=operation, seconds=300.0)))
    pauses = []
    for _ in range(300):
        table.wait(0.1)
        pauses.append(pause_s(table.machine.quiet_s(table.now), 0.1, 1.0))
    assert pauses[2] == 0.1
    assert pauses[-1] == 1.0


def test_an_answer_leaves_in_time_however_long_it_was_quiet(table: Table) -> None:
    """Of the 0.3 s that are kept for its way to the guest next to nothing is lost."""
    table.view = table.view._replace(quorum=False)
    table.tell(events.Arrived(request(seconds=60.0)))
    arrived = table.now
    while not table.answers():
        table.now += tick_s(table.machine.quiet_s(table.now))
        table.tell(events.Tick())
    assert table.now - arrived < 60.0 - MARGIN_S + 0.06


def test_a_fence_that_makes_progress_is_served_at_once_again(table: Table) -> None:
    table.banned(seconds=60.0)
    for _ in range(10):
        table.wait(1.0)
    assert table.machine.quiet_s(table.now) > 9.0
    table.look()
    assert table.machine.quiet_s(table.now) < 1.0
    for _ in range(10):
        table.wait(1.0)
    table.look()
    assert table.machine.quiet_s(table.now) > 9.0
    table.other_says(Stage.BARRED)
    assert table.machine.quiet_s(table.now) < 1.0


def test_a_ban_that_the_guard_refuses_is_tried_less_and_less(table: Table) -> None:
    table.ask(seconds=60.0)
    for _ in range(100):
        table.wait(0.1)
        table.tell(events.Written(table.last(actions.CreateBan).ticket, Outcome.NOT_MATCHED))
    assert 4 <= len(table.all(actions.CreateBan)) <= 8
    for _ in range(50):
        table.wait(1.0)
    assert table.answers() == {1: "NG the CIB manager refuses the ban"}


def test_nothing_is_asked_for_an_off_that_is_answered(table: Table) -> None:
    """Its ban stands for another minute."""
    table.banned(Operation.OFF)
    table.proven()
    off = target(target_role="Stopped", own=Written("Stopped", "guest1"))
    table.view = table.view._replace(resources=off)
    table.written(table.last(actions.SwitchOff))
    assert table.answers() == {1: "OK"}
    table.wait()
    assert table.view.bans
    assert table.machine.quiet_s(table.now) == NOTHING
