# SPDX-License-Identifier: GPL-2.0-or-later
"""What a host keeps of its part in a fence: one line of JSON, for machines. Pure.

doc/fencing.md, What is recorded, says what each field is.
"""

from __future__ import annotations

import json
import math
from typing import NamedTuple

from pmkvm.fencing import instant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# It grows when a field changes its meaning or goes. A field may come without that.
SCHEMA = 1
COORDINATOR, PARTICIPANT = "coordinator", "participant"
# GONE: nobody was answered, since the requester has left this host or is dead.
OK, NG, GONE = "OK", "NG", "GONE"
# Of a field's text. An id of Pacemaker's may be long, a reason names several.
LONGEST_TEXT = 512
_CUT = "..."


class Record(NamedTuple):
    """at: the host's time of day, in seconds since 1970. stages: milliseconds, by name. Empty is
    what is not known, or what there is none of."""

    at: float
    host: str
    part: str
    operation: str
    target: str
    outcome: str
    reason: str
    target_uuid: str = ""
    requester: str = ""
    requester_uuid: str = ""
    request: str = ""
    key: str = ""
    ban: str = ""
    coordinator: str = ""
    stages: Mapping[str, int] = {}


# Each is a text, and null in JSON where it is empty.
TEXTS = tuple(name for name in Record._fields if name not in ("at", "stages"))


def encode(record: Record) -> str:
    """One line, with its end. Whatever a text holds, the line is ASCII and bounded."""
    fields = record._asdict()
    texts = {name: _bounded(fields[name]) or None for name in TEXTS}
    line = {"schema": SCHEMA, "time": _time(record.at), **texts, "ms": dict(record.stages)}
    return f"{json.dumps(line)}\n"


def _time(at: float) -> str:
    seconds, milliseconds = divmod(round(at * 1000), 1000)
    return f"{instant.to_text(seconds)[:-1]}.{milliseconds:03}Z"


def _bounded(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - len(_CUT)] + _CUT


def parse(text: str) -> Iterator[Record]:
    """Of all lines; one that is no record of this schema, or was cut off, says nothing."""
    for line in text.splitlines():
        try:
            fields = json.loads(line)
            if isinstance(fields, dict) and fields.get("schema") == SCHEMA:
                yield _record(fields)
        except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
            continue


def _record(fields: dict[str, object]) -> Record:
    texts = {name: _text(fields.get(name)) for name in TEXTS}
    stages = fields.get("ms")
    known = stages.items() if isinstance(stages, dict) else ()
    return Record(
        at=_seconds(str(fields["time"])),
        stages={str(name): value for name, value in known if isinstance(value, int)},
        **texts,
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _seconds(text: str) -> float:
    """Raises ValueError."""
    whole, _, rest = text.partition(".")
    fraction = float(f"0.{rest.removesuffix('Z')}") if rest else 0.0
    if not math.isfinite(fraction):
        raise ValueError(f"{text!r} is no time")
    return instant.from_text(f"{whole.removesuffix('Z')}Z") + fraction
