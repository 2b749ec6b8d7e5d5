# SPDX-License-Identifier: GPL-2.0-or-later
"""The findings for a person. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from check.vm_check.facts import Facts
    from check.vm_check.finding import Finding


def render(facts: Facts, found: Sequence[Finding]) -> str:
    lines = []
    for subject in sorted({each.subject for each in found}):
        lines.append(subject)
        for each in (one for one in found if one.subject == subject):
            lines.append(f"  {each.kind.severity.value} {each.kind.id}: {each.sentence}")
            lines.append(f"    cure: {each.cure}")
    lines.append(f"{len(facts.guests)} guests, {len(facts.hosts)} hosts, {len(found)} findings")
    return "\n".join([*lines, ""])
