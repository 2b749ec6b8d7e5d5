# SPDX-License-Identifier: GPL-2.0-or-later
"""What Pacemaker does to a round by itself, without a fence: only its own log proves it. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


class Doing(NamedTuple):
    """patterns: the lines that prove it, all of one host. spoils: what it may be the reason of."""

    name: str
    patterns: Sequence[re.Pattern[str]]
    spoils: re.Pattern[str]


class Spoilt(NamedTuple):
    """That it was done, and the line that says so last."""

    name: str
    host: str
    line: str


# A host that Pacemaker loses by itself is fenced, and what ran there or was asked there suffers.
_A_HOST_IS_LOST = re.compile(r"P3: |P5: |P6: |daemons: ")

DOINGS = (
    Doing(
        "a refresh that meets a start ends its controller",
        [re.compile(r"Could not initiate start action for resource \S+ locally")],
        _A_HOST_IS_LOST,
    ),
    Doing(
        "what was sent to a controller that died is lost, and waited for",
        [re.compile(r"Node \S+ did not send \w+ result .*within \d+ms \(action timeout plus")],
        _A_HOST_IS_LOST,
    ),
    Doing(
        "a controller whose attribute manager is gone gives itself up",
        [
            re.compile(r"pacemaker-controld .*Could not \w+ .*attribute"),
            re.compile(r"pacemaker-controld\[\d+\] exited with status 100 "),
        ],
        _A_HOST_IS_LOST,
    ),
)


def spoilt(logs: Mapping[str, Sequence[str]]) -> list[Spoilt]:
    """What it did, by the lines that each host's log has gained."""
    found = []
    for host, lines in logs.items():
        for doing in DOINGS:
            proofs = [_first(pattern, lines) for pattern in doing.patterns]
            if all(proofs):
                found.append(Spoilt(doing.name, host, proofs[-1].strip()))
    return found


def unexplained(complaints: Iterable[str], found: Iterable[Spoilt]) -> list[str]:
    """Those that none of it can be the reason of."""
    names = {one.name for one in found}
    able = [doing.spoils for doing in DOINGS if doing.name in names]
    return [text for text in complaints if not any(each.match(text) for each in able)]


def _first(pattern: re.Pattern[str], lines: Iterable[str]) -> str:
    """The first line that has it, empty if there is none."""
    return next((line for line in lines if pattern.search(line)), "")
