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
from vmctl.messages import Message, RefusedError, message, refuse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Words = tuple[str, ...]

MOST_ENTRIES = 10
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

    def is_binding(self) -> bool:
        """Whether a guest can't run where the clone does not."""
        return resource.score(self.score) >= resource.INFINITY


class Configuration(NamedTuple):
    path: str
    cfg_dir: str
    cfg_ext: str
    allow_migrate: bool
    stonith: bool
    agent: Words
    hypervisor: str
    transport: str
    operations: tuple[Operation, ...]
    preferred_score: str
    watches: tuple[Watch, ...]

    def definition(self, domain: str) -> str:
        return f"{self.cfg_dir.rstrip('/')}/{domain}{self.cfg_ext}"


class Key(NamedTuple):
    """What holds when a key is missing, what is allowed, and the number of its message."""

    default: Words
    allowed: str
    test: Callable[[Words], bool]
    number: int = 22


def _is_agent(words: Words) -> bool:
    standard, *rest = words[0].split(":")
    return standard == "ocf" and len(rest) == len(("provider", "type")) and all(rest)


def _is_operation(words: Words) -> bool:
    try:
        times = [resource.seconds(word) for word in words[:2]]
    except ValueError:
        return False
    return times[0] >= 0 < times[1] and set(words[2:]) <= set(ON_FAIL)


def _is_score(words: Words) -> bool:
    try:
        return bool(words) and resource.score(words[0]) is not None
    except ValueError:
        return False


def _is_order(words: Words) -> bool:
    return _is_score(words) and resource.score(words[0]) >= 0 and words[1] in {"true", "false"}


def _is_text(words: Words) -> bool:
    return bool(words[0])


def _switch(default: str, number: int) -> Key:
    return Key((default,), "on or off", lambda words: words[0] in {"on", "off"}, number)


def _operation(*default: str) -> Key:
    form = "(interval timeout on-fail)" if len(default) > len("it") else "(interval timeout)"
    return Key(default, f"{form}, on-fail one of {' '.join(ON_FAIL)}", _is_operation)


def _score(default: str) -> Key:
    return Key((default,), "a score: a number, INFINITY or -INFINITY", _is_score)


def _order(symmetrical: str) -> Key:
    allowed = "(0 false) or (0 true); a score of more than 0 makes it mandatory"
    return Key(("0", symmetrical), allowed, _is_order)


def _comparison(*default: str) -> Key:
    allowed = f"(operator value), operator one of {' '.join(OPERATORS)}"
    return Key(default, allowed, lambda words: words[0] in OPERATORS and bool(words[1]))


# The keys with what the shipped file says.
KEYS = {
    "vm_cfg_dir": Key(
        ("/etc/libvirt/qemu",), "a directory, from / on", lambda words: words[0].startswith("/"), 6
    ),
    "vm_cfg_ext": Key((".xml",), "some text", lambda _words: True),
    "vm_allow_migrate": _switch("off", 7),
    "vm_stonith": _switch("on", 8),
    "vm_ocf": Key(("ocf:extra:VirtualDomain",), "ocf:PROVIDER:AGENT", _is_agent),
    "crmadmin_timeout": Key(
        ("10000",), "a number (it has no effect any more)", lambda words: words[0].isdigit()
    ),
    "vm_hypervisor": Key(("qemu:///system",), "a libvirt URI", _is_text),
    "vm_migration_transport": Key(("ssh",), "a libvirt transport, as ssh, tls or tcp", _is_text),
    "vm_start_op": _operation("0", "120s", "restart"),
    "vm_monitor_op": _operation("10s", "30s", "restart"),
    "vm_stop_op": _operation("0", "90s"),
    "vm_migrate_to_op": _operation("0", "300s"),
    "vm_migrate_from_op": _operation("0", "240s", "restart"),
    "vm_node_loc_act": _score("200"),
    "vm_pingd_loc": _comparison("lt", "100"),
    "vm_pingd_col": _score("INFINITY"),
    "vm_pingd_odr": _order("false"),
    "vm_diskd_loc": _comparison("eq", "ERROR"),
    "vm_diskd_col": _score("INFINITY"),
    "vm_diskd_odr": _order("false"),
    "vm_managerd_loc": _comparison("eq", "ERROR"),
    "vm_managerd_col": _score("100"),
    "vm_managerd_odr": _order("true"),
    "vm_stonithd_col": _score("100"),
    "vm_stonithd_odr": _order("true"),
}
OPERATIONS = ("start", "monitor", "stop", "migrate_to", "migrate_from")

# vm_KIND1 to vm_KIND10, and the number that vm-ctl has always reported a wrong one under.
ENTRY_NUMBERS = {"pingd": 9, "diskd": 10, "managerd": 23, "stonithd": 24}
ENTRY = re.compile(r"vm_(pingd|diskd|managerd|stonithd)([1-9][0-9]*)")


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
    refuse(problems)
    refuse(_doubles(found, path))
    defaults = {key: each.default for key, each in KEYS.items()}
    return _configuration({**defaults, **{key: each.words for key, each in found.items()}}, path)


def _judge(each: Assignment, path: str) -> Iterator[Message]:
    where = f"{path}:{each.line}"
    entry, key = ENTRY.fullmatch(each.key), KEYS.get(each.key)
    if entry is not None and int(entry[2]) <= MOST_ENTRIES:
        number = ENTRY_NUMBERS[entry[1]]
        most = 1 if entry[1] == "stonithd" else 2
        allowed = "(resource)" if most == 1 else "(resource) or (resource attribute)"
        fine = 1 <= len(each.words) <= most and all(names.is_plain(word) for word in each.words)
    elif key is not None:
        number, allowed = key.number, key.allowed
        fine = len(each.words) == len(key.default) and key.test(each.words)
    else:
        yield message(22, where=where, reason=f"{each.key}: no such key; allowed: {_all_keys()}")
        return
    if not fine:
        said = " ".join(each.words) or "nothing"
        yield message(number, where=where, reason=f"{each.key} is {said}; allowed: {allowed}")


def _all_keys() -> str:
    return " ".join([*KEYS, *(f"vm_{kind}1..{MOST_ENTRIES}" for kind in ENTRY_NUMBERS)])


def _doubles(found: Mapping[str, Assignment], path: str) -> Iterator[Message]:
    # Two rules on one attribute, or two entries of one clone, would be two objects of one id.
    seen: set[str] = set()
    for each in found.values():
        entry = ENTRY.fullmatch(each.key)
        for word in each.words if entry else ():
            if word in seen and entry:
                reason = f"{word} is in another entry already; allowed: each once"
                yield message(ENTRY_NUMBERS[entry[1]], where=f"{path}:{each.line}", reason=reason)
            seen.add(word)


def _configuration(words: Mapping[str, Words], path: str) -> Configuration:
    stonith = words["vm_stonith"] == ("on",)
    # Operations whose on-fail is not the file's to say.
    critical = "fence" if stonith else "block"
    operations = ((name, *words[f"vm_{name}_op"], critical)[:4] for name in OPERATIONS)
    return Configuration(
        path=path,
        cfg_dir=words["vm_cfg_dir"][0],
        cfg_ext=words["vm_cfg_ext"][0],
        allow_migrate=words["vm_allow_migrate"] == ("on",),
        stonith=stonith,
        agent=tuple(words["vm_ocf"][0].split(":")),
        hypervisor=words["vm_hypervisor"][0],
        transport=words["vm_migration_transport"][0],
        operations=tuple(Operation(*each) for each in operations),
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
