# SPDX-License-Identifier: GPL-2.0-or-later
"""Which domains the hosts' libvirts know and run. A host that does not answer is unknown."""

from __future__ import annotations

import threading
from typing import NamedTuple
from urllib.parse import urlsplit

from pmkvm.deadline import Deadline
from pmkvm.errors import HaError
from pmkvm.virt.connection import Connection, LibvirtError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

# For each host, all at once: opening a connection over ssh takes about half a second.
ANSWER_S = 3.0


class HostSilentError(HaError):
    """A libvirt could not be asked."""


class HostDomains(NamedTuple):
    defined: frozenset[str]
    running: frozenset[str]


if TYPE_CHECKING:
    Ask = Callable[[str], HostDomains]


class Survey(NamedTuple):
    """local is None when the libvirt of this host was not asked; silent: reasons by node."""

    local: HostDomains | None
    running: Mapping[str, frozenset[str]]
    silent: Mapping[str, str]

    def hosts_of(self, domain: str) -> list[str]:
        return sorted(node for node, running in self.running.items() if domain in running)


def ask_libvirt(uri: str) -> HostDomains:
    """Raises HostSilentError. May take as long as the connection takes: see survey()."""
    try:
        with Connection(uri) as connection:
            running = connection.domain_names(running_only=True)
            return HostDomains(connection.domain_names(), running)
    except LibvirtError as error:
        raise HostSilentError(str(error)) from error


def remote_uri(hypervisor: str, transport: str, node: str) -> str:
    """qemu:///system as seen from another host; no_tty, so that ssh never asks a question."""
    parts = urlsplit(hypervisor)
    return f"{parts.scheme}+{transport}://{node}{parts.path}?no_tty=1"


def survey(local_node: str, uris: Mapping[str, str], ask: Ask) -> Survey:
    """Ask all hosts (uris by node) at the same time, ANSWER_S at most."""
    answers = _ask_all(uris, ask)
    heard = {node: each for node, each in answers.items() if isinstance(each, HostDomains)}
    silent = {node: str(each) for node, each in answers.items() if isinstance(each, HaError)}
    silent.update({node: f"no answer in {ANSWER_S:.0f} s" for node in uris if node not in answers})
    return Survey(
        local=heard.get(local_node),
        running={node: each.running for node, each in heard.items()},
        silent=silent,
    )


def _ask_all(uris: Mapping[str, str], ask: Ask) -> dict[str, HostDomains | HaError]:
    answers: dict[str, HostDomains | HaError] = {}

    def ask_one(node: str, uri: str) -> None:
        try:
            answers[node] = ask(uri)
        except HaError as error:
            answers[node] = error

    # Daemon threads: one that hangs in libvirt must not keep vm-ctl from ending.
    threads = [threading.Thread(target=ask_one, args=each, daemon=True) for each in uris.items()]
    _join(threads)
    return dict(answers)


def _join(threads: Iterable[threading.Thread]) -> None:
    begun = list(threads)
    for thread in begun:
        thread.start()
    deadline = Deadline(ANSWER_S)
    for thread in begun:
        thread.join(deadline.remaining())
