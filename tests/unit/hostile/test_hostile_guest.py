# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests that belong to an enemy, one of each kind and all at once, against both daemons.

Beside them a guest asks for what it may ask for, and is answered. Nothing else happens: no kind
gets a write done, both daemons' memory stays, and each has a few lines in the log that name it.
"""

from __future__ import annotations

import re
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

import pytest

from pmkvm.deadline import Deadline
from tests import hostile_guest
from tests.hostile_guest import KINDS
from tests.unit.hostile.whole_host import WholeHost, cpu_s, rss_mib
from tests.unit.vm_connectd.world import world_of
from tests.unit.waiting import WAIT_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.unit.vm_connectd.world import Process

SPEAKS_S = 2.0
# On a machine that is busy with twenty floods.
ANSWER_S = 60.0
# Of a core, for each of them; measured .02.
MOST_CPU = 0.1
# Measured below 8, on Python 3.14 up to 10.1.
GROWTH_MIB = 16.0
# A burst, and what follows in that time.
LINES = 70
READINGS_PER_S = 20
GOOD = "good"
# These have a token, for themselves.
HAVE_TOKENS = ("has a token and floods", "hoards", "is brief")
NAMES = {kind: f"bad{number}" for number, kind in enumerate(KINDS)}
# Patterns of what the log says of each. What can be neither understood nor misunderstood, or is
# allowed, leaves only its connection's lines.
COMPLAINTS = {
    "claims to be another": "a request that names a sender",
    "names a route": "a request that names a route",
    "registers as a server": 'a frame of type "register", not expected here',
    "replies as a server": 'a frame of type "reply", not expected here',
    "asks for status of the daemon": 'a frame of type "status", not expected here',
    "sends a huge frame": "a frame of 2147483647 bytes|neither a frame nor the remains",
    "sends the largest frames": "is refused",
    "nests deeply": "a frame that is no JSON",
    "floods": "frames a second|too many requests",
    "floods with one request": "frames a second|too many requests",
    "floods with greetings": "it begins anew again and again",
    "greets with texts": "no printable text",
    "writes texts": "is refused|no printable text",
    "reads no answer": "is refused|frames a second",
    "has a stolen token": "is not for this guest",
}


class Siege(NamedTuple):
    """What was seen."""

    answers: list[str]
    lines: list[str]
    grown_mib: list[float]
    cpu: float
    readings_per_s: float
    writes: list[str]
    status: dict[str, object]


@pytest.fixture(scope="module")
def siege() -> Iterator[Siege]:
    with world_of(WholeHost) as host:
        yield besiege(host)


def besiege(host: WholeHost) -> Siege:
    host.add(GOOD, *NAMES.values())
    daemons = host.start()
    host.start_guest(GOOD)
    host.wait_joined(GOOD)
    token = host.token(GOOD, GOOD)
    assert host.ask_of(GOOD, f"status {token}") == "OK on"
    rss, cpu, readings = (
        [rss_mib(each) for each in daemons],
        sum(map(cpu_s, daemons)),
        -host.readings,
    )
    speakers = [
        threading.Thread(
            target=hostile_guest.speak,
            args=(
                str(host.port_of(name)),
                kind,
                SPEAKS_S,
                host.token(name, name) if kind in HAVE_TOKENS else token,
            ),
        )
        for kind, name in NAMES.items()
    ]
    began = time.monotonic()
    for each in speakers:
        each.start()
    answers = []
    deadline = Deadline(2 * WAIT_S)
    while any(each.is_alive() for each in speakers) or not all_told(daemons):
        assert not deadline.expired(), daemons[0].said
        answers.append(host.ask_of(GOOD, f"status {token}", ANSWER_S))
        time.sleep(0.1)
    took_s = time.monotonic() - began
    for each in speakers:
        each.join()
    return Siege(
        answers,
        lines_of(daemons),
        [rss_mib(each) - before for each, before in zip(daemons, rss)],
        (sum(map(cpu_s, daemons)) - cpu) / took_s,
        (readings + host.readings) / took_s,
        host.writes,
        host.status("host"),
    )


def all_told(daemons: tuple[Process, Process]) -> bool:
    """Whether the log has a complaint about each that is due one."""
    lines = lines_of(daemons)
    return all(
        re.search(pattern, "".join(about(kind, lines))) for kind, pattern in COMPLAINTS.items()
    )


def lines_of(daemons: tuple[Process, Process]) -> list[str]:
    return [line for each in daemons for line in each.said.splitlines()]


def about(kind: str, lines: list[str]) -> list[str]:
    return [line for line in lines if re.search(rf"prm-{NAMES[kind]}\b", line)]


def test_another_guest_is_served_all_the_while(siege: Siege) -> None:
    assert set(siege.answers) == {"OK on"}


def test_nothing_is_done_for_them(siege: Siege) -> None:
    assert siege.writes == []
    assert siege.status["rejected"] == []
    served = siege.status["services"]
    assert isinstance(served, list)
    assert served[0]["service"] == "stonith"
    assert served[0]["server"] is not None


def test_what_they_cost_is_bounded(siege: Siege) -> None:
    assert max(siege.grown_mib) < GROWTH_MIB, siege.grown_mib
    assert siege.cpu < MOST_CPU * len(KINDS), siege.cpu
    assert siege.readings_per_s < READINGS_PER_S


@pytest.mark.parametrize("kind", KINDS)
def test_the_log_says_who_and_not_what_he_wants(siege: Siege, kind: str) -> None:
    own = about(kind, siege.lines)
    assert 0 < len(own) < LINES
    for line in own:
        assert line.isprintable()
        assert len(line) < 400


def test_no_line_is_anybody_elses(siege: Siege) -> None:
    """Every line begins as ours do, and a target's name stands in quotation marks or is its own."""
    begins = re.compile(
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} vm-(connectd|stonithd)\[\d+\] \w+: "
    )
    assert [line for line in siege.lines if not begins.match(line)] == []
