# SPDX-License-Identifier: GPL-2.0-or-later
"""What Pacemaker does to a round by itself, without a fence: only its own log proves it. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


class Doing(NamedTuple):
    """pattern: the line that proves it. spoils: the complaints that may come of it."""

    name: str
    pattern: re.Pattern[str]
    spoils: re.Pattern[str]


class Spoilt(NamedTuple):
    """One such line, and where it stands."""

    name: str
    host: str
    line: str


# A host that Pacemaker loses by itself: it is fenced, and what ran there or is asked there suffers.
_OF_A_HOST = re.compile(r"P3: |P5: |P6: |daemons: ")

DOINGS = (
    Doing(
        "a refresh that meets a start ends its controller",
        re.compile(r"Could not initiate start action"),
        _OF_A_HOST,
    ),
    Doing(
        "what is sent to a controller that dies is lost, and waited for",
        re.compile(
            r"did not send (start|stop|monitor|migrate_to|migrate_from) result .*within \d+ms"
        ),
        _OF_A_HOST,
    ),
    Doing(
        "a controller gives itself up",
        re.compile(r"pacemaker-controld\[\d+\] exited with status 100 "),
        _OF_A_HOST,
    ),
)


def spoilt(logs: Mapping[str, Iterable[str]]) -> list[Spoilt]:
    """What it did in this time, by the lines of each host's log; the first line of each sort."""
    found = {}
    for host, lines in logs.items():
        for line in lines:
            for doing in DOINGS:
                if (doing.name, host) not in found and doing.pattern.search(line):
                    found[doing.name, host] = Spoilt(doing.name, host, line.strip())
    return list(found.values())


def unexplained(complaints: Sequence[str], found: Sequence[Spoilt]) -> list[str]:
    """Those that none of it can have made."""
    names = {one.name for one in found}
    able = [doing.spoils for doing in DOINGS if doing.name in names]
    return [text for text in complaints if not any(each.match(text) for each in able)]
