# SPDX-License-Identifier: GPL-2.0-or-later
"""Which sockets to connect to, for which guest: resources and domains in, targets out.

A guest without doubt is one resource that names one running domain, whose socket lies in an
allowed directory. Everything else is rejected with a reason that names it.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import NamedTuple

from daemons.vm_connectd import reach
from pmkvm.wire.codec import MAX_NAME

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from daemons.vm_connectd.domain import Domain
    from pmkvm.pacemaker.targets import Guest
    from pmkvm.virt.identity import Identity


class Target(NamedTuple):
    """A socket to be connected to, and whose it should be."""

    resource: str
    domain: str
    uuid: str
    path: str


class Rejected(NamedTuple):
    """A guest that runs here without a channel, and why."""

    resource: str
    domain: str
    path: str
    reason: str


class Roster(NamedTuple):
    targets: tuple[Target, ...]
    rejected: tuple[Rejected, ...]


def draw_up(
    guests: Iterable[tuple[Guest, Identity]],
    domains: Iterable[Domain],
    directories: Sequence[str],
    real: Callable[[str], str] = os.path.realpath,
) -> Roster:
    """Resources whose domain does not run here are no concern of this host."""
    by_uuid = {domain.uuid: domain for domain in domains}
    by_name = {domain.name: domain for domain in by_uuid.values()}
    pairs = []
    for resource, identity in guests:
        domain = by_uuid.get(identity.uuid) if identity.uuid else by_name.get(identity.name)
        if domain is not None:
            pairs.append((resource, domain))
    claims = Counter(domain.uuid for _resource, domain in pairs)
    targets, rejected = [], []
    for resource, domain in pairs:
        reason = domain.problem or _unspeakable(resource.id, domain.name)
        if claims[domain.uuid] > 1:
            reason = f"{claims[domain.uuid]} resources name this domain"
        elif not reason and reach.inside(domain.path, directories, real) is None:
            reason = f"its socket is outside {', '.join(directories)}"
        if reason:
            rejected.append(Rejected(resource.id, domain.name, domain.path, reason))
        else:
            targets.append(Target(resource.id, domain.name, domain.uuid, domain.path))
    return Roster(tuple(targets), tuple(rejected))


def _unspeakable(*names: str) -> str:
    """Servers are told these names, in frames that take no others."""
    if all(0 < len(name) <= MAX_NAME and name.isprintable() for name in names):
        return ""
    return f"its names are not printable, or longer than {MAX_NAME}"
