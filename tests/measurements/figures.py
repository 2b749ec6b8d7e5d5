# SPDX-License-Identifier: GPL-2.0-or-later
"""Which figures there are, on which page each stands, and what its picture is like. Pure."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Kind(Enum):
    """Of a picture: a bar for each value, or a line along a number of hosts, guests, requests."""

    BARS = "bars"
    LINES = "lines"


class Figure(NamedTuple):
    """name is the one in the records; series and at are the titles of those columns."""

    name: str
    page: str
    title: str
    series: str
    at: str = ""
    kind: Kind = Kind.BARS
    # What the ratio in the records is to.
    peer: str = ""


FIGURES = (
    Figure(
        "monitor",
        "monitor.md",
        "One monitor, beside its peers",
        "command",
        "time",
        peer="heartbeat:VirtualDomain",
    ),
    Figure(
        "monitor-guests",
        "monitor.md",
        "One monitor, by the guests of its host (processor time)",
        "command",
        "guests",
        Kind.LINES,
    ),
    Figure(
        "fence",
        "fences.md",
        "A fence, beside fence_xvm's",
        "asked by",
        "what",
        peer="fence_xvm",
    ),
    Figure(
        "fence-beside", "fences.md", "A fence, while something else happens", "situation", "as seen"
    ),
    Figure(
        "fence-at-once",
        "fences.md",
        "Fences that are asked for at one instant",
        "until",
        "at once",
        Kind.LINES,
    ),
    Figure(
        "fence-hosts",
        "fences.md",
        "A fence on the host, by the number of hosts",
        "seconds",
        "hosts",
        Kind.LINES,
    ),
    Figure(
        "fence-faults",
        "fault-table.md",
        "A fence until its OK, by the fault in its middle",
        "fault",
    ),
    Figure(
        "split-brain",
        "split-brain.md",
        "A guests' cluster is cut in two",
        "configuration",
        "from the cut until",
    ),
    Figure(
        "idle",
        "daemons.md",
        "What one host's daemons cost while nothing happens",
        "daemon",
        "guests",
        Kind.LINES,
    ),
    Figure(
        "idle-by-hosts",
        "daemons.md",
        "What fencing costs a host while nothing happens, a minute",
        "processor time of",
        "hosts",
    ),
    Figure(
        "connectd-memory",
        "daemons.md",
        "The memory of vm-connectd, by the guests of its host",
        "daemon",
        "guests",
        Kind.LINES,
    ),
    Figure("start", "start.md", "A start, beside its peer's", "agent", peer="heartbeat"),
    Figure(
        "migration", "migration.md", "A live migration, beside virsh's", "by", peer="virsh migrate"
    ),
    Figure("vm-ctl", "vm-ctl.md", "200 guests, beside crmsh", "command", peer="crm configure load"),
    Figure(
        "vm-ctl-guests",
        "vm-ctl.md",
        "vm-ctl, by the number of guests",
        "vm-ctl",
        "guests",
        Kind.LINES,
    ),
    Figure(
        "vm-check-guests",
        "vm-check.md",
        "vm-check, by the number of guests",
        "hosts",
        "guests",
        Kind.LINES,
    ),
)
