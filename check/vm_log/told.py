# SPDX-License-Identifier: GPL-2.0-or-later
"""An event as a line for a person, or as an object of JSON. Pure.

A log has what others write into it: exit reasons, names, values. What a terminal could take for
its own is escaped, in both forms.
"""

from __future__ import annotations

import json
from string import Formatter

from check.vm_log.event import Event, Kind

# The other fields follow, where the log has them.
SENTENCES = {
    Kind.STARTED: "{resource} started on {host}",
    Kind.STOPPED: "{resource} stopped on {host}",
    Kind.MOVED: "{resource} moved",
    Kind.SENT: "{resource} has left {host} by a migration",
    Kind.FAILOVER: "{resource} started on {host}, was on {origin}, which was lost",
    Kind.FAILED: "{resource}: {operation} failed on {host}: {result}",
    Kind.DEGRADED: "{resource} is degraded on {host}",
    Kind.FOUND: "{resource} found running on {host}",
    Kind.PROMOTED: "{resource} promoted on {host}",
    Kind.DEMOTED: "{resource} demoted on {host}",
    Kind.PLANNED: "{resource}: the DC plans {operation}",
    Kind.MIGRATION: "{resource}: its migration",
    Kind.SETTING: "set: {result}",
    Kind.HOST_JOINED: "{host} is a member",
    Kind.HOST_LOST: "{host} is lost",
    Kind.HOST_LEFT: "{host} has left in order",
    Kind.HOST_LEAVING: "{host} is being shut down in order",
    Kind.PACEMAKER_STARTS: "Pacemaker {result} starts",
    Kind.PACEMAKER_STOPS: "Pacemaker is being shut down",
    Kind.DC: "{host} is the DC",
    Kind.DC_LOST: "the DC {host} is gone",
    Kind.QUORUM: "quorum",
    Kind.QUORUM_LOST: "no quorum",
    Kind.FENCE_PLANNED: "the DC wants {host} fenced ({operation})",
    Kind.FENCE_ASKED: "fence of {host} ({operation}) asked for by {client}",
    Kind.FENCE_DEVICE: "fence of {host} ({operation}): {device} {result}",
    Kind.FENCE_OK: "{host} is fenced ({operation})",
    Kind.FENCE_FAILED: "fence of {host} ({operation}) failed",
    Kind.FENCE_GIVEN_UP: "fence of {host} given up after {result} failures",
    Kind.GUEST_BANNED: "{resource} is banned by a fence",
    Kind.GUEST_BAN_ENDED: "{resource} is banned no more",
    Kind.GUEST_KILLED: "{resource}: {result} ({operation} for {by})",
    Kind.GUEST_FENCE_WAITS: "fence of {resource} ({operation} for {by}) waits",
    Kind.GUEST_FENCE_OK: "{resource} is fenced ({operation} for {by})",
    Kind.GUEST_FENCE_NG: "fence of {resource} ({operation} for {by}) answered NG",
    Kind.GUEST_REFUSED: "{by} was refused a fence",
}
WIDTH = max(len(kind.value) for kind in Kind)


def sentence(event: Event) -> str:
    """Printable, whatever the log has."""
    is_removed = event.kind is Kind.SETTING and not event.result
    text = "removed: {operation}" if is_removed else SENTENCES[event.kind]
    return shown(text.format(**event._asdict()) + _rest(event))


def _rest(event: Event) -> str:
    """What the sentence does not name itself, where the log has it."""
    kind = event.kind
    names = {name for _, name, _, _ in Formatter().parse(SENTENCES[kind])}
    owner = (event.resource or event.by) if kind is Kind.SETTING else ""
    to = " to " if kind is Kind.MOVED or event.origin else " on "
    parts = (
        ("origin", " from ", event.origin),
        ("host", to, event.host),
        ("", " of ", owner),
        ("device", " through ", event.device),
        ("by", " by ", "" if owner else event.by),
        ("client", " for ", event.client),
        ("", ", ", f"{int(event.took_ms) / 1000:.3f} s" if event.took_ms else ""),
        ("result", ": ", event.result),
        ("reason", ": ", event.reason),
    )
    return "".join(f"{said}{text}" for name, said, text in parts if text and name not in names)


def line(event: Event, when: str) -> str:
    """when: its time as text."""
    return f"{when} {shown(event.log_of or '-')} {event.kind.value:{WIDTH}} {sentence(event)}"


def as_json(event: Event, when: str) -> str:
    """One object, with the fields that are there, and the sentence."""
    said = {name: shown(value) for name, value in event._asdict().items() if isinstance(value, str)}
    fields = {name: value for name, value in said.items() if value}
    return json.dumps(
        {"kind": event.kind.value, "at": event.at, "when": when, **fields, "text": sentence(event)}
    )


def shown(text: str) -> str:
    return "".join(each if each.isprintable() else _escaped(each) for each in text)


def _escaped(character: str) -> str:
    number = ord(character)
    return f"\\u{{{number:x}}}" if number > 0xFF else f"\\x{number:02x}"  # noqa: PLR2004 - a byte
