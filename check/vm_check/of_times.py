# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether a guest's operations have the time that they need. Pure."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from check.vm_check import cib_words
from check.vm_check.cib_words import DEFAULT_TIMEOUT_S
from check.vm_check.finding import Kind, Severity
from pmkvm.virt import memory

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from check.vm_check.facts import Facts, Guest, Operation
    from check.vm_check.finding import Finding

_CURE = "`pcs resource update {resource} op {operation} timeout={seconds:.0f}s`"
TIMEOUT_MISSING = Kind(
    "timeout-missing",
    Severity.WARNING,
    "An operation of the guest has no timeout, so Pacemaker allows it 20 s.",
    "`pcs resource update {resource} {operations}`",
)
START_SHORT = Kind(
    "start-short",
    Severity.WARNING,
    "A start of the guest took nearly as long as it may, or may take a few seconds only.",
    _CURE,
)
STOP_SHORT = Kind(
    "stop-short",
    Severity.WARNING,
    "A stop of the guest took nearly as long as it may, or may take a few seconds only: the host is"
    " fenced for one that takes longer.",
    _CURE,
)
MIGRATION_SHORT = Kind(
    "migration-short",
    Severity.WARNING,
    "A migration of the guest took nearly as long as it may, or may take a few seconds only.",
    _CURE,
)
MIGRATION_SLOW = Kind(
    "migration-slow",
    Severity.WARNING,
    "The guest's memory can't be sent within the timeout of migrate_to, by the limit of bandwidth"
    " that is set for it.",
    _CURE,
)
KINDS = (TIMEOUT_MISSING, START_SHORT, STOP_SHORT, MIGRATION_SHORT, MIGRATION_SLOW)
_SHORT = {
    "start": START_SHORT,
    "stop": STOP_SHORT,
    "migrate_to": MIGRATION_SHORT,
    "migrate_from": MIGRATION_SHORT,
}

# What the agent's metadata advises, in seconds.
ADVISED_S = {"start": 120, "stop": 90, "migrate_to": 300, "migrate_from": 240}
# What may be used of a timeout. A stop destroys a guest that does not shut down shortly before its
# time is over, so it comes close to that by intent.
MOST = {"start": 0.8, "stop": 0.95, "migrate_to": 0.8, "migrate_from": 0.8}
# Below that a host that is busy for a moment fails what would have succeeded.
LEAST_S = 10.0
# The timeout that is proposed is so many times what was measured.
_ROOM = 2


def findings(facts: Facts) -> Iterator[Finding]:
    defaults = cib_words.defaults(facts, "op_defaults")
    for guest in facts.guests.values():
        yield from _missing(guest, defaults)
        yield from _short(facts, guest, defaults)
        yield from _slow(facts, guest, defaults)


def timeout_s(guest: Guest, operation: str, defaults: Mapping[str, str]) -> float | None:
    """None if nobody has set it; of one that is no time Pacemaker takes its default."""
    text = guest.operations.get(operation, {}).get("timeout", defaults.get("timeout"))
    return None if text is None else cib_words.seconds(text, DEFAULT_TIMEOUT_S)


def allowed_s(guest: Guest, operation: str, defaults: Mapping[str, str]) -> float:
    """What Pacemaker allows."""
    found = timeout_s(guest, operation, defaults)
    return DEFAULT_TIMEOUT_S if found is None else found


def longest(facts: Facts, guest: Guest, operation: str) -> Operation | None:
    """Of the hosts' last ones that succeeded. None: none is remembered."""
    every = facts.measured.get(guest.resource, ())
    done = [each for each in every if each.name == operation and each.rc == 0 and each.exec_s]
    return max(done, key=lambda each: each.exec_s, default=None)


def wanted(guest: Guest) -> list[str]:
    """The operations that this guest can have."""
    return [each for each in ADVISED_S if guest.may_migrate or not each.startswith("migrate")]


def _missing(guest: Guest, defaults: Mapping[str, str]) -> Iterator[Finding]:
    missing = [each for each in wanted(guest) if timeout_s(guest, each, defaults) is None]
    if missing:
        verb = "has" if len(missing) == 1 else "have"
        yield TIMEOUT_MISSING.finding(
            guest.domain,
            f"its {_listed(missing)} {verb} no timeout: Pacemaker allows {DEFAULT_TIMEOUT_S:.0f} s",
            resource=guest.resource,
            operations=" ".join(f"op {each} timeout={ADVISED_S[each]}s" for each in missing),
        )


def _short(facts: Facts, guest: Guest, defaults: Mapping[str, str]) -> Iterator[Finding]:
    for each in wanted(guest):
        most_s, taken = allowed_s(guest, each, defaults), longest(facts, guest, each)
        took_s = 0.0 if taken is None else taken.exec_s
        if taken is not None and took_s > MOST[each] * most_s:
            text = f"its {each} took {took_s:.0f} s on {taken.node}, and may take {most_s:g} s"
        elif most_s < LEAST_S:
            text = f"its {each} may take {most_s:g} s"
        else:
            continue
        yield _SHORT[each].finding(
            guest.domain,
            text,
            resource=guest.resource,
            operation=each,
            seconds=max(took_s * _ROOM, ADVISED_S[each]),
        )


def _slow(facts: Facts, guest: Guest, defaults: Mapping[str, str]) -> Iterator[Finding]:
    root, speed = facts.definition(guest), bandwidth(guest.parameters)
    most_s = allowed_s(guest, "migrate_to", defaults)
    mib = 0 if root is None else memory.at_start_kib(root) >> 10
    if guest.may_migrate and speed and mib / speed > most_s:
        yield MIGRATION_SLOW.finding(
            guest.domain,
            f"its {mib} MiB take {mib / speed:.0f} s at {speed} MiB/s, and migrate_to may"
            f" take {most_s:.0f} s",
            resource=guest.resource,
            operation="migrate_to",
            seconds=mib / speed * _ROOM,
        )


def bandwidth(parameters: Mapping[str, str]) -> int:
    """MiB/s that a migration may use; 0: no limit is set, or none that can be read.

    As the agent has it: an option counts instead of the parameter.
    """
    given = parameters.get("migrate_options", "").replace("=", " ")
    try:
        words = shlex.split(given)
    except ValueError:
        words = given.split()
    text = parameters.get("migration_speed", "")
    if "--bandwidth" in words[:-1]:
        text = words[words.index("--bandwidth") + 1]
    return int(text) if text.isascii() and text.isdigit() else 0


def _listed(names: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
