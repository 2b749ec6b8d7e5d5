# SPDX-License-Identifier: GPL-2.0-or-later
"""All kinds of findings, and who finds them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from check.vm_check import (
    channels,
    of_definitions,
    of_fence_devices,
    of_fencing,
    of_hardware,
    of_hosts,
    of_keeping,
    of_placement,
    of_settings,
    of_supplies,
    of_times,
    rehearsal,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from check.vm_check.facts import Facts
    from check.vm_check.finding import Finding, Kind

# Each has KINDS and findings().
FINDERS = (
    *(of_hosts, of_placement, of_definitions, of_supplies, of_hardware, of_keeping),
    *(of_times, of_fence_devices, of_fencing, channels, rehearsal, of_settings),
)

KINDS: tuple[Kind, ...] = tuple(kind for finder in FINDERS for kind in finder.KINDS)


def find(facts: Facts) -> Iterator[Finding]:
    for finder in FINDERS:
        yield from finder.findings(facts)
