# SPDX-License-Identifier: GPL-2.0-or-later
"""A hostile guest's text: what of it a log, an answer or the CIB shows."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from daemons.vm_stonithd.host.domain_uuids import DomainUuids
from daemons.vm_stonithd.intake.desk import Desk
from daemons.vm_stonithd.intake.key_file import Keys
from daemons.vm_stonithd.intake.legacy_tokens import Decoder
from daemons.vm_stonithd.intake.token_readers import Readers
from daemons.vm_stonithd.model import actions, events
from daemons.vm_stonithd.model.host_report import encode
from pmkvm.service.log import LineFormatter
from pmkvm.service.thread_calls import ThreadCalls
from pmkvm.tokens import ring, seal
from pmkvm.tokens.ring import Ring, State
from pmkvm.tokens.seal import Content
from pmkvm.wire.message import Forwarded, Sender
from tests.unit.vm_stonithd.table import Table
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
