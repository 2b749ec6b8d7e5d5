# SPDX-License-Identifier: GPL-2.0-or-later
"""/etc/vm-ctl.conf: shell assignments and arrays, parsed and never executed.

Everything wrong is reported at once, each with file, line and what is allowed.
"""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from pmkvm import settings
from pmkvm.files import read_text
from pmkvm.pacemaker import names, resource
from vmctl.assignments import Assignment, parse
from vmctl.messages import Message, RefusedError, message, refuse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Values = tuple[str, ...]
    # What a value may be, in words and as a test, which may raise ValueError.
    Rule = tuple[str, Callable[[Values], bool]]

OPERATORS = ("lt", "gt", "lte", "gte", "eq", "ne")
ON_FAIL = ("ignore", "block", "stop", "restart", "standby", "fence", "restart-container", "demote")


def _is_operation(values: Values) -> bool:
    interval_s, timeout_s = map(resource.seconds, values[:2])
    return interval_s == 0 and timeout_s > 0 and set(values[2:]) <= set(ON_FAIL)


def _is_monitor(values: Values) -> bool:
    return resource.seconds(values[0]) > 0 and _is_operation(("0", *values[1:]))


def _is_score(values: Values) -> bool:
    return isinstance(resource.score(values[0]), int)


def _is_order(values: Values) -> bool:
    return resource.score(values[0]) >= 0 and values[1] in {"true", "false"}


ANYTHING: Rule = ("some text, or none", lambda _values: True)
PATH: Rule = ("an absolute path of a directory", lambda values: values[0].startswith("/"))
SWITCH: Rule = ("on or off", lambda values: values[0] in {"on", "off"})
AGENT: Rule = (
    "ocf:PROVIDER:AGENT",
    lambda values: re.fullmatch("ocf:[^:]+:[^:]+", values[0]) is not None,
)
IGNORED: Rule = ("a number (it has no effect any more)", lambda values: values[0].isdigit())
URI: Rule = (
    "a libvirt URI, as qemu:///system",
    lambda values: re.fullmatch(r"[a-z][a-z0-9+]*://\S*", values[0]) is not None,
)
# Of libvirt's transports (libvirt's URI format) those by which one host reaches another.
TRANSPORTS = ("ssh", "tls", "tcp", "libssh", "libssh2")
TRANSPORT: Rule = (f"one of {' '.join(TRANSPORTS)}", lambda values: values[0] in TRANSPORTS)
_ON_FAIL = f"on-fail one of {' '.join(ON_FAIL)}"
OPERATION: Rule = (
    f"(0 timeout on-fail), for stop and migrate_to (0 timeout); timeout above 0; {_ON_FAIL}",
    _is_operation,
)
MONITOR: Rule = (
    f"(interval timeout on-fail), both times above 0: with 0 nobody monitors; {_ON_FAIL}",
    _is_monitor,
)
SCORE: Rule = ("a score: a number, INFINITY or -INFINITY", _is_score)
ORDER: Rule = ("(0 false) or (0 true); a score of more than 0 makes it mandatory", _is_order)
COMPARISON: Rule = (
    f"(operator value), operator one of {' '.join(OPERATORS)}",
    lambda values: values[0] in OPERATORS and bool(values[1]),
)
CLONE: Rule = ("(resource)", lambda values: all(map(names.is_plain, values)))
CLONE_AND: Rule = ("(resource) or (resource attribute)", CLONE[1])

# The keys with what the shipped file says; a key that is missing has this value, and one that is
# given has as many values.
KEYS: dict[str, tuple[Values, Rule]] = {
    "vm_cfg_dir": (("/etc/libvirt/qemu",), PATH),
    "vm_cfg_ext": ((".xml",), ANYTHING),
    "vm_allow_migrate": (("off",), SWITCH),
    "vm_stonith": (("on",), SWITCH),
    "vm_ocf": (("ocf:extra:VirtualDomain",), AGENT),
    "crmadmin_timeout": (("10000",), IGNORED),
    "vm_hypervisor": (("qemu:///system",), URI),
    "vm_migration_transport": (("ssh",), TRANSPORT),
    "vm_start_op": (("0", "120s", "restart"), OPERATION),
    "vm_monitor_op": (("10s", "30s", "restart"), MONITOR),
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
# What a guest needs beside it: vm_KIND1 to vm_KIND10, a clone each.
ENTRY_NUMBERS = {"pingd": 9, "diskd": 10, "managerd": 23, "stonithd": 24}
ENTRY = re.compile(r"vm_(pingd|diskd|managerd|stonithd)([1-9]|10)")


class RequiredClone(NamedTuple):
    """A clone that a guest needs beside it; attribute is None when no rule is wanted.

    where is that of a message about this entry.
    """

    kind: str
    resource: str
    attribute: str | None
    comparison: Values
    score: str
    order: Values
    where: str

    def is_binding(self) -> bool:
        """Whether a guest can't run where the clone does not."""
        return resource.score(self.score) >= resource.INFINITY

    def order_kind(self) -> str:
        # Pacemaker 3 knows no order scores; 0 has always meant optional.
        return "Mandatory" if resource.score(self.order[0]) > 0 else "Optional"


class Configuration(NamedTuple):
    """The values of every key that is set or has a default."""

    path: str
    values: Mapping[str, Values]

    def text(self, key: str) -> str:
        return self.values[key][0]

    def fences(self) -> bool:
        """Whether the host is fenced for a guest that can't be stopped."""
        return self.text("vm_stonith") == "on"

    def agent_path(self) -> str:
        return os.path.join(settings.OCF_DIR, *self.text("vm_ocf").split(":")[1:])

    def definition(self, domain: str) -> str:
        return f"{self.text('vm_cfg_dir').rstrip('/')}/{domain}{self.text('vm_cfg_ext')}"

    def operations(self) -> Iterator[dict[str, str]]:
        """Each as its attributes in the CIB."""
        # Of operations whose on-fail is not the file's to say.
        critical = "fence" if self.fences() else "block"
        for name in OPERATIONS:
            values = (name, *self.values[f"vm_{name}_op"], critical)
            yield dict(zip(("name", "interval", "timeout", "on-fail"), values))

    def required_clones(self) -> Iterator[RequiredClone]:
        """All entries that are set, where the vm-ctl of 2011 stopped at the first gap."""
        for kind in ENTRY_NUMBERS:
            for key in (f"vm_{kind}{index}" for index in range(1, 11)):
                if key in self.values:
                    clone, *attribute = self.values[key]
                    yield RequiredClone(
                        kind,
                        clone,
                        attribute=attribute[0] if attribute else None,
                        comparison=self.values.get(f"vm_{kind}_loc", ()),
                        score=self.text(f"vm_{kind}_col"),
                        order=self.values[f"vm_{kind}_odr"],
                        where=f"{self.path}: {key}",
                    )


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
    refuse([*problems, *(each for value in found.values() for each in _judge(value, path))])
    refuse(_doubles(found, path))
    defaults = {key: default for key, (default, _rule) in KEYS.items()}
    return Configuration(path, {**defaults, **{key: each.values for key, each in found.items()}})


def _judge(each: Assignment, path: str) -> Iterator[Message]:
    where, number = f"{path}:{each.line}", NUMBERS.get(each.key, 22)
    entry = ENTRY.fullmatch(each.key)
    if entry is not None:
        number = ENTRY_NUMBERS[entry[1]]
        counts, (allowed, test) = ((1,), CLONE) if entry[1] == "stonithd" else ((1, 2), CLONE_AND)
    elif each.key in KEYS:
        default, (allowed, test) = KEYS[each.key]
        counts = (len(default),)
    else:
        every = " ".join([*KEYS, *(f"vm_{kind}1..10" for kind in ENTRY_NUMBERS)])
        yield message(22, where=where, reason=f"{each.key}: no such key; allowed: {every}")
        return
    try:
        fine = len(each.values) in counts and test(each.values)
    except ValueError:
        fine = False
    if not fine:
        said = " ".join(each.values) or "nothing"
        yield message(number, where=where, reason=f"{each.key} is {said}; allowed: {allowed}")


def _doubles(found: Mapping[str, Assignment], path: str) -> Iterator[Message]:
    # Two rules on one attribute, or two entries of one clone, would be two objects of one id.
    seen: set[str] = set()
    for each in found.values():
        entry = ENTRY.fullmatch(each.key)
        for value in each.values if entry else ():
            if value in seen and entry:
                reason = f"{value} is in another entry already; allowed: each once"
                yield message(ENTRY_NUMBERS[entry[1]], where=f"{path}:{each.line}", reason=reason)
            seen.add(value)
