# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests that can't ask for a fence are named in --status and in the log, before they try."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from daemons.vm_stonithd.daemon import Daemon
from daemons.vm_stonithd.intake import channels
from daemons.vm_stonithd.intake.channels import Channels
from daemons.vm_stonithd.intake.key_file import Keys
from daemons.vm_stonithd.intake.token_readers import Readers
from pmkvm.errors import HaError
from pmkvm.service.bucket import LINES_BURST
from pmkvm.service.thread_calls import ThreadCalls
from pmkvm.wire import client
from pmkvm.wire.errors import NoAnswerError, NotRunningError, WireError

if TYPE_CHECKING:
    from pmkvm.deadline import Deadline

OUTSIDE = "its socket is outside /var/lib/libvirt/qemu, /run/libvirt/qemu"
MISSING = "it has no channel named vmconnectd"
SAID = """guest "prm-{0}" (domain "{0}") can't ask for a fence: {1}"""


def rejected(name: str, reason: str) -> dict[str, object]:
    return {"resource": f"prm-{name}", "domain": name, "path": "/s", "reason": reason}


def guest(name: str, *, is_connected: bool, last_error: str = "") -> dict[str, object]:
    more = {"is_connected": is_connected, "last_error": last_error}
    return {"resource": f"prm-{name}", "domain": name, "uuid": "u", **more}


def report(*guests: dict[str, object], rejects: tuple[dict[str, object], ...] = ()) -> str:
    return json.dumps({"program": "vm-connectd 2", "guests": guests, "rejected": rejects})


def test_rejected_and_unreachable_guests_are_without_a_channel() -> None:
    said = report(
        guest("a", is_connected=True),
        # It was refused once, and has been connected to since.
        guest("b", is_connected=True, last_error="its socket: Connection refused"),
        # It is being connected to.
        guest("c", is_connected=False),
        guest("d", is_connected=False, last_error="QEMU 7 at the other end is not libvirt's"),
        rejects=(rejected("e", OUTSIDE), rejected("f", MISSING)),
    )
    assert channels.without_channel(said) == [
        SAID.format("e", OUTSIDE),
        SAID.format("f", MISSING),
        SAID.format("d", "QEMU 7 at the other end is not libvirt's"),
    ]


def test_what_a_guest_may_have_chosen_is_fit_for_a_log() -> None:
    said = report(rejects=(rejected("a\n\x1b", f"{'x' * 500}\n"),))
    (line,) = channels.without_channel(said)
    assert line.isprintable()
    assert line.startswith(
        """guest "prm-a\\x0a\\x1b" (domain "a\\x0a\\x1b") can't ask for a fence: "xx"""
    )
    assert len(line) < 600


@pytest.mark.parametrize(
    "said",
    [
        "",
        "no json",
        "[]",
        "7",
        "[" * 100_000,
        # A guest's own vm-connectd.
        json.dumps({"type": "guest"}),
        json.dumps({"guests": 7, "rejected": []}),
        json.dumps({"guests": [{}], "rejected": []}),
        json.dumps({"guests": [], "rejected": ["a"]}),
    ],
)
def test_what_is_no_report_of_a_host_is_an_error(said: str) -> None:
    with pytest.raises(WireError, match="report is not understood"):
        channels.without_channel(said)


class Connectd:
    """Answers one look after the other, the last one for ever."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: str | HaError) -> None:
        self._answers = list(answers)
        self.asked = 0
        monkeypatch.setattr(client, "status", self._status)
        monkeypatch.setattr(channels, "LOOK_S", 0.0)

    def _status(self, deadline: Deadline, *, path: str) -> str:
        assert (deadline.remaining() or 0) <= channels.ASK_S
        assert path == "/nowhere/vm-connectd.sock"
        self.asked += 1
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, HaError):
            raise answer
        return answer

    def looks(self, count: int) -> Channels:
        """What has looked so often at the least."""

        async def run() -> Channels:
            calls = ThreadCalls(1)
            made = Channels(calls, "/nowhere/vm-connectd.sock")
            running = asyncio.ensure_future(made.run())
            end = self.asked + count
            while self.asked <= end:
                await asyncio.sleep(0.001)
            running.cancel()
            # Else its last call may take an answer of the next test's.
            while calls.hanging:
                await asyncio.sleep(0.001)
            return made

        return asyncio.run(run())


REJECTS = report(rejects=(rejected("a", OUTSIDE),))
WELL = report(guest("a", is_connected=True))


def test_what_stands_is_logged_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    made = Connectd(monkeypatch, WELL, REJECTS).looks(8)
    assert made.complaints == (SAID.format("a", OUTSIDE),)
    assert [each.message for each in caplog.records] == [SAID.format("a", OUTSIDE)]


def test_what_comes_again_is_logged_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    connectd = Connectd(monkeypatch, REJECTS, REJECTS, WELL, REJECTS, REJECTS, WELL)
    assert connectd.looks(8).complaints == ()
    assert [each.message for each in caplog.records] == [SAID.format("a", OUTSIDE)] * 2


def test_a_guest_that_starts_is_not_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    starting = report(guest("a", is_connected=False, last_error="its socket: Connection refused"))
    assert Connectd(monkeypatch, starting, WELL).looks(4).complaints == ()
    assert caplog.records == []


def test_a_guest_that_comes_and_goes_does_not_fill_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(channels, "time", SimpleNamespace(monotonic=lambda: 0.0))
    Connectd(monkeypatch, *((REJECTS, REJECTS, WELL) * 100)).looks(300)
    assert len(caplog.records) == LINES_BURST


@pytest.mark.parametrize(
    ("error", "complaints"),
    [
        # Its registration says so.
        (NotRunningError("vm-connectd does not run here"), ()),
        (NoAnswerError("no answer"), ("the guests' channels are not known: no answer",)),
    ],
)
def test_a_vm_connectd_that_tells_nothing(
    monkeypatch: pytest.MonkeyPatch, error: HaError, complaints: tuple[str, ...]
) -> None:
    assert Connectd(monkeypatch, REJECTS, error).looks(4).complaints == complaints


def test_status_has_them_among_the_problems() -> None:
    async def run() -> dict[str, Any]:
        made = Daemon(Readers(Keys("/nowhere")), "/nowhere/vm-connectd.sock")
        made._channels.complaints = (SAID.format("a", MISSING),)
        said: dict[str, Any] = json.loads(made._report())
        return said

    assert SAID.format("a", MISSING) in asyncio.run(run())["problems"]
