# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests by the hundred: defined on every host, never started; one virsh a host does it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from tests.lab.guests.guests import IMAGES, Guest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.lab import Lab

MANY_S = 300.0


@contextlib.contextmanager
def defined(lab: Lab, count: int) -> Iterator[list[str]]:
    """Their names, in vm-ctl's order."""
    guests = [Guest(f"many{number:04}") for number in range(1, count + 1)]
    try:
        for guest in guests:
            Path(lab.guests.outside(f"{IMAGES}/{guest.name}.xml")).write_text(
                guest.xml(), encoding="utf-8"
            )
        _virsh(lab, [f"define {IMAGES}/{guest.name}.xml" for guest in guests])
        yield [guest.name for guest in guests]
    finally:
        _virsh(lab, [f"undefine {guest.name}" for guest in guests])
        for guest in guests:
            os.unlink(lab.guests.outside(f"{IMAGES}/{guest.name}.xml"))


def epoch(lab: Lab) -> int:
    """How many changes of the configuration there have been."""
    return int(lab.cib().get("epoch", "0"))


def _virsh(lab: Lab, lines: list[str]) -> None:
    for host in lab.hosts:
        host.must(["virsh", "-q"], stdin="\n".join([*lines, ""]), timeout_s=MANY_S)
