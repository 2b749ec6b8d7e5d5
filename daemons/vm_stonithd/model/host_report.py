# SPDX-License-Identifier: GPL-2.0-or-later
"""The one private attribute of a host's vm-stonithd: what it says, and its text. Pure.

One line without double quotes (Pacemaker 2.1.5 prints values unescaped):
    up=1795370042.250; key=ID since=1795360000 used=1795369800;
    ban=ID dead saw=host1,host2 for=host3; done=ID ok REQUESTER HASH TARGET OPERATION
A word that a later release adds is passed over; an item that can't be read says nothing.
"""

from __future__ import annotations

from collections import Counter
from enum import Enum, IntEnum
from typing import TYPE_CHECKING, NamedTuple

from pmkvm.fencing.ban import quote, unquote
from pmkvm.tokens import key_report

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pmkvm.tokens.key_report import KeyReport

# What attrd is asked to carry.
MOST_DONE = 100
LONGEST = 32_000


class Stage(IntEnum):
    """How far a host has come under a ban."""

    SILENT = 0
    BARRED = 1
    DEAD = 2


class Objection(Enum):
    """Why a host says no more under a ban, by its word in the attribute.

    CLOCK: the ban's lease does not fit its clock. DIFFERS: the resource's domain has another uuid
    there than the ban is for. MISSING: nothing is found of a life that Pacemaker may have there.
    FOREIGN: its guest is no QEMU of that host.
    """

    CLOCK = "clock"
    DIFFERS = "differs"
    MISSING = "missing"
    FOREIGN = "foreign"


class BanReport(NamedTuple):
    """What one host says under one ban id.

    saw: the hosts whose bars it had seen when it looked. judged: silent hosts that the coordinator
    has judged by Pacemaker's record (`for`), to everyone barred and dead.
    """

    stage: Stage = Stage.SILENT
    saw: frozenset[str] = frozenset()
    objection: Objection | None = None
    judged: frozenset[str] = frozenset()


class Done(NamedTuple):
    """One request of which the fence has been answered. The target makes an id that a guest
    uses twice a request of its own. operation: `reset` or `off`."""

    ban_id: str
    ok: bool
    requester: str
    request: str
    target: str
    operation: str


class HostReport(NamedTuple):
    """up: the host's time of day when it wrote this. keys: what it can open tokens with."""

    up: float
    bans: Mapping[str, BanReport] = {}
    done: tuple[Done, ...] = ()
    keys: tuple[KeyReport, ...] = ()

    def of(self, ban_id: str) -> BanReport:
        return self.bans.get(ban_id, BanReport())


def encode(report: HostReport) -> str:
    """Bounded: what is dropped is dispensable."""
    items = [f"up={report.up:.3f}", *map(key_report.encode, report.keys)]
    items += [_encode_ban(ban_id, ban_report) for ban_id, ban_report in sorted(report.bans.items())]
    done = list(report.done)
    answers = list(map(_encode_done, done))
    while answers and (len(answers) > MOST_DONE or len("; ".join(items + answers)) > LONGEST):
        at = dispensable(done)
        del done[at], answers[at]
    return "; ".join(items + answers)


def dispensable(done: Sequence[Done]) -> int:
    """Which is forgotten first: the oldest of the guest that has most. So nobody's answers are
    pushed out by another's."""
    counts = Counter(one.requester for one in done)
    most = max(counts.values())
    return next(at for at, one in enumerate(done) if counts[one.requester] == most)


def decode(text: str) -> HostReport | None:
    """None if there is no `up`: then the host says nothing."""
    said = key_report.parse(text)
    if said is None:
        return None
    bans: dict[str, BanReport] = {}
    done = []
    for item in text.split(";"):
        kind, _, rest = item.strip().partition("=")
        try:
            if kind == "ban":
                ban_id, *parts = rest.split(" ")
                bans[unquote(ban_id)] = _decode_ban(parts)
            elif kind == "done":
                ban_id, verdict, *names = rest.split(" ")
                # An operation that is not said is none: of an off it must be known.
                requester, request, target, operation = (*map(unquote, names[:4]), "")[:4]
                answered = Done(
                    unquote(ban_id), verdict == "ok", requester, request, target, operation
                )
                done.append(answered)
        except ValueError:
            continue
    return HostReport(said.up, bans, tuple(done), said.keys)


def _encode_done(one: Done) -> str:
    return (
        f"done={quote(one.ban_id)} {'ok' if one.ok else 'ng'} {quote(one.requester)}"
        f" {quote(one.request)} {quote(one.target)} {quote(one.operation)}"
    )


def _encode_ban(ban_id: str, ban_report: BanReport) -> str:
    parts = [f"ban={quote(ban_id)}"]
    if ban_report.stage is not Stage.SILENT:
        parts.append(ban_report.stage.name.lower())
    parts += [ban_report.objection.value] if ban_report.objection else []
    parts += [f"saw={_hosts(ban_report.saw)}"] if ban_report.saw else []
    parts += [f"for={_hosts(ban_report.judged)}"] if ban_report.judged else []
    return " ".join(parts)


def _decode_ban(parts: Iterable[str]) -> BanReport:
    stage, flags, hosts = Stage.SILENT, set(), {}
    for part in parts:
        name, _, value = part.partition("=")
        if name.upper() in ("BARRED", "DEAD"):
            stage = Stage[name.upper()]
        elif value:
            hosts[name] = frozenset(map(unquote, value.split(",")))
        else:
            flags.add(name)
    none: frozenset[str] = frozenset()
    objection = next((each for each in Objection if each.value in flags), None)
    return BanReport(stage, hosts.get("saw", none), objection, hosts.get("for", none))


def _hosts(names: Iterable[str]) -> str:
    return ",".join(sorted(map(quote, names)))
