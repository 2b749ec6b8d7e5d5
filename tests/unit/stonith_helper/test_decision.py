# SPDX-License-Identifier: GPL-2.0-or-later
"""Every combination of what may be seen: what is not known waits, and is no death."""

from __future__ import annotations

from itertools import product

import pytest

from stonith.stonith_helper import decision

KNOWN_OR_NOT = (True, False, None)


@pytest.mark.parametrize("replies", product(KNOWN_OR_NOT, repeat=3))
def test_a_target_is_silent_only_if_every_address_was_asked_in_vain(
    replies: tuple[bool | None, ...],
) -> None:
    assert decision.is_silent(replies) is (replies == (False, False, False))


def test_who_was_not_asked_is_not_silent() -> None:
    assert not decision.is_silent(())


@pytest.mark.parametrize("is_active", KNOWN_OR_NOT)
@pytest.mark.parametrize("is_member", KNOWN_OR_NOT)
def test_only_what_is_known_shortens_the_standbys_wait(
    is_active: bool | None, is_member: bool | None
) -> None:
    wait = decision.standby(is_active, is_member=is_member, wait_s=25.0)
    assert (wait.seconds == 0.0) is (is_active is True or is_member is True)
    assert wait.seconds in (0.0, 25.0)


@pytest.mark.parametrize(("has_quorum", "seconds"), [(True, 0.0), (False, 25.0), (None, 25.0)])
def test_without_quorum_a_side_waits(has_quorum: bool | None, seconds: float) -> None:
    assert decision.quorum(has_quorum, wait_s=25.0).seconds == seconds
