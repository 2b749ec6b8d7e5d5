# SPDX-License-Identifier: GPL-2.0-or-later
"""A fact about one resource that all hosts share and that outlives its guest: a meta attribute of
the resource's own, named vm-SOMETHING.

A write is a change of the CIB, which has Pacemaker plan anew: for what seldom changes. It restarts
nothing, since Pacemaker gives these attributes to no action.
"""

from __future__ import annotations

from pmkvm.pacemaker import cib, tools
from pmkvm.pacemaker.errors import ExitCode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pmkvm.deadline import Deadline

PREFIX = "vm-"


def xpath(resource: str) -> str:
    """Of all these facts about it."""
    primitive = f"descendant::primitive[@id='{resource}']"
    pairs = f"meta_attributes/nvpair[starts-with(@name,'{PREFIX}')]"
    return f"/cib/configuration/resources/{primitive}/{pairs}"


def find(answer: str, name: str) -> str:
    """Its value in cibadmin's answer to that XPath, empty if there is none.

    Raises BadAnswerError.
    """
    if not answer.strip():
        return ""
    pairs = tools.parsed(answer, "cibadmin").iter("nvpair")
    return next((pair.get("value", "") for pair in pairs if pair.get("name") == name), "")


def read(resource: str, name: str, deadline: Deadline) -> str:
    """From this host's own copy of the CIB. Raises HaError."""
    return find(cib.query_local(xpath(resource), deadline), name)


def write(resource: str, name: str, value: str, deadline: Deadline) -> None:
    """An empty value removes it. Raises HaError."""
    if value:
        change = ("--set-parameter", name, "--parameter-value", value)
        tools.call((*_of(resource), *change), deadline)
    else:
        # Pacemaker 3.0 says 105 where it is gone already.
        argv = (*_of(resource), "--delete-parameter", name)
        tools.call(argv, deadline, also_fine=(ExitCode.NOSUCH,))


def removal(resource: str, name: str) -> str:
    """What a person types to remove it."""
    return " ".join((*_of(resource), "--delete-parameter", name))


def _of(resource: str) -> tuple[str, ...]:
    return ("crm_resource", "--resource", resource, "--meta")
