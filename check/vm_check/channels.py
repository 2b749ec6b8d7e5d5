# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether each guest can ask its host for a fence: its port, and who answers in it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from check.vm_check import of_fencing
from check.vm_check.finding import Kind, Severity
from pmkvm.fencing import mute
from pmkvm.virt.definition import ports

if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree.ElementTree import Element

    from check.vm_check.facts import Facts, Guest
    from check.vm_check.finding import Finding

CHANNEL_MISSING = Kind(
    "channel-missing",
    Severity.WARNING,
    "The guest has no port for vm-connectd: it can't ask for a fence.",
    "add the channel of doc/fencing.md by `virsh edit {subject}` on each host, and stop and start"
    " the guest",
)
CHANNEL_CLOSED = Kind(
    "channel-closed",
    Severity.WARNING,
    "Nobody has opened the guest's port: vm-connectd does not run in it, and it can't ask for a"
    " fence.",
    "in the guest: `systemctl status vm-connectd`, of the package pm_kvm_tools-guest",
)
CHANNEL_MUTE = Kind(
    "channel-mute",
    Severity.WARNING,
    "The guest's port is open, and its vm-connectd does not answer its host: it can't ask for a"
    " fence.",
    "`vm-connectd --status` on {host} and in the guest: a guest that stands still, or whose"
    " vm-connectd does, is to be restarted",
)
KINDS = (CHANNEL_MISSING, CHANNEL_CLOSED, CHANNEL_MUTE)


def findings(facts: Facts) -> Iterator[Finding]:
    if not of_fencing.is_configured(facts):
        return
    for guest in facts.each():
        yield from _of_guest(facts, guest)


def port(definition: Element) -> Element | None:
    """Its target element, with state= where the guest runs."""
    channels = ports(definition)
    return channels[0].find("target") if channels else None


def _of_guest(facts: Facts, guest: Guest) -> Iterator[Finding]:
    known = facts.domains(guest.domain)
    live = [(host, each.live) for host, each in known.items() if each.live is not None]
    definition = facts.definition(guest)
    if definition is not None and port(definition) is None:
        host = live[0][0] if live else ""
        yield CHANNEL_MISSING.finding(guest.domain, "it has no port for vm-connectd", host=host)
        return
    for host, running in live:
        found = port(running)
        if found is not None and found.get("state") == "disconnected":
            text = f"nobody in it has opened its port, on {host}"
            yield CHANNEL_CLOSED.finding(guest.domain, text, host=host)
        elif found is not None and guest.resource in _mute(facts, host):
            text = f"its vm-connectd does not answer {host}"
            yield CHANNEL_MUTE.finding(guest.domain, text, host=host)


def _mute(facts: Facts, host: str) -> frozenset[str]:
    """The resources that this host's vm-connectd finds mute."""
    return mute.resources(facts.attributes.get(host, {}).get(mute.ATTRIBUTE, ""), facts.now)
