# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the targets' domains are defined on this host, and the uuids in there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemons.vm_stonithd.host import qemu_processes
from pmkvm import files
from pmkvm.deadline import Deadline
from pmkvm.errors import HaError
from pmkvm.pacemaker.this_host import ThisHost

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pmkvm.pacemaker.parameter import Parameter

# For Pacemaker's word where the CIB alone does not tell: 15 ms as a rule.
ASK_S = 3.0


class DomainUuids:
    """Asked in threads, when it matters: nothing that Pacemaker said is kept.

    configs: what the newest reading of the CIB says of each target.
    """

    def __init__(self, configs: Callable[[], Mapping[str, Parameter]]) -> None:
        self._configs = configs
        self._host = ThisHost()
        self._known: dict[str, tuple[tuple[int, ...], str]] = {}

    def path(self, resource: str) -> str:
        """What Pacemaker gives to its agent here, empty for nothing. Raises HaError."""
        config = self._configs().get(resource)
        if config is None:
            raise HaError(f"{resource} is no VirtualDomain of this cluster that can be fenced")
        return self._host.definition_path(resource, config, Deadline(ASK_S))

    def uuid(self, resource: str) -> str | None:
        """None for what is no target, empty if its definition does not tell. Raises HaError."""
        return self._uuid_in(self.path(resource)) if resource in self._configs() else None

    def of(self, uuid: str) -> list[str]:
        """Whose domain has it: one target as a rule. Raises HaError if one may and can't be told.

        Pacemaker is asked only of those that could be given a definition with that uuid.
        """
        configs = self._configs()
        may = (
            each
            for each, config in configs.items()
            if uuid and uuid in map(self._uuid_in, config.possible)
        )
        return sorted(
            each for each in may if configs[each].is_plain or self._uuid_in(self.path(each)) == uuid
        )

    def _uuid_in(self, path: str) -> str:
        """Empty if none can be told."""
        stamp = files.stamp(path)
        if stamp is None:
            return ""
        known = self._known.get(path)
        if known is None or known[0] != stamp:
            identity = qemu_processes.identity_of(path)
            known = self._known[path] = (stamp, "" if identity is None else identity.uuid)
        return known[1]
