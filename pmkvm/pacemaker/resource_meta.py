# SPDX-License-Identifier: GPL-2.0-or-later
"""Facts about a resource that all hosts must know, in the CIB for as long as the resource is there:
meta attributes of the resource's own.

A definition, and what a host remembers, is one host's. A write is a change of the CIB, which has
Pacemaker plan anew: for what seldom changes. It restarts nothing, since meta attributes are in no
digest of an operation.
"""

from __future__ import annotations

from pmkvm.pacemaker import cib, tools
from pmkvm.pacemaker.errors import ExitCode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pmkvm.deadline import Deadline

# Which domain the resource is.
VM_UUID = "vm-uuid"
# The disks that the guest had last, where some host's definition does not name them.
LAST_DISKS = "vm-disks"


def xpath(resource: str) -> str:
    """Of what find() looks through."""
    return f"/cib/configuration/resources/descendant::primitive[@id='{resource}']"


def find(answer: str, name: str) -> str | None:
    """Its value in cibadmin's answer to that XPath, also beside a ban; empty if it is not written.
    None if there is no such resource. Raises BadAnswerError."""
    if not answer.strip():
        return None
    primitive = next(tools.parsed(answer, "cibadmin").iter("primitive"), None)
    if primitive is None:
        return None
    pairs = primitive.iterfind(f"meta_attributes/nvpair[@name='{name}']")
    return next((pair.get("value", "") for pair in pairs), "")


def read(resource: str, name: str, deadline: Deadline) -> str | None:
    """As find(), from this host's own copy of the CIB. Raises HaError."""
    return find(cib.query_local(xpath(resource), deadline), name)


def is_anothers(resource: str, name: str, value: str, deadline: Deadline) -> bool:
    """Whether a resource beside it has that value, written in the same way. Raises HaError."""
    others = f"/cib/configuration/resources/descendant::primitive[@id!='{resource}']"
    its = f"[meta_attributes/nvpair[@name='{name}'][@value='{value}']]"
    return bool(cib.query_local(f"{others}{its}", deadline).strip())


def write(resource: str, name: str, value: str, deadline: Deadline) -> None:
    """Raises HaError."""
    tools.call(order(resource, name, value), deadline)


def remove(resource: str, name: str, deadline: Deadline) -> None:
    """Raises HaError."""
    # Pacemaker 3.0 says 105 where it is gone already.
    tools.call(removal(resource, name), deadline, also_fine=(ExitCode.NOSUCH,))


def order(resource: str, name: str, value: str) -> tuple[str, ...]:
    """The command that writes it, also for a person."""
    return (*_of(resource), "--set-parameter", name, "--parameter-value", value)


def removal(resource: str, name: str) -> tuple[str, ...]:
    """The command that removes it, also for a person."""
    return (*_of(resource), "--delete-parameter", name)


def _of(resource: str) -> tuple[str, ...]:
    return ("crm_resource", "--resource", resource, "--meta")
