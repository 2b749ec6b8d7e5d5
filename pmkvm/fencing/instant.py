# SPDX-License-Identifier: GPL-2.0-or-later
"""Times of day in UTC as ISO 8601, the form of a ban's end.

It knows no clock. Only a function that is called loads datetime: an agent that meets no ban does
not need it.
"""

from __future__ import annotations

# datetime knows the years 1 to 9999, and a ban's end may be any: it gets years from 2000 on. After
# 400 years the calendar repeats itself.
_CYCLE_YEARS = 400
_CYCLE_S = 146097 * 86400


def to_text(seconds: int) -> str:
    """Seconds since 1970 as 2026-11-22T14:34:24Z, whatever the host's time zone."""
    from datetime import datetime, timedelta

    cycles, rest = divmod(seconds, _CYCLE_S)
    at = datetime(1970, 1, 1) + timedelta(seconds=rest)
    return f"{at.year + cycles * _CYCLE_YEARS:04}{at:-%m-%dT%H:%M:%SZ}"


def from_text(text: str) -> int:
    """Raises ValueError for anything but such a time; a tool may have written +00:00 for Z."""
    from datetime import datetime, timedelta

    plain = text.strip().replace(" ", "T")
    if plain.endswith("+00:00"):
        plain = plain[: -len("+00:00")] + "Z"
    year, _, rest = plain.partition("-")
    try:
        cycles, of_cycle = divmod(int(year) - 2000, _CYCLE_YEARS)
        at = datetime.fromisoformat(f"{2000 + of_cycle}-{rest[:-1]}").replace(tzinfo=None)
    except ValueError:
        raise ValueError(f"{text!r} is no time in UTC") from None
    seconds = (at - datetime(1970, 1, 1)) // timedelta(seconds=1) + cycles * _CYCLE_S
    # fromisoformat() takes other forms too, and other zones.
    if to_text(seconds) != plain:
        raise ValueError(f"{text!r} is no time in UTC")
    return seconds
