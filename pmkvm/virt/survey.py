# SPDX-License-Identifier: GPL-2.0-or-later
"""What the hosts' libvirts know of some guests. A host that does not answer is unknown."""

from __future__ import annotations

import glob
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, cast
from urllib.parse import urlsplit

from pmkvm.deadline import Deadline
from pmkvm.errors import HaError
from pmkvm.thread_call import Call, StuckError, call_in_thread
from pmkvm.virt import definition, private_state
from pmkvm.virt.connection import XML_INACTIVE, Connection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import TypeVar
    from xml.etree.ElementTree import Element

# For each host, all at once: opening a connection over ssh takes about half a second.
ANSWER_S = 3.0
A_DOMAIN_S = 0.01
LIBVIRT_GUESTS = "/etc/systemd/system/*.wants/libvirt-guests.service"


class Domain(NamedTuple):
    """xml: libvirt's definition of it; of what it has after the next start, where it lives.

    is_saved: libvirt keeps a memory of it (managed save), which no start of the agent's restores.
    """

    running: bool
    autostart: bool
    xml: str
    is_saved: bool = False

    def definition(self) -> Element:
        """Read, which takes half a millisecond. Raises DefinitionError."""
        return definition.parse(self.xml.encode(), "libvirt's definition")


if TYPE_CHECKING:
    Host = Mapping[str, Domain]
    T = TypeVar("T")


class Survey(NamedTuple):
    """local is the name of this host, which is not in hosts when its libvirt was not asked."""

    local: str
    hosts: Mapping[str, Host]
    silent: Mapping[str, str]

    def here(self, domain: str) -> Domain | None:
        return self.hosts.get(self.local, {}).get(domain)

    def having(self, domain: str) -> list[tuple[str, Domain]]:
        """The hosts that know it, each with what it knows."""
        found = sorted(self.hosts.items())
        return [(node, host[domain]) for node, host in found if domain in host]


def ask_libvirt(uri: str, domains: Sequence[str]) -> Host:
    """Those of the domains that it has. Raises LibvirtError; may take for ever: see survey()."""
    wanted = set(domains)
    with Connection(uri) as connection:
        known = ((each.name(), each) for each in connection.domains())
        return {
            name: Domain(
                each.is_running(),
                each.starts_by_itself(),
                each.description(XML_INACTIVE),
                each.is_saved(),
            )
            for name, each in known
            if name in wanted
        }


def remote_uri(hypervisor: str, transport: str, node: str) -> str:
    """qemu:///system as seen from another host; no_tty, so that ssh never asks a question."""
    parts = urlsplit(hypervisor)
    return f"{parts.scheme}+{transport}://{node}{parts.path}?no_tty=1"


def survey(local: str, uris: Mapping[str, str], domains: Sequence[str]) -> Survey:
    """Ask all hosts (uris by node) at the same time, ANSWER_S at most and a little a domain."""
    deadline = Deadline(ANSWER_S + A_DOMAIN_S * len(domains))
    return Survey(local, *ask_all(uris, partial(ask_libvirt, domains=domains), deadline))


def ask_all(
    uris: Mapping[str, str], ask: Callable[[str], T], deadline: Deadline
) -> tuple[dict[str, T], dict[str, str]]:
    """What each node answers, all asked at the same time; and of the others why there is none."""
    calls = {node: Call(f"asking {uri}", partial(ask, uri)) for node, uri in uris.items()}
    answers: dict[str, T] = {}
    silent: dict[str, str] = {}
    for node, call in calls.items():
        try:
            if not call.is_done(deadline):
                raise call.abandon()
            answers[node] = cast("T", call.result())
        except HaError as error:
            silent[node] = error.said if isinstance(error, StuckError) else str(error)
    return answers, silent


def kept_here(survey: Survey, domains: Iterable[str]) -> dict[str, list[str]]:
    """Of each domain what lies on a disk of one host, as far as this host can tell; a mount that
    hangs tells nothing."""

    def look() -> dict[str, list[str]]:
        known = ((domain, survey.here(domain)) for domain in domains)
        return {
            domain: [str(each) for each in private_state.not_shared(here.definition())]
            for domain, here in known
            if here is not None
        }

    try:
        return call_in_thread(Deadline(ANSWER_S), "looking for what the guests keep", look)
    except (HaError, OSError, ValueError):
        return {}


def restarts_guests() -> bool:
    """Whether libvirt's own service for the guests of a host is enabled here."""
    return bool(glob.glob(LIBVIRT_GUESTS))
