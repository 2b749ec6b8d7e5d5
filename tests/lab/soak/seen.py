# SPDX-License-Identifier: GPL-2.0-or-later
"""What was seen of one round from outside, in values that a judge needs no lab for. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

from tests.lab.cluster.stonith import time_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tests.lab.guests.lives import Life
    from tests.lab.soak.watch import Standing

_LINE = re.compile(
    r"^(?P<time>\S+ \S+) vm-stonithd\[\d+\] info: (?P<request>\S+) (?P<asker>\S+)"
    r" (?P<operation>\w+) (?P<target>\S+?)(?: on [^:]*)?: (?P<what>OK, .*|killed QEMU .*)$"
)
_BAN = re.compile(r"\bban (\w+)")
_TOOK = re.compile(r"\((\d+) ms,")


class Told(NamedTuple):
    """What came of one request. text: None if the guest was told nothing. Times of day.

    took_s: as the guest measured it.
    """

    asked_s: float
    text: str | None = None
    is_ok: bool = False
    took_s: float = 0.0
    answered_s: float | None = None


class Line(NamedTuple):
    """A vm-stonithd's line about a request: it killed for it, or said OK to it after took_s."""

    host: str
    at_s: float
    request: str
    asker: str
    operation: str
    target: str
    is_kill: bool
    ban: str
    took_s: float = 0.0


class Seen(NamedTuple):
    """told: by request. lives, back_s (when it was seen to run in the end, None: not): by guest.

    fenced: hosts that the power switch ended. upset: hosts whose bystander was stopped. anew:
    guests that were booted again. left: what a fence must not leave, in words. ill: daemons that
    are not as they should be, in words. undone_s: when the last disturbance was over.
    """

    began_s: float
    ended_s: float
    undone_s: float
    told: Sequence[Told]
    lives: Mapping[str, Sequence[Life]]
    bans: Sequence[Standing] = ()
    lines: Sequence[Line] = ()
    fenced: frozenset[str] = frozenset()
    upset: frozenset[str] = frozenset()
    anew: frozenset[str] = frozenset()
    interleaved: frozenset[str] = frozenset()
    back_s: Mapping[str, float | None] = {}
    left: Sequence[str] = ()
    ill: Sequence[str] = ()


def lines(host: str, log: Iterable[str], since_s: float) -> Iterator[Line]:
    """Of a host's log, kills and OKs from then on."""
    for text in log:
        line = _LINE.match(text)
        if line is None or time_of(text) < since_s:
            continue
        ban, took = _BAN.search(line["what"]), _TOOK.search(line["what"])
        yield Line(
            host=host,
            at_s=time_of(text),
            request=line["request"],
            asker=line["asker"],
            operation=line["operation"],
            target=line["target"],
            is_kill=line["what"].startswith("killed"),
            ban=ban[1] if ban is not None else "",
            took_s=int(took[1]) / 1000 if took is not None else 0.0,
        )


def died_s(lives: Iterable[Life], since_s: float, until_s: float) -> float | None:
    """When no QEMU of a guest was left first, after it was alive at since_s."""
    last_s = since_s
    for life in sorted(lives, key=lambda one: one.first_s):
        if life.first_s > last_s:
            break
        last_s = max(last_s, life.last_s)
    return last_s if last_s < until_s else None
