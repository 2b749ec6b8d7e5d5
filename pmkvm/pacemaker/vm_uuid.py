# SPDX-License-Identifier: GPL-2.0-or-later
"""Which domain a resource is, for all hosts alike: the meta attribute vm-uuid of its primitive.

A definition is a file of one host, and another host's may say something else. Meta attributes are
in no digest of an operation, so a resource is not restarted when one is written.
"""

from __future__ import annotations

from pmkvm.pacemaker import cib, tools

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pmkvm.deadline import Deadline

NAME = "vm-uuid"


def read(resource: str, deadline: Deadline) -> str | None:
    """As it stands in this host's copy of the CIB, empty if it is not written there. None if that
    has no such resource. Raises HaError."""
    xpath = f"/cib/configuration/resources//primitive[@id='{resource}']"
    answer = cib.query_local(xpath, deadline)
    if not answer.strip():
        return None
    pairs = tools.parsed(answer, "cibadmin").iterfind(f"meta_attributes/nvpair[@name='{NAME}']")
    return next((pair.get("value", "") for pair in pairs), "")


def is_anothers(resource: str, uuid: str, deadline: Deadline) -> bool:
    """Whether a resource beside it has it, written in the same way. Raises HaError."""
    others = f"/cib/configuration/resources//primitive[@id!='{resource}']"
    its = f"[meta_attributes/nvpair[@name='{NAME}'][@value='{uuid}']]"
    return bool(cib.query_local(f"{others}{its}", deadline).strip())


def write(resource: str, uuid: str, deadline: Deadline) -> None:
    """Raises HaError."""
    tools.call(order(resource, uuid), deadline)


def order(resource: str, uuid: str) -> tuple[str, ...]:
    """The command that writes it, also for a person."""
    what = ("--meta", "--set-parameter", NAME, "--parameter-value", uuid)
    return ("crm_resource", "--resource", resource, *what)


def was_to_arrive(resource: str, node: str, deadline: Deadline) -> bool:
    """Whether Pacemaker has it written down that the resource was to migrate to that node: both
    ends' actions name it. Raises HaError."""
    history = f"/cib/status//lrm_resource[@id='{resource}']/lrm_rsc_op"
    return bool(cib.query_local(f"{history}[@migrate_target='{node}']", deadline).strip())
