# SPDX-License-Identifier: GPL-2.0-or-later
"""/etc/vm-ctl.conf: shell assignments and arrays, parsed and never executed.

Everything wrong is reported at once, each with file, line and what is allowed.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from pmkvm.files import read_text
from pmkvm.pacemaker import resource
from vmctl import names
from vmctl.assignments import Assignment, parse
from vmctl.messages import Message, RefusedError, message

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Words = tuple[str, ...]

MOST_ENTRIES = 10

# What the shipped file says; a key that is missing has this value.
DEFAULTS: dict[str, tuple[str, ...]] = {
    "vm_cfg_dir": ("/etc/libvirt/qemu",),
    "vm_cfg_ext": (".xml",),
    "vm_allow_migrate": ("off",),
    "vm_stonith": ("on",),
    "vm_ocf": ("ocf:extra:VirtualDomain",),
    "crmadmin_timeout": ("10000",),
    "vm_hypervisor": ("qemu:///system",),
    "vm_migration_transport": ("ssh",),
    "vm_start_op": ("0", "120s", "restart"),
    "vm_stop_op": ("0", "90s"),
    "vm_monitor_op": ("10s", "30s", "restart"),
    "vm_migrate_to_op": ("0", "300s"),
    "vm_migrate_from_op": ("0", "240s", "restart"),
    "vm_node_loc_act": ("200",),
    "vm_pingd_loc": ("lt", "100"),
    "vm_pingd_col": ("INFINITY",),
    "vm_pingd_odr": ("0", "false"),
    "vm_diskd_loc": ("eq", "ERROR"),
    "vm_diskd_col": ("INFINITY",),
    "vm_diskd_odr": ("0", "false"),
    "vm_managerd_loc": ("eq", "ERROR"),
    "vm_managerd_col": ("100",),
    "vm_managerd_odr": ("0", "true"),
    "vm_stonithd_col": ("100",),
    "vm_stonithd_odr": ("0", "true"),
}

# The numbers that vm-ctl has always reported these keys under; 22 is for all others.
NUMBERS = {"vm_cfg_dir": 6, "vm_allow_migrate": 7, "vm_stonith": 8}
ENTRY_NUMBERS = {"pingd": 9, "diskd": 10, "managerd": 23, "stonithd": 24}
ENTRY = re.compile(r"vm_(pingd|diskd|managerd|stonithd)([1-9][0-9]*)")

OPERATORS = ("lt", "gt", "lte", "gte", "eq", "ne")
ON_FAIL = ("ignore", "block", "stop", "restart", "standby", "fence", "restart-container", "demote")


class Operation(NamedTuple):
    name: str
    interval: str
    timeout: str
    on_fail: str


class Watch(NamedTuple):
    """A clone that a guest needs beside it; attribute is None when no rule is wanted.

    number and where are those of a message about this entry.
    """

    kind: str
    resource: str
    attribute: str | None
    operator: str
    value: str
    score: str
    order_kind: str
    symmetrical: str
    number: int
    where: str


class Configuration(NamedTuple):
    path: str
    cfg_dir: str
    cfg_ext: str
    allow_migrate: bool
    stonith: bool
    agent: tuple[str, ...]
    hypervisor: str
    transport: str
    operations: tuple[Operation, ...]
    preferred_score: str
    watches: tuple[Watch, ...]

    def definition(self, domain: str) -> str:
        return f"{self.cfg_dir.rstrip('/')}/{domain}{self.cfg_ext}"


def load(path: str) -> Configuration:
    """Raises RefusedError with all that is wrong with the file."""
    try:
        text = read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise RefusedError(message(5, reason=f"{path}: {error}")) from error
    if text is None:
        raise RefusedError(message(2, path=path))
    return from_text(text, path)


def from_text(text: str, path: str) -> Configuration:
    """Raises RefusedError."""
    found, faults = parse(text)
    problems = [message(22, where=f"{path}:{line}", reason=reason) for line, reason in faults]
    problems += [problem for each in found.values() for problem in _judge(each, path)]
    if not problems:
        problems += _doubles(found, path)
    if problems:
        raise RefusedError(*problems)
    return _configuration({**DEFAULTS, **{key: each.words for key, each in found.items()}}, path)


def _judge(each: Assignment, path: str) -> Iterator[Message]:
    where = f"{path}:{each.line}"
    entry = ENTRY.fullmatch(each.key)
    if entry is not None and int(entry[2]) <= MOST_ENTRIES:
        number = ENTRY_NUMBERS[entry[1]]
        most = 1 if entry[1] == "stonithd" else 2
        allowed = "(resource)" if most == 1 else "(resource) or (resource attribute)"
        fine = 1 <= len(each.words) <= most and all(names.is_usable(w) for w in each.words)
    elif each.key in DEFAULTS:
        number = NUMBERS.get(each.key, 22)
        allowed, test = _rule(each.key)
        fine = len(each.words) == len(DEFAULTS[each.key]) and test(each.words)
    else:
        yield message(22, where=where, reason=f"{each.key}: no such key")
        return
    if not fine:
        said = " ".join(each.words) or "nothing"
        yield message(number, where=where, reason=f"{each.key} is {said}; allowed: {allowed}")


def _rule(key: str) -> tuple[str, Callable[[Words], bool]]:
    """What is allowed as the value of that key, in words and as a test of the right number."""
    if key in KEY_RULES:
        return KEY_RULES[key]
    return next(rule for ending, rule in ENDING_RULES.items() if key.endswith(ending))


def _is_agent(words: Words) -> bool:
    standard, *rest = words[0].split(":")
    return standard == "ocf" and len(rest) == len(("provider", "type")) and all(rest)


def _is_operation(words: Words) -> bool:
    try:
        return resource.seconds(words[0]) >= 0 < resource.seconds(words[1]) and (
            set(words[2:]) <= set(ON_FAIL)
        )
    except ValueError:
        return False


def _is_comparison(words: Words) -> bool:
    return words[0] in OPERATORS and bool(words[1])


def _is_score(words: Words) -> bool:
    try:
        resource.score(words[0])
    except ValueError:
        return False
    return True


def _is_order(words: Words) -> bool:
    return _is_score(words) and resource.score(words[0]) >= 0 and words[1] in {"true", "false"}


def _is_switch(words: Words) -> bool:
    return words[0] in {"on", "off"}


def _is_text(words: Words) -> bool:
    return bool(words[0])


SCORE_RULE = ("a score: a number, INFINITY or -INFINITY", _is_score)
KEY_RULES: dict[str, tuple[str, Callable[[Words], bool]]] = {
    "vm_cfg_dir": ("a directory, from / on", lambda words: words[0].startswith("/")),
    "vm_cfg_ext": ("some text", lambda _words: True),
    "vm_allow_migrate": ("on or off", _is_switch),
    "vm_stonith": ("on or off", _is_switch),
    "vm_ocf": ("ocf:PROVIDER:AGENT", _is_agent),
    "crmadmin_timeout": ("a number (it has no effect any more)", lambda w: w[0].isdigit()),
    "vm_hypervisor": ("a libvirt URI", _is_text),
    "vm_migration_transport": ("a libvirt transport, as ssh, tls or tcp", _is_text),
    "vm_node_loc_act": SCORE_RULE,
}
ENDING_RULES: dict[str, tuple[str, Callable[[Words], bool]]] = {
    "_op": ("(interval timeout), start, monitor, migrate_from: also on-fail", _is_operation),
    "_loc": (f"(operator value), operator one of {' '.join(OPERATORS)}", _is_comparison),
    "_odr": ("(0 false) or (0 true); a score of more than 0 makes it mandatory", _is_order),
    "_col": SCORE_RULE,
}


def _doubles(found: Mapping[str, Assignment], path: str) -> Iterator[Message]:
    # Two rules on one attribute, or two entries of one clone, would be two objects of one id.
    seen: set[str] = set()
    for each in found.values():
        entry = ENTRY.fullmatch(each.key)
        for word in each.words if entry else ():
            if word in seen and entry:
                reason = f"{word} is in another entry already"
                yield message(ENTRY_NUMBERS[entry[1]], where=f"{path}:{each.line}", reason=reason)
            seen.add(word)


def _configuration(words: Mapping[str, Words], path: str) -> Configuration:
    stonith = words["vm_stonith"] == ("on",)
    critical = ("fence",) if stonith else ("block",)
    operations = ("start", "monitor", "stop", "migrate_to", "migrate_from")
    return Configuration(
        path=path,
        cfg_dir=words["vm_cfg_dir"][0],
        cfg_ext=words["vm_cfg_ext"][0],
        allow_migrate=words["vm_allow_migrate"] == ("on",),
        stonith=stonith,
        agent=tuple(words["vm_ocf"][0].split(":")),
        hypervisor=words["vm_hypervisor"][0],
        transport=words["vm_migration_transport"][0],
        operations=tuple(
            Operation(name, *(*words[f"vm_{name}_op"], *critical)[:3]) for name in operations
        ),
        preferred_score=words["vm_node_loc_act"][0],
        watches=tuple(_watches(words, path)),
    )


def _watches(words: Mapping[str, Words], path: str) -> Iterator[Watch]:
    for kind, number in ENTRY_NUMBERS.items():
        # All entries that are set, where the vm-ctl of 2011 stopped at the first gap.
        for index in range(1, MOST_ENTRIES + 1):
            entry = words.get(f"vm_{kind}{index}")
            if entry is None:
                continue
            operator, value = words.get(f"vm_{kind}_loc", ("", ""))
            order, symmetrical = words[f"vm_{kind}_odr"]
            yield Watch(
                kind=kind,
                resource=entry[0],
                attribute=entry[1] if len(entry) > 1 else None,
                operator=operator,
                value=value,
                score=words[f"vm_{kind}_col"][0],
                # Pacemaker 3 knows no order scores; 0 has always meant optional.
                order_kind="Mandatory" if resource.score(order) > 0 else "Optional",
                symmetrical=symmetrical,
                number=number,
                where=f"{path}: vm_{kind}{index}",
            )
