# SPDX-License-Identifier: GPL-2.0-or-later
"""Which resources of the cluster are guests, from the CIB's resources. Pure."""

from __future__ import annotations

from pmkvm.pacemaker import targets, tools
from pmkvm.pacemaker.errors import BadAnswerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pmkvm.pacemaker.targets import Guest

AGENTS = (targets.OURS, targets.HEARTBEATS)


def parse(document: str) -> tuple[Guest, ...]:
    """Of a CIB, or of its resources alone. Groups and clones are looked through.

    Raises BadAnswerError.
    """
    root = tools.parsed(document, "cibadmin")
    resources = root if root.tag == "resources" else root.find("configuration/resources")
    if resources is None:
        raise BadAnswerError("cibadmin's answer has no resources")
    return tuple(each for each in targets.guests(resources) if _may_be_defined(each))


def _may_be_defined(guest: Guest) -> bool:
    return guest.agent in AGENTS and (any(guest.config.possible) or not guest.config.is_plain)
