# SPDX-License-Identifier: GPL-2.0-or-later
"""One fence between the guests of a pair, watched from outside the hosts, and what must be true."""

from __future__ import annotations

import contextlib

from tests.lab.cluster import stonith
from tests.lab.guests.lives import Lives

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.guests.fencing_guest import Answered
    from tests.lab.guests.pair import Pair


@contextlib.contextmanager
def fence(pair: Pair) -> Iterator[Lives]:
    """Nothing is left behind by what is done in it, and no life outlives its OK."""
    role, boots = stonith.role(pair.lab, pair.target.resource), pair.requester.counter.boots()
    with Lives(pair.lab.guests, pair.target.guest) as lives:
        yield lives
    assert pair.leftovers(role or "Started", boots) == []
    assert not pair.target.counter.is_going_back()


def assert_dead(pair: Pair, answered: Answered, lives: Lives, began_s: float) -> None:
    """One request, answered OK once, and no life of before it was seen after that."""
    assert answered.is_ok, answered
    proven = [one for one in pair.proven() if one.at_s > began_s]
    assert len({one.request for one in proven}) == 1, proven
    assert lives.outlived(began_s, proven[0].at_s) == []
