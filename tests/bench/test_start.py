# SPDX-License-Identifier: GPL-2.0-or-later
"""What a start takes, and how much of it goes into asking whether the guest lives elsewhere."""

from __future__ import annotations

import statistics
import time

from tests.lab.cluster import agents, stonith
from tests.lab.guests.guests import Guest
from tests.measurements import record
from tests.measurements.record import Point

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.lab.hosts.machine import Machine
    from tests.lab.lab import Lab

ROUNDS = 12
BAR_S = 0.3
GUEST = Guest("guest1", power="deaf")
# The daemons publish each second what lives on their hosts.
SETTLE_S = 5.0
# Without a node's name an agent knows of no cluster, and asks nobody.
ALONE = {"OCF_RESKEY_CRM_meta_on_node": ""}
WAYS = {
    "extra": ("extra", {}),
    "extra, asks nobody": ("extra", ALONE),
    "heartbeat": ("heartbeat", {}),
}


def test_a_start_asks_the_other_host_in_time(clean_lab: Lab) -> None:
    lab = clean_lab
    stonith.load_daemons(lab)
    lab.cluster.wait_idle()
    lab.guests.place(GUEST, agents.CONFIG)
    time.sleep(SETTLE_S)
    host = lab.hosts[0]
    figures: dict[str, list[float]] = {name: [] for name in WAYS}
    for _ in range(ROUNDS):
        for name, (provider, more) in WAYS.items():
            figures[name].append(_started(host, provider, more))
    print(f"\n{'':20} min  median  max s")
    for name, seconds in figures.items():
        low, middle, high = min(seconds), statistics.median(seconds), max(seconds)
        print(f"{name:20} {low:.2f}  {middle:.2f}  {high:.2f}")
    medians = [statistics.median(seconds) for seconds in figures.values()]
    points = (
        Point("start", name, "", "s", ratio=round(middle / medians[2], 2), **record.spread(seconds))
        for (name, seconds), middle in zip(figures.items(), medians)
    )
    record.tell(points, host)
    slower = medians[0] - medians[1]
    print(f"asking takes {slower:.3f} s (bar {BAR_S}); {medians[0] / medians[2]:.2f} of heartbeat")
    assert slower <= BAR_S


def _started(host: Machine, provider: str, more: dict[str, str]) -> float:
    agent = agents.virtual_domain(provider)
    began = agents.call(host, agent, "start", 60, more)
    assert began.rc == 0, began.err
    ended = agents.call(host, agents.virtual_domain("extra", force_stop="true"), "stop", 60)
    assert ended.rc == 0, ended.err
    return began.seconds
