# SPDX-License-Identifier: GPL-2.0-or-later
"""The promises P1 to P6 of a fence, each judged by name from what was seen from outside. Pure.

Each gives its complaints; none means that it was held as far as can be seen.
"""

from __future__ import annotations

from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.lab.faults.fence_bans import Banned
    from tests.lab.guests.lives import Life

# A ban's lease, 15 s, and a small guest's boot.
BACK_S = 60.0 + 15.0 + 30.0
# The disk shows a removal so much after it, at the most.
DISK_S = 1.0
# The fence agent's own start and end in an emulated guest, and the way back.
AGENT_S = 5.0
# A life that was seen so shortly before the end of the watch goes on.
STILL_S = 0.5
# Between a kill and its line in the log.
LINE_S = 0.7


class Kill(NamedTuple):
    """A line of a vm-stonithd: it killed a QEMU of the target."""

    host: str
    at_s: float


class Story(NamedTuple):
    """One fence from its request to well after its end; times of day.

    answer: what the guest was told, None if it was dead by then. ok_s: the OK in its host's log.
    back_s: when the target ran and nothing of the fence was left; None: never.
    left: what a fence must not leave. gone: hosts that were fenced or killed, risk: that may be.
    moves: the fault itself ended lives of the target. lost_s: how much longer it may be away.
    """

    operation: str
    asked_s: float
    timeout_s: float
    ended_s: float
    answer: str | None = None
    is_ok: bool = False
    took_s: float = 0.0
    answered_s: float | None = None
    ok_s: float | None = None
    requester_died_s: float | None = None
    bans: Sequence[Banned] = ()
    lives: Sequence[Life] = ()
    kills: Sequence[Kill] = ()
    undone_s: float = 0.0
    back_s: float | None = None
    is_kept_stopped: bool = False
    left: Sequence[str] = ()
    gone: frozenset[str] = frozenset()
    risk: frozenset[str] = frozenset()
    moves: bool = False
    lost_s: float = 0.0


def p1(story: Story) -> list[str]:
    """OK means dead: no life of before outlives it, none begins while the ban stands."""
    if not story.is_ok or story.answered_s is None:
        return []
    before_s = story.bans[0].first_s if story.bans else story.answered_s
    # Without the line the answer was repeated, and the target may live anew.
    proven_s, began_s = story.answered_s, before_s
    if story.ok_s is not None:
        proven_s = began_s = story.ok_s
    found = [
        f"{life} outlived the OK at {proven_s:.2f}"
        for life in story.lives
        if life.first_s < began_s and life.last_s > proven_s
    ]
    for ban in story.bans:
        # What has run out bars nobody, and is removed 15 s later.
        until_s = min((ban.gone_s or story.ended_s) - DISK_S, ban.end_s)
        found += [
            f"{life} began under the ban {ban.id}"
            for life in story.lives
            if life.has_run and max(proven_s, ban.first_s) < life.first_s < until_s
        ]
    return found


def p2(story: Story) -> list[str]:
    """No life that began after the answer is ended by the request."""
    if story.answered_s is None:
        return []
    answered_s = story.ok_s or story.answered_s
    found = []
    for life in story.lives:
        is_over = life.last_s < story.ended_s - STILL_S
        if life.has_run and life.first_s > answered_s and is_over:
            kills = [
                one
                for one in story.kills
                if one.host == life.host and abs(one.at_s - life.last_s) < LINE_S
            ]
            if kills or not (story.moves or story.gone):
                found.append(f"{life} began after the answer at {answered_s:.2f} and ended")
    return found


def p3(story: Story) -> list[str]:
    """After a reset, answered or not, the target is not kept stopped; nor after off and on."""
    if story.back_s is None:
        return ["the target is kept stopped"]
    if story.operation != "reset" or story.is_kept_stopped:
        return []
    since_s = max(story.answered_s or 0.0, story.requester_died_s or 0.0, story.undone_s)
    took_s = story.back_s - since_s
    is_late = took_s > BACK_S + story.lost_s
    return [f"the target is back after {took_s:.0f} s only"] if is_late else []


def p4(story: Story) -> list[str]:
    """A dead guest fences nobody."""
    died_s = story.requester_died_s
    if died_s is None:
        return []
    return [
        f"the ban {ban.id} was written after the requester's death"
        for ban in story.bans
        if ban.first_s > died_s + DISK_S
    ]


def p5(story: Story) -> list[str]:
    """Nothing but the target is touched: no host, count, bar, role, no other guest."""
    fenced = sorted(story.gone - story.risk)
    return [f"{host} was fenced" for host in fenced] + list(story.left)


def p6(story: Story) -> list[str]:
    """The guest has its answer in time, and a no has its reason."""
    if story.answer is None:
        return [] if story.requester_died_s is not None else ["the guest has no answer"]
    found = []
    if story.took_s > story.timeout_s + AGENT_S:
        found.append(f"the answer took {story.took_s:.1f} s")
    if not story.answer.strip():
        found.append("the answer is empty")
    return found


PROMISES = {"P1": p1, "P2": p2, "P3": p3, "P4": p4, "P5": p5, "P6": p6}


def broken(story: Story) -> list[str]:
    return [f"{name}: {text}" for name, judge in PROMISES.items() for text in judge(story)]
