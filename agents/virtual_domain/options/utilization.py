# SPDX-License-Identifier: GPL-2.0-or-later
"""The resource's utilization attributes, kept like the guest: written only when they differ.

A write changes the CIB and has the scheduler run, on every host. So this is no part of a plain
monitor, and never in the way of an action: whatever fails here is a warning.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET

from agents.virtual_domain.guest import domain_state
from pmkvm.errors import HaError
from pmkvm.light_types import NamedTuple
from pmkvm.pacemaker import cib, tools
from pmkvm.virt.connection import libvirtmod, result

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from agents.virtual_domain.guest.subject import Subject
    from pmkvm.deadline import Deadline
    from pmkvm.ocf.context import Context
    from pmkvm.virt.connection import Domain

NAMES = ("cpu", "host_memory", "hv_memory")
_TIME_S = 5.0
_RESERVE_S = 1.0


class Size(NamedTuple):
    """memory_mib is what the guest may take at most, as `virsh dominfo` has it."""

    cpus: int
    memory_mib: int


def is_wanted(context: Context) -> bool:
    """Whether any parameter asks for it, and there is a cluster to tell."""
    verbs = ("autoset", "unset")
    asked = any(context.flag(f"{verb}_utilization_{name}") for verb in verbs for name in NAMES)
    return asked and "on_node" in context.meta


def update(context: Context, subject: Subject) -> None:
    """Make the attributes what the running guest is."""
    deadline = context.deadline.less(_RESERVE_S).at_most(_TIME_S)
    try:
        size = domain_state.command(subject, deadline, "asking for the size of", _size)
        now = _read(context.instance, deadline)
        for name, value in changes(_wanted(context, size), now).items():
            _write(context.instance, name, value, deadline)
            context.log.info(f"utilization {name}: {now.get(name)} -> {value}")
    except (HaError, OSError) as error:
        context.log.warning(f"{subject.identity.name}: utilization not updated: {error}")


def changes(wanted: Mapping[str, str | None], now: Mapping[str, str]) -> dict[str, str | None]:
    """Of the attributes as they are, those to set and those to remove (None). Pure."""
    return {name: value for name, value in wanted.items() if now.get(name) != value}


def _size(domain: Domain) -> Size:
    info = result(libvirtmod.virDomainGetInfo(domain.handle))
    _state, max_memory_kib, _memory_kib, cpus, _cpu_time_ns = info
    return Size(cpus, max_memory_kib // 1024)


def _wanted(context: Context, size: Size) -> dict[str, str | None]:
    values = (size.cpus, size.memory_mib, size.memory_mib)
    wanted: dict[str, str | None] = {}
    for name, value in zip(NAMES, values):
        if context.flag(f"autoset_utilization_{name}"):
            wanted[name] = str(value)
        elif context.flag(f"unset_utilization_{name}"):
            wanted[name] = None
    return wanted


def _read(resource: str, deadline: Deadline) -> dict[str, str]:
    """From this host's copy of the CIB."""
    xpath = f"//primitive[@id='{resource}']/utilization"
    answer = cib.query_local(xpath, deadline)
    if not answer.strip():
        return {}
    pairs = ET.fromstring(answer).iter("nvpair")
    return {pair.get("name", ""): pair.get("value", "") for pair in pairs}


def _write(resource: str, name: str, value: str | None, deadline: Deadline) -> None:
    argv = ["crm_resource", "--resource", resource, "--utilization"]
    if value is None:
        argv += ["--delete-parameter", name]
    else:
        argv += ["--set-parameter", name, "--parameter-value", value]
    tools.call(argv, deadline)
