# SPDX-License-Identifier: GPL-2.0-or-later
"""What `--guest` tells besides findings: the times, number by number, and the rehearsal. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from check.vm_check import of_fencing, sums
from check.vm_check.rehearsal import Rehearsal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from check.vm_check.facts import Facts, Guest


def lines(facts: Facts, guest: Guest) -> Iterator[str]:
    """For a person."""
    yield "times that fit together:"
    yield from (f"  {each}" for each in sums.of(facts, guest))
    if not of_fencing.is_configured(facts):
        yield "a fence of it: no vm-stonithd is in this cluster"
        return
    rehearsal = Rehearsal(facts)
    if rehearsal.is_target(guest.resource):
        yield f"a fence of it, rehearsed: {rehearsal.answer(guest)}"
        yield "  not rehearsed: the guest's own token, which only the guest has"
    else:
        yield f"a fence of it: {guest.resource} can't be fenced, as it is in a clone or a bundle"
