# SPDX-License-Identifier: GPL-2.0-or-later
"""The last fence of each guest, as this host's vm-stonithd has recorded it. Reading is thin."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pmkvm import settings
from pmkvm.deadline import Deadline
from pmkvm.errors import HaError
from pmkvm.fencing import record
from pmkvm.thread_call import call_in_thread

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pmkvm.fencing.record import Record

# Of each file; a record takes about 500 bytes.
_LONGEST = 1 << 20
_READ_S = 3.0


def read() -> Mapping[tuple[str, str], Record]:
    """A file that can't be read, or whose disk hangs, says nothing."""
    # The one before: logrotate may have renamed it an hour ago.
    paths = (settings.FENCE_RECORDS_BEFORE, settings.FENCE_RECORDS)

    def tails() -> str:
        return "\n".join(map(_tail, paths))

    try:
        return last(record.parse(call_in_thread(Deadline(_READ_S), "reading records", tails)))
    except HaError:
        return {}


def last(records: Iterable[Record]) -> dict[tuple[str, str], Record]:
    """By the target's resource and this host's part. A request without a ban fenced nobody."""
    found: dict[tuple[str, str], Record] = {}
    for each in records:
        known = found.get((each.target, each.part))
        if each.ban and (known is None or each.at >= known.at):
            found[each.target, each.part] = each
    return found


def _tail(path: str) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""
    with os.fdopen(descriptor, "rb") as file:
        try:
            file.seek(max(0, os.fstat(descriptor).st_size - _LONGEST))
            return file.read(_LONGEST).decode(errors="replace")
        except OSError:
            return ""
