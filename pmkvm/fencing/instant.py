# SPDX-License-Identifier: GPL-2.0-or-later
"""Times of day in UTC as ISO 8601, the form of a ban's end. Pure, and light: an agent loads it."""

from __future__ import annotations

_DAY_S = 86400


def to_text(seconds: int) -> str:
    """Seconds since 1970 as 2026-11-22T14:34:24Z, whatever the host's time zone."""
    days, rest = divmod(seconds, _DAY_S)
    year, month, day = _date(days)
    return f"{year:04}-{month:02}-{day:02}T{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}Z"


def from_text(text: str) -> int:
    """Raises ValueError for anything but such a time; a tool may have written +00:00 for Z."""
    plain = text.strip().replace(" ", "T")
    for zone in ("Z", "+00:00"):
        if plain.endswith(zone):
            plain = plain[: -len(zone)]
            break
    else:
        raise ValueError(f"{text!r} is no time in UTC")
    date, _, clock = plain.partition("T")
    try:
        year, month, day = (int(part) for part in date.split("-"))
        hour, minute, second = (int(part) for part in clock.split(":"))
    except ValueError:
        raise ValueError(f"{text!r} is no time in UTC") from None
    seconds = _days(year, month, day) * _DAY_S + hour * 3600 + minute * 60 + second
    # 2026-02-31 and 25:00:00 come out as another time than they went in.
    if not to_text(seconds).startswith(f"{plain}Z"):
        raise ValueError(f"{text!r} is no time in UTC")
    return seconds


def _days(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 in the Gregorian calendar, years counted from March."""
    year -= month <= 2  # noqa: PLR2004 - January and February end the year before
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return 365 * year + year // 4 - year // 100 + year // 400 + of_year - 719468


def _date(days: int) -> tuple[int, int, int]:
    """The date of so many days since 1970-01-01."""
    era, of_era = divmod(days + 719468, 146097)
    year = (of_era - of_era // 1460 + of_era // 36524 - of_era // 146096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    index = (5 * of_year + 2) // 153
    month = (index + 2) % 12 + 1
    return (
        year + era * 400 + (month <= 2),  # noqa: PLR2004 - as above
        month,
        of_year - (153 * index + 2) // 5 + 1,
    )
