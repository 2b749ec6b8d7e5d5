# SPDX-License-Identifier: GPL-2.0-or-later
"""What stonith-helper makes of what it sees. Pure.

What is not known is never a death, and never a reason not to wait.
"""

from __future__ import annotations

from pmkvm.light_types import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Optional

    # Of one address: it answered, it was asked and did not, or that can't be said.
    Reply = Optional[bool]


class Wait(NamedTuple):
    """How long this side waits before the next device is asked, and why."""

    seconds: float
    reason: str


def is_silent(replies: Sequence[Reply]) -> bool:
    """Whether each of the target's addresses was asked, and none answered."""
    return bool(replies) and all(reply is False for reply in replies)


def standby(is_active: bool | None, *, is_member: bool | None, wait_s: float) -> Wait:
    """is_active: of this node, None if that can't be said. is_member: of the target, None if it
    was not asked for or can't be said.
    """
    if is_active:
        return Wait(0.0, "this node is the active one")
    if is_member:
        return Wait(0.0, "the target is a member of this partition")
    if is_active is None:
        return Wait(wait_s, "it is not known whether this node is the active one")
    return Wait(wait_s, "this node is the standby")


def quorum(has_quorum: bool | None, *, wait_s: float) -> Wait:
    if has_quorum:
        return Wait(0.0, "this partition has quorum")
    if has_quorum is None:
        return Wait(wait_s, "it is not known whether this partition has quorum")
    return Wait(wait_s, "this partition has no quorum")
