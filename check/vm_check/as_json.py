# SPDX-License-Identifier: GPL-2.0-or-later
"""The findings for a program. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from check.vm_check.facts import Facts
    from check.vm_check.finding import Finding


def render(facts: Facts, found: Sequence[Finding]) -> str:
    document = {
        "guests": [
            {"domain": name, "resource": guest.resource, "runs_on": guest.runs_on, "hosts": {}}
            for name, guest in sorted(facts.guests.items())
        ],
        "hosts": [
            {"name": name, "answers": host is not None, "reason": facts.silent.get(name, "")}
            for name, host in sorted(facts.hosts.items())
        ],
        "findings": [
            {
                "id": each.kind.id,
                "severity": each.kind.severity.value,
                "subject": each.subject,
                "host": each.host,
                "sentence": each.sentence,
                "cure": each.cure,
            }
            for each in found
        ],
    }
    return f"{json.dumps(document, indent=1)}\n"
