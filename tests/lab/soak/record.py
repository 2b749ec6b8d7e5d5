# SPDX-License-Identifier: GPL-2.0-or-later
"""A round's row in the record, which outlives a run that is broken off."""

from __future__ import annotations

from typing import Any

from tests.measurements import origin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.lab.guests.lives import Life
    from tests.lab.lab import Lab
    from tests.lab.soak.pacemaker import Spoilt
    from tests.lab.soak.plan import Plan
    from tests.lab.soak.seen import Seen

    Row = dict[str, Any]

HELD, BROKEN, SPOILT, FAILED = "held", "broken", "spoilt by Pacemaker", "not lived through"


def row(seen: Seen, complaints: Sequence[str], spoilt: Sequence[Spoilt]) -> Row:
    """Times in it are seconds after the first request."""
    base = seen.told[0].asked_s

    def at(time_s: float | None) -> float | None:
        return None if time_s is None else round(time_s - base, 2)

    def life(one: Life) -> list[Any]:
        return [one.host, at(one.first_s), at(one.last_s)]

    return {
        "asked": round(base, 2),
        "told": [
            {
                "asked": at(one.asked_s),
                "text": None if one.text is None else one.text[:300],
                "ok": one.is_ok,
                "answered": at(one.answered_s),
                "took_s": round(one.took_s, 2),
            }
            for one in seen.told
        ],
        "lines": [
            {
                "host": line.host,
                "at": at(line.at_s),
                "what": "killed" if line.is_kill else "OK",
                "target": line.target,
                "ban": line.ban,
                "took_s": line.took_s,
            }
            for line in sorted(seen.lines, key=lambda one: one.at_s)
        ],
        "bans": [
            [one.ban.requester, one.ban.resource, at(one.seen.first_s), at(one.seen.gone_s)]
            for one in seen.bans
        ],
        "lives": {name: [life(one) for one in own] for name, own in seen.lives.items()},
        "fenced": sorted(seen.fenced),
        "undone_s": at(seen.undone_s),
        "back_s": {name: at(time_s) for name, time_s in seen.back_s.items()},
        "lasted_s": round(seen.ended_s - seen.began_s, 1),
        "broken": list(complaints),
        "spoilt": [one._asdict() for one in spoilt],
    }


def head(plan: Plan) -> Row:
    """By what a round is found and repeated."""
    return {
        "seed": plan.seed,
        "round": plan.number,
        "plan": list(plan.lines()),
        "sorts": [one.fault.name for one in plan.disturbances],
    }


def told(row: Row) -> str:
    """A round in words."""
    lines = [f"{row['verdict']} after {row['all_s']} s {row.get('phases', '')}"]
    lines += [f"{one['answered']} s: {one['text']}" for one in row.get("told", ())]
    lines += row["broken"]
    lines += [f"Pacemaker: {one['name']} ({one['line']})" for one in row["spoilt"]]
    lines += row.get("notes", ())
    if row["new_lab"]:
        lines.append(f"a new lab is made: {row.get('unmended', '')}")
    return "\n  ".join(lines) + "\n"


def versions(lab: Lab) -> Row:
    """Of what is tested, of what it runs on, and the machine."""
    found = origin.here(lab.hosts[0])
    return {**{name: found[name] for name in ("commit", "pacemaker", "libvirt")}, "origin": found}
