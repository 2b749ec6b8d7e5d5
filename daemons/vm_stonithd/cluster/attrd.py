# SPDX-License-Identifier: GPL-2.0-or-later
"""The hosts' words in attrd: one private attribute for each host, never in the CIB."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemons.vm_stonithd.model import host_report
from pmkvm.pacemaker import attributes
from pmkvm.tokens.key_report import ATTRIBUTE

if TYPE_CHECKING:
    from daemons.vm_stonithd.model.host_report import HostReport
    from pmkvm.deadline import Deadline


def say(own: HostReport, deadline: Deadline) -> None:
    """Back when attrd has taken them. Raises HaError."""
    attributes.say(ATTRIBUTE, host_report.encode(own), deadline)


def hear(deadline: Deadline) -> dict[str, HostReport]:
    """All hosts' words; who has none is not in it. Raises HaError."""
    return _decoded(attributes.hear(ATTRIBUTE, deadline))


def parse(answer: str) -> dict[str, HostReport]:
    """Lines that are none of ours, and values that can't be read, say nothing."""
    return _decoded(attributes.parse(answer, ATTRIBUTE))


def _decoded(values: dict[str, str]) -> dict[str, HostReport]:
    said = {host: host_report.decode(text) for host, text in values.items()}
    return {host: each for host, each in said.items() if each is not None}
