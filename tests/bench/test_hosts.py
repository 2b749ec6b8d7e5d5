# SPDX-License-Identifier: GPL-2.0-or-later
"""How long a fence takes by the number of hosts, each of which must say that the target is not
there: one run for each number, `pytest tests/bench/test_hosts.py --lab-hosts 4`."""

from __future__ import annotations

from tests.bench.test_fence import fence
from tests.lab.guests.fencing_guest import CONNECT
from tests.measurements import record
from tests.measurements.record import Point

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.lab.guests.pair import Pair

ROUNDS = 10
# Each host is a set of processes on the same cores: this is a measure of growth beside them.
BAR_S = 5.0


def test_a_fence_by_the_number_of_hosts(pair: Pair) -> None:
    hosts = len(pair.lab.hosts)
    rounds = [fence(pair, CONNECT) for _ in range(ROUNDS)]
    points = [
        Point("fence-hosts", series, hosts, "s", **record.spread(values))
        for series, values in (
            ("until the target is killed", [one.until_killed for one in rounds]),
            ("until the answer", [one.until_answered for one in rounds]),
        )
    ]
    print("\n" + "\n".join(point.line() for point in points))
    record.tell(points, pair.lab.hosts[0])
    assert points[-1].median is not None
    assert points[-1].median <= BAR_S
