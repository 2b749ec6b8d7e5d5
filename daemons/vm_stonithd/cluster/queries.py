# SPDX-License-Identifier: GPL-2.0-or-later
"""What is asked of Pacemaker on this host, and what is written, each a call with a deadline."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from daemons.vm_stonithd.model.events import Outcome
from pmkvm.errors import HaError, reason_of
from pmkvm.fencing import ban as bans
from pmkvm.fencing import role
from pmkvm.pacemaker import status, tools
from pmkvm.pacemaker.cib import LONGEST_XPATH, query_local
from pmkvm.pacemaker.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable

    from pmkvm.deadline import Deadline
    from pmkvm.fencing.guard import Write
    from pmkvm.pacemaker.status import Resource


class Company(NamedTuple):
    """The hosts of this partition, and the resources as crm_mon has them."""

    partition: frozenset[str]
    instances: tuple[Resource, ...]


def cib(deadline: Deadline) -> str:
    """This host's own copy, status included: it waits for no other host."""
    return tools.call(("cibadmin", "--query", "--local"), deadline).out


def bans_text(deadline: Deadline) -> str:
    """All bans of this host's own copy, empty for none: a fraction of the whole."""
    return query_local(bans.xpath_of_all(), deadline)


def partition(deadline: Deadline) -> frozenset[str]:
    return frozenset(tools.call(("crm_node", "--partition"), deadline).out.split())


def instances(deadline: Deadline) -> tuple[Resource, ...]:
    return status.query(deadline).resources


def write(guarded: Callable[[], Write], deadline: Deadline) -> tuple[Outcome, str]:
    """Carry a guarded write out, with the reason if it was not DONE.

    Whatever else happens than a clear word, nobody knows before he has looked.
    """
    try:
        argv = guarded().argv()
    except ValueError as error:
        return Outcome.NOT_MATCHED, str(error)
    except HaError as error:
        # Of what was read to make it; nothing is written yet.
        return Outcome.NOT_MATCHED, reason_of(error)
    if max(map(len, argv)) > LONGEST_XPATH:
        return Outcome.NOT_MATCHED, "its guard is too long for an argument"
    return _order(argv, deadline)


def primitive(resource: str, deadline: Deadline) -> str:
    """As this host's copy has it, empty if it has none."""
    return query_local(role.xpath(resource), deadline)


def _order(argv: tuple[str, ...], deadline: Deadline) -> tuple[Outcome, str]:
    try:
        done = tools.call(argv, deadline, also_fine=(ExitCode.NOSUCH,))
    except HaError as error:
        return Outcome.TIMED_OUT, str(error)
    if done.rc == ExitCode.NOSUCH:
        return Outcome.NOT_MATCHED, "its guard does not hold"
    return Outcome.DONE, ""
