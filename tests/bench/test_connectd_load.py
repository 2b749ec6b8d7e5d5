# SPDX-License-Identifier: GPL-2.0-or-later
"""A host's vm-connectd with up to 500 guests: what it holds, what it costs, how quick it is."""

from __future__ import annotations

from tests.bench.connectd_load import HEADER, RATE_PER_S, SECONDS, measure
from tests.measurements import record
from tests.measurements.record import Point

# With fewer, each would ask more than a guest may.
SIZES = (25, 50, 100, 200, 500)
RSS_MIB = 64.0
IDLE = 0.01
P99_MS = 20.0


def test_500_guests() -> None:
    """The curve is for the reader: it has to be flat but for the memory, which grows by guest."""
    print(f"\n{HEADER}")
    for size in SIZES:
        found = measure(size)
        print(found)
        record.tell([Point("connectd-memory", "vm-connectd", size, "MiB", median=found.rss_mib)])
        assert found.echoes == RATE_PER_S * SECONDS, "a request was not answered"
    assert found.rss_mib <= RSS_MIB
    assert found.idle < IDLE
    assert found.p99_ms < P99_MS
