# SPDX-License-Identifier: GPL-2.0-or-later
"""What must not come of scarcity, whatever the moment: judged from what was seen. Pure."""

from __future__ import annotations

from typing import NamedTuple

from tests.lab.faults import scarcity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.lab.faults.gate import Call
    from tests.lab.faults.scarcity import Action, Lack
    from tests.lab.guests.lives import Life

# Without a hand, from the lack's end on; and what it takes to see it.
RECOVERED_S, LOOK_S = 10.0, 1.0
# Between two looks at the process table.
SEEN_S = 0.1
# One that ends within that time has not outlived anything.
STILL_S = 0.05
# It runs, and something is wrong with it.
DEGRADED = 190
LOOKS = (scarcity.MONITOR, scarcity.PROBE, scarcity.RELOAD, scarcity.VALIDATE)
MIGRATIONS = (scarcity.MIGRATE_TO, scarcity.MIGRATE_FROM)

# A resource on a host.
Place = tuple[str, str]


class Facts(NamedTuple):
    """One lack from its begin to well after its end; times of day.

    fenced: hosts. anew: healthy guests that have been started anew. steady: who has lived on in
    one process all the time. doubled: services with more than one. lives: of the subject, the
    guest whose resource that is. took: seconds from the end to each part's recovery. answer: to
    the fence that is asked for then; outlived: its target did. left: what that must not leave.
    late: monitors that did not come.
    """

    lack: Lack
    ended_s: float
    subject: str
    calls: Sequence[Call] = ()
    fenced: Sequence[str] = ()
    anew: Sequence[str] = ()
    steady: frozenset[Place] = frozenset()
    doubled: Sequence[str] = ()
    lives: Sequence[Life] = ()
    took: Mapping[str, float | None] = {}
    answer: str | None = None
    is_ok: bool = False
    outlived: bool = False
    left: Sequence[str] = ()
    late: Sequence[str] = ()


class HeldAction(NamedTuple):
    """The action that was under way: its call, and whether its subject was started anew."""

    action: Action
    call: Call
    is_anew: bool


def broken(facts: Facts, held: HeldAction | None = None) -> list[str]:
    """All complaints. Where not even the interpreter starts, what Pacemaker does about that is
    not ours: only lies count then, and what comes afterwards."""
    found = lies(facts, held)
    if not facts.lack.starts_nothing:
        found += harm(facts, held)
    return found + ([] if facts.fenced else recovery(facts))


def lies(facts: Facts, held: HeldAction | None) -> list[str]:
    found = [
        f"{call.action} of {call.resource} on {call.host} says stopped, and it lives"
        for call in facts.calls
        if _says_stopped(call) and _lived(facts, call)
    ]
    if held is not None:
        # Of a fenced guest it is right: Pacemaker still owes its stop.
        found += [
            f"monitor of {call.resource} on {call.host} says running, and it is dead"
            for call in facts.calls
            if call.is_monitor and call.rc == 0
            if _is_subject(facts, call) and not _met(facts, call)
        ]
    if held is None or held.action.operation not in MIGRATIONS:
        found += [f"{one} beside {other}" for one, other in overlaps(facts.lives)]
    return found + [f"more than one {name}" for name in facts.doubled]


def harm(facts: Facts, held: HeldAction | None) -> list[str]:
    found = [f"{host} was fenced" for host in facts.fenced]
    found += [f"{guest} was started anew" for guest in facts.anew]
    found += [
        f"monitor of {call.resource} on {call.host} is {call.rc}, and it lives"
        for call in facts.calls
        if call.is_monitor and call.rc not in (None, 0, 7, DEGRADED) and _lived(facts, call)
    ]
    if held is None:
        return found
    call = held.call
    if call.rc is None:
        found.append(f"{held.action.name} was killed, or still runs")
    elif held.action.operation == scarcity.STOP and call.rc != 0:
        found.append(f"{held.action.name} is {call.rc}")
    if call.ended_s is not None and call.ended_s > facts.ended_s + RECOVERED_S:
        found.append(f"{held.action.name} ends {call.ended_s - facts.ended_s:.1f} s after the end")
    if held.action.operation in (*LOOKS, *MIGRATIONS) and held.is_anew:
        found.append(f"{call.resource} was started anew")
    return found


def recovery(facts: Facts) -> list[str]:
    """Only where no host was lost."""
    found = [
        f"{name}: {'never' if took is None else f'{took:.1f} s after the end'}"
        for name, took in facts.took.items()
        if took is None or took > RECOVERED_S + LOOK_S
    ]
    if not facts.is_ok:
        found.append(f"a fence after the end: {facts.answer}")
    if facts.outlived:
        found.append("a fence after the end: OK, and it lives")
    found += [f"left: {text}" for text in facts.left]
    return found + [f"no monitor of {name} after the end" for name in facts.late]


def overlaps(lives: Sequence[Life]) -> list[tuple[Life, Life]]:
    """Two lives that were seen at one time."""
    return [
        (one, other)
        for number, one in enumerate(lives)
        for other in lives[number + 1 :]
        if min(one.last_s, other.last_s) - max(one.first_s, other.first_s) > SEEN_S
    ]


def _says_stopped(call: Call) -> bool:
    return (call.is_monitor and call.rc == 7) or (call.action == scarcity.STOP and call.rc == 0)


def _is_subject(facts: Facts, call: Call) -> bool:
    return call.resource == facts.subject


def _lived(facts: Facts, call: Call) -> bool:
    """Whether it lived on that host from the call's begin to beyond its end."""
    if not _is_subject(facts, call):
        return (call.resource, call.host) in facts.steady
    ended_s = call.began_s if call.ended_s is None else call.ended_s
    return any(
        life.host == call.host and life.first_s < call.began_s and life.last_s > ended_s + STILL_S
        for life in facts.lives
    )


def _met(facts: Facts, call: Call) -> bool:
    """Whether it can have lived there at any time of the call, however late it was looked for."""
    ended_s = call.began_s if call.ended_s is None else call.ended_s
    return any(
        life.host == call.host and life.may_have_lived(call.began_s, ended_s)
        for life in facts.lives
    )
