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
    Rule = tuple[str, Callable[[Words], bool]]

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
        return resource.score(words[0]) is not None
    except ValueError:
        return False


def _is_order(words: Words) -> bool:
    return _is_score(words) and resource.score(words[0]) >= 0 and words[1] in {"true", "false"}


# What a value may be, in words and as a test of the right number of them.
ANYTHING = ("some text, or none", lambda _words: True)
PATH = ("a directory, from / on", lambda words: words[0].startswith("/"))
SWITCH = ("on or off", lambda words: words[0] in {"on", "off"})
AGENT = ("ocf:PROVIDER:AGENT", _is_agent)
IGNORED = ("a number (it has no effect any more)", lambda words: words[0].isdigit())
URI = ("a libvirt URI", lambda words: bool(words[0]))
TRANSPORT = ("a libvirt transport, as ssh, tls or tcp", lambda words: bool(words[0]))
OPERATION = (
    "(interval timeout on-fail), for stop and migrate_to (interval timeout);"
    f" on-fail one of {' '.join(ON_FAIL)}",
    _is_operation,
)
SCORE = ("a score: a number, INFINITY or -INFINITY", _is_score)
ORDER = ("(0 false) or (0 true); a score of more than 0 makes it mandatory", _is_order)
COMPARISON = (
    f"(operator value), operator one of {' '.join(OPERATORS)}",
    lambda words: words[0] in OPERATORS and bool(words[1]),
)

# The keys with what the shipped file says; a key that is missing has this value.
KEYS: dict[str, tuple[Words, Rule]] = {
    "vm_cfg_dir": (("/etc/libvirt/qemu",), PATH),
    "vm_cfg_ext": ((".xml",), ANYTHING),
    "vm_allow_migrate": (("off",), SWITCH),
    "vm_stonith": (("on",), SWITCH),
    "vm_ocf": (("ocf:extra:VirtualDomain",), AGENT),
    "crmadmin_timeout": (("10000",), IGNORED),
    "vm_hypervisor": (("qemu:///system",), URI),
    "vm_migration_transport": (("ssh",), TRANSPORT),
    "vm_start_op": (("0", "120s", "restart"), OPERATION),
    "vm_monitor_op": (("10s", "30s", "restart"), OPERATION),
    "vm_stop_op": (("0", "90s"), OPERATION),
    "vm_migrate_to_op": (("0", "300s"), OPERATION),
    "vm_migrate_from_op": (("0", "240s", "restart"), OPERATION),
    "vm_node_loc_act": (("200",), SCORE),
    "vm_pingd_loc": (("lt", "100"), COMPARISON),
    "vm_pingd_col": (("INFINITY",), SCORE),
    "vm_pingd_odr": (("0", "false"), ORDER),
    "vm_diskd_loc": (("eq", "ERROR"), COMPARISON),
    "vm_diskd_col": (("INFINITY",), SCORE),
    "vm_diskd_odr": (("0", "false"), ORDER),
    "vm_managerd_loc": (("eq", "ERROR"), COMPARISON),
    "vm_managerd_col": (("100",), SCORE),
    "vm_managerd_odr": (("0", "true"), ORDER),
    "vm_stonithd_col": (("100",), SCORE),
    "vm_stonithd_odr": (("0", "true"), ORDER),
}
OPERATIONS = ("start", "monitor", "stop", "migrate_to", "migrate_from")

# The numbers that vm-ctl has always reported these keys under; 22 is for all others.
NUMBERS = {"vm_cfg_dir": 6, "vm_allow_migrate": 7, "vm_stonith": 8}
# vm_KIND1 to vm_KIND10.
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
    defaults = {key: default for key, (default, _rule) in KEYS.items()}
    return _configuration({**defaults, **{key: each.words for key, each in found.items()}}, path)


def _judge(each: Assignment, path: str) -> Iterator[Message]:
    where = f"{path}:{each.line}"
    entry = ENTRY.fullmatch(each.key)
    if entry is not None and int(entry[2]) <= MOST_ENTRIES:
        number = ENTRY_NUMBERS[entry[1]]
        most = 1 if entry[1] == "stonithd" else 2
        allowed = "(resource)" if most == 1 else "(resource) or (resource attribute)"
        fine = 1 <= len(each.words) <= most and all(names.is_plain(word) for word in each.words)
    elif each.key in KEYS:
        default, (allowed, test) = KEYS[each.key]
        number = NUMBERS.get(each.key, 22)
        fine = len(each.words) == len(default) and test(each.words)
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
