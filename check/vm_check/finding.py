# SPDX-License-Identifier: GPL-2.0-or-later
"""What vm-check says of one thing that is not well. Pure.

A kind is a sort of finding, with an id that stays from release to release. Each module of findings
has its own kinds in KINDS; check.vm_check.kinds joins them.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

# The subject of what is about all hosts.
CLUSTER = "cluster"


class Severity(Enum):
    """WARNING: it works, less well than it could, or one day. ERROR: it will fail."""

    WARNING = "warning"
    ERROR = "error"


class Hinders(Enum):
    """What a finding about a guest stands in the way of, on its host, or everywhere without one.

    LIVE: a live move to that host; the guest can be started there. PERHAPS: the same, by what only
    the guest knows. START: a start there. COMING: both. UNKNOWN: nobody can tell.
    """

    NOTHING = "nothing"
    LIVE = "live"
    PERHAPS = "perhaps"
    START = "start"
    COMING = "coming"
    UNKNOWN = "unknown"


class Kind(NamedTuple):
    """id: such as disk-missing. meaning: one sentence for the table of doc/vm-check.md. cure: how a
    person mends it, with {fields}; a command where there is one."""

    id: str
    severity: Severity
    meaning: str
    cure: str
    hinders: Hinders = Hinders.NOTHING

    def finding(self, subject: str, sentence: str, *, host: str = "", **fields: object) -> Finding:
        """One of this kind; fields are those of the cure, beside {subject} and {host}."""
        cure = self.cure.format(subject=subject, host=host, **fields)
        return Finding(self, subject, sentence, cure, host)


class Finding(NamedTuple):
    """subject: the domain of a guest, a host, or CLUSTER. host: of a guest, where it is so."""

    kind: Kind
    subject: str
    sentence: str
    cure: str
    host: str = ""


def worst(findings: list[Finding]) -> Severity | None:
    """None if nothing was found."""
    severities = {each.kind.severity for each in findings}
    if Severity.ERROR in severities:
        return Severity.ERROR
    return Severity.WARNING if severities else None
