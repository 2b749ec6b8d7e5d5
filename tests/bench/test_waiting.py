# SPDX-License-Identifier: GPL-2.0-or-later
"""How many processes a host starts for a request that waits long, beside those of an idle host."""

from __future__ import annotations

import signal
import time

from tests.lab.cluster import stonith
from tests.lab.faults import fence_watch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.lab.guests.pair import Pair
    from tests.lab.hosts.machine import Machine

# From then on one pause between two readings is a second: a tenth of the quiet, at most that.
SETTLED_S = 12.0
WATCH_S = 30.0
REQUEST_S = 60.0
# A second: two readings, of the CIB and of attrd, and the threads that wait for them.
BAR = 6.0


def test_a_request_that_waits_starts_few_processes(pair: Pair) -> None:
    """The vm-stonithd of the target's host is stopped, so its word is waited for until the end."""
    host1, host2 = pair.lab.hosts
    pair.place(host2)
    pair.lab.cluster.wait_idle()
    time.sleep(SETTLED_S)
    idle = started(host1)
    silent = fence_watch.daemon(host2, stonith.STONITHD)
    assert silent is not None
    silent.send(signal.SIGSTOP)
    try:
        asking = pair.ask("off", timeout_s=REQUEST_S)
        time.sleep(SETTLED_S)
        waiting = started(host1)
    finally:
        silent.send(signal.SIGCONT)
    answered = asking.answered()
    print(f"\nidle {idle:.1f}, waiting {waiting:.1f} processes and threads a second; {answered}")
    assert answered.took_s > SETTLED_S + WATCH_S, answered
    assert waiting - idle <= BAR


def started(host: Machine) -> float:
    """Processes and threads a second: each gets the host's next number."""
    before, began = _number(host), time.monotonic()
    time.sleep(WATCH_S)
    return (_number(host) - before) / (time.monotonic() - began)


def _number(host: Machine) -> int:
    return int(host.must(["sh", "-c", "echo $$"]))
