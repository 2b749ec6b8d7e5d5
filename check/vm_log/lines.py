# SPDX-License-Identifier: GPL-2.0-or-later
"""One line of a log to who wrote what and when: pacemaker.log, syslog's files, vm-stonithd's own
log, and the journal's JSON. What is none of these programs' is None, whatever its bytes are.
"""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from typing import Any

from check.vm_log.event import Line

# Of a line. The messages that are told are shorter, and a pattern's time is bounded so.
LONGEST = 4096
PROGRAMS = (
    "pacemakerd",
    "pacemaker-attrd",
    "pacemaker-controld",
    "pacemaker-fenced",
    "pacemaker-schedulerd",
    "vm-stonithd",
)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# pacemaker.log of 2.1 and 3.0, and old syslog: "Dec 02 08:42:33.790 host1 pacemakerd  [1] (main)
# notice: ". rsyslog: "2026-12-02T08:42:33.790123+00:00 host1 pacemakerd[1]:  notice: ".
# vm-stonithd: "2026-12-02 08:42:33.790 vm-stonithd[1] info: ".
_HEAD = re.compile(
    r"(?:(?P<month>[A-Z][a-z]{2}) {1,2}(?P<day>\d{1,2})|(?P<date>\d{4}-\d\d-\d\d))[ T]"
    r"(?P<time>\d\d:\d\d:\d\d)(?P<fraction>[.,]\d{1,9})?(?P<zone>Z|[+-]\d\d:?\d\d)?"
    r"(?: (?P<host>[^\s\[]+))?? (?P<program>[\w-]+) *\[\d+\]:?(?:\s+\([^\s()]*\))?\s+"
    r"(?:(?:emerg|alert|crit|error|warning|notice|info|debug|trace): )?(?P<text>.*)",
    re.ASCII | re.DOTALL,
)
_LEVEL = re.compile(r"\s*(?:(?:crit|error|warning|notice|info|debug): )?")
_DAY = timedelta(days=1)
# A line of 29 February may be so many years old.
_YEARS = 8
# Seconds since 1970 that any calendar can print.
_LAST = 1 << 35


def of_log(text: str, now: datetime) -> Line | None:
    """now: local time. A line without a year is of the last year in which it is not to come."""
    head = _HEAD.match(text[:LONGEST])
    if head is None or head["program"] not in PROGRAMS:
        return None
    when = _when(head, now)
    if when is None or not 0 <= when < _LAST:
        return None
    return Line(when, head["host"] or "", head["program"], head["text"].rstrip())


def _when(head: re.Match[str], now: datetime) -> float | None:
    try:
        if head["date"]:
            day = datetime.fromisoformat(f"{head['date']} {head['time']}")
        else:
            day = _in_a_year(head, now)
        if head["zone"]:
            zone = head["zone"].replace("Z", "+0000").replace(":", "")
            day = day.replace(tzinfo=datetime.strptime(zone, "%z").tzinfo)
        return day.timestamp() + float("0." + (head["fraction"] or ".0")[1:])
    except (ValueError, OverflowError, OSError):
        return None


def _in_a_year(head: re.Match[str], now: datetime) -> datetime:
    """Raises ValueError for a day that no year has."""
    month = _MONTHS.index(head["month"]) + 1
    for year in range(now.year + 1, now.year - _YEARS, -1):
        try:
            found = datetime.fromisoformat(
                f"{year}-{month:02d}-{int(head['day']):02d} {head['time']}"
            )
        except ValueError:
            continue
        if found <= now + _DAY:
            return found
    raise ValueError(head["day"])


def of_journal(text: str) -> Line | None:
    """A line of `journalctl --output=json`."""
    try:
        said = json.loads(text)
        program, at = said["SYSLOG_IDENTIFIER"], int(said["__REALTIME_TIMESTAMP"]) / 1e6
        message, host = _text(said["MESSAGE"]), _text(said.get("_HOSTNAME", ""))
    except (ValueError, TypeError, KeyError, OverflowError, OSError, RecursionError):
        return None
    if program not in PROGRAMS or not 0 <= at < _LAST:
        return None
    message = message[:LONGEST]
    level = _LEVEL.match(message)
    return Line(at, host, program, message[level.end() if level else 0 :].rstrip())


def _text(value: Any) -> str:
    """The journal gives a list of bytes for what is no UTF-8. Raises ValueError and TypeError."""
    if isinstance(value, str):
        return value
    return bytes(value[:LONGEST]).decode(errors="backslashreplace")
