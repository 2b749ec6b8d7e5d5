# SPDX-License-Identifier: GPL-2.0-or-later
"""Two guests that fence each other in the same instant: exactly one survives, without a delay."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.lab.cluster import stonith
from tests.lab.errors import LabError
from tests.lab.faults.situations import wait_until
from tests.lab.guests.fencing_guest import CONNECT, Ask
from tests.lab.guests.pair import BOOT_S

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.lab.cluster.registration import Registered
    from tests.lab.guests.pair import Pair

pytestmark = pytest.mark.rotating(parts=4)

# Both ask.
PAIR = {"target_kind": "full"}


@pytest.mark.parametrize("number", [0, 1], ids=["on one host", "on two hosts"])
def test_exactly_one_survives(pair: Pair, number: int, is_full: bool) -> None:
    won = []
    for _ in range(50 if is_full else 1):
        pair.place(pair.lab.hosts[number])
        before = {one.resource: has_way(one) for one in pair}
        asked = [(one, other) for one, other in (pair, pair[::-1])]
        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(lambda each: ask(*each), asked))
        wait_until(lambda: not stonith.bans(pair.lab), "the end of the fences", BOOT_S)
        for one in pair:
            pair.lab.cluster.wait_running(one.resource, timeout_s=BOOT_S)
        after = {one.resource: has_way(one) for one in pair}
        survivors = [name for name, boot in before.items() if after[name] == boot]
        print(survivors, answers)
        assert len(survivors) == 1, (before, after, answers)
        assert answers[[one.resource for one in pair].index(survivors[0])] == "OK", answers
        assert pair.lab.fencing.events() == []
        assert stonith.fail_counts(pair.lab) == []
        won += survivors
    print({name: won.count(name) for name in set(won)})


def ask(one: Registered, other: Registered) -> str:
    """By vm-connect, which is the quickest; one that dies meanwhile says nothing."""
    asking = Ask("reset", other.guest.name, other.resource, CONNECT)
    try:
        return asking.begin(one.lab.guests, one.guest).answered().text
    except LabError as error:
        return str(error)


def has_way(one: Registered) -> str:
    """The boot in which it can ask; waits for that."""

    def answers() -> bool:
        # Each may ask about itself.
        status = Ask("status", one.guest.name, one.resource, CONNECT, 5)
        return status.begin(one.lab.guests, one.guest).answered().is_ok

    wait_until(answers, f"{one.guest.name} has a way to its host", BOOT_S)
    boot = one.counter.boot()
    assert boot is not None
    return boot
