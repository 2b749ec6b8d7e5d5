# SPDX-License-Identifier: GPL-2.0-or-later
"""Which promises a round broke, by name, whatever the answers were. Pure."""

from __future__ import annotations

import itertools

from tests.lab.faults import faults, fence_promises
from tests.lab.faults.fence_promises import STILL_S, Kill, Story
from tests.lab.soak.allowance import allowance
from tests.lab.soak.plan import Situation
from tests.lab.soak.seen import died_s

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.soak.allowance import Allowance
    from tests.lab.soak.plan import Plan, Request
    from tests.lab.soak.seen import Line, Seen, Told

# A no is more than the word, and more than that a ban was written.
_REASONS = ("NG", "NG banned;", "ERROR: NG", "ERROR: NG banned;")
# A status that is answered, which fence_vm_stonith says with 2 as fence agents do.
OFF = "Status: OFF"
# What a program takes to begin and end in a guest that is emulated beside others.
EMULATED_S = 15.0
# Seconds between a guest's own time and the log's.
_NEAR_S = 1.0


def broken(plan: Plan, seen: Seen) -> list[str]:
    """Complaints, each with the promise that it is about."""
    allowed = allowance(plan)
    found = []
    for request, told in zip(plan.requests, seen.told):
        name = f"{request.asker} {request.operation} {request.target}"
        found += [f"{text} ({name})" for text in _of_request(plan, seen, request, told, allowed)]
    found += _mutual(plan, seen)
    found += _twice(seen, allowed)
    found += _others(plan, seen, allowed)
    found += [f"daemons: {text}" for text in seen.ill]
    return list(dict.fromkeys(found))


def story(plan: Plan, seen: Seen, request: Request, told: Told, allowed: Allowance) -> Story:
    """One request among those of the round, as the fault table's judge wants it."""
    target = _resource(request.target)
    proof = _proof(seen, request, told)
    until_s = seen.ended_s if told.answered_s is None else told.answered_s
    if proof is not None:
        until_s = proof.at_s
    # Those that stood in its time: another request's of before or after is no matter of its.
    bans = [
        one.seen
        for one in seen.bans
        if one.ban.resource == target and one.seen.first_s <= until_s
        if one.seen.gone_s is None or one.seen.gone_s >= told.asked_s
    ]
    ids = {ban.id for ban in bans}
    kills = [one for one in seen.lines if one.is_kill and one.target == target and one.ban in ids]
    lives = seen.lives[request.target]
    is_back = bool(lives) and seen.back_s.get(request.target) is not None
    is_lone = len([one for one in plan.fences if one.target == request.target]) == 1
    return Story(
        operation=request.operation,
        asked_s=told.asked_s,
        timeout_s=request.timeout_s + EMULATED_S,
        ended_s=seen.ended_s,
        # cluster-glue's stonith says nothing when all went well.
        answer=told.text or ("OK" if told.is_ok else told.text),
        is_ok=told.is_ok,
        took_s=told.took_s,
        answered_s=told.answered_s,
        ok_s=proof.at_s if proof is not None else None,
        requester_died_s=died_s(seen.lives[request.asker], told.asked_s, seen.ended_s - STILL_S),
        bans=bans,
        lives=lives,
        kills=[Kill(one.host, one.at_s) for one in kills],
        undone_s=seen.undone_s,
        back_s=lives[-1].first_s if is_back else None,
        is_kept_stopped=allowed.kept,
        moves=allowed.moves or not is_lone or plan.situation is not Situation.AT_REST,
    )


def _of_request(
    plan: Plan, seen: Seen, request: Request, told: Told, allowed: Allowance
) -> Iterator[str]:
    own = story(plan, seen, request, told, allowed)
    judges = fence_promises.PROMISES
    for name in ("P1", "P2", "P3") if request.is_fence else ():
        yield from (f"{name}: {text}" for text in judges[name](own))
    if request.is_fence:
        asked_by = _resource(request.asker)
        written = [one.seen for one in seen.bans if one.ban.requester == asked_by]
        after = own._replace(bans=[one for one in written if one.first_s > told.asked_s])
        yield from (f"P4: {text}" for text in judges["P4"](after))
    yield from (f"P6: {text}" for text in judges["P6"](own))
    if told.text is not None and not told.is_ok and told.text != OFF:
        if told.text.strip() in _REASONS:
            yield f"P6: a no without a reason: {told.text!r}"
        if not plan.disturbances and len(plan.fences) == 1:
            yield f"P6: a no though nothing was disturbed: {told.text}"


def _proof(seen: Seen, request: Request, told: Told) -> Line | None:
    """The OK in its host's log; none for an answer that was repeated."""
    if not told.is_ok or told.answered_s is None:
        return None
    asked = (_resource(request.asker), request.operation, _resource(request.target))
    found = [
        one
        for one in seen.lines
        if not one.is_kill and (one.asker, one.operation, one.target) == asked
        if told.asked_s - _NEAR_S < one.at_s < told.answered_s + _NEAR_S
    ]
    return found[-1] if found else None


def _mutual(plan: Plan, seen: Seen) -> Iterator[str]:
    """Of two guests that fence each other exactly one lives."""
    kills = {(line.asker, line.target) for line in seen.lines if line.is_kill}
    for one, other in itertools.combinations(plan.fences, 2):
        if (one.asker, one.target) == (other.target, other.asker) and _overlap(
            plan, seen, one, other
        ):
            pair = (_resource(one.asker), _resource(one.target))
            if all(seen.told[plan.requests.index(each)].is_ok for each in (one, other)):
                yield f"P4: {one.asker} and {other.asker} both have an OK"
            if {pair, pair[::-1]} <= kills:
                yield f"P4: {one.asker} and {other.asker} killed each other"


def _overlap(plan: Plan, seen: Seen, one: Request, other: Request) -> bool:
    """Whether neither was asked when the other had its answer: then another life asks."""
    first, second = (seen.told[plan.requests.index(each)] for each in (one, other))
    return all(
        early.answered_s is None or late.asked_s < early.answered_s
        for early, late in ((first, second), (second, first))
    )


def _twice(seen: Seen, allowed: Allowance) -> Iterator[str]:
    """Nobody lives twice at once, but while it migrates; and never do two of them run."""
    for guest in sorted(seen.interleaved):
        yield f"P1: two boots of {guest} interleave"
    if allowed.migrates:
        return
    for guest, lives in seen.lives.items():
        for one, other in zip(lives, lives[1:]):
            if other.first_s < one.last_s:
                yield f"P1: {guest} lived twice at once: {one}, {other}"


def _others(plan: Plan, seen: Seen, allowed: Allowance) -> Iterator[str]:
    """Nothing but the targets is touched."""
    for host in sorted(seen.fenced - allowed.risk):
        yield f"P5: {host} was fenced"
    yield from (f"P5: {text}" for text in seen.left)
    gone = seen.fenced | allowed.upset
    for host in sorted(seen.upset - gone):
        yield f"P5: the bystander of {host} was stopped"
    targets = {one.target for one in plan.fences}
    for guest, back_s in seen.back_s.items():
        if back_s is None and guest not in targets:
            yield f"P5: {guest} does not run any more"
    for guest in sorted(seen.anew - targets):
        homes = {life.host for life in seen.lives[guest]}
        if not (allowed.moves and homes & gone) and not _is_moved(plan, guest):
            yield f"P5: {guest} was started anew"


def _is_moved(plan: Plan, guest: str) -> bool:
    """Whether the administrator himself has it stopped and started."""
    own = [one.fault for one in plan.disturbances if one.fault.who == faults.ADMINISTRATOR]
    return guest == plan.first.target and any(fault.moves for fault in own)


def _resource(guest: str) -> str:
    return f"prmVMCTL_{guest}"
