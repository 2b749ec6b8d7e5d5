# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the targets' domains are defined on this host, and the uuids in there."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from daemons.vm_stonithd.host import qemu_processes
from pmkvm import files
from pmkvm.deadline import Deadline
from pmkvm.errors import HaError, is_exhaustion
from pmkvm.pacemaker.this_host import ThisHost
from pmkvm.virt import definition
from pmkvm.virt.identity import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pmkvm.pacemaker.parameter import Parameter

# For Pacemaker's word where the CIB alone does not tell: 15 ms as a rule.
ASK_S = 3.0
# Of each definition that is read behind others whose storage hangs.
LEAST_S = 0.1


class DomainUuids:
    """Asked in threads, when it matters: nothing that Pacemaker said is kept.

    configs: what the newest reading of the CIB says of each target.
    """

    def __init__(self, configs: Callable[[], Mapping[str, Parameter]]) -> None:
        self._configs = configs
        self._host = ThisHost()
        self._known: dict[str, tuple[files.Stamp, str]] = {}

    def path(self, resource: str) -> str:
        """What Pacemaker gives to its agent here, empty for nothing. Raises HaError."""
        config = self._configs().get(resource)
        if config is None:
            raise HaError(f"{resource} is no VirtualDomain of this cluster that can be fenced")
        return self._host.definition_path(resource, config, Deadline(ASK_S))

    def uuid(self, resource: str) -> str | None:
        """None for what is no target, empty if its definition does not tell. Raises HaError."""
        if resource not in self._configs():
            return None
        return self._uuid_in(self.path(resource), Deadline(qemu_processes.ANSWER_S))

    def of(self, uuid: str) -> list[str]:
        """Whose domain has it: one target as a rule. Raises HaError if one may and can't be told.

        Pacemaker is asked only of those that could be given a definition with that uuid.
        """
        configs, deadline = self._configs(), Deadline(qemu_processes.ANSWER_S)
        may = (
            each
            for each, config in configs.items()
            if uuid and any(self._uuid_in(path, deadline) == uuid for path in config.possible)
        )
        return sorted(
            each
            for each in may
            if configs[each].is_plain or self._uuid_in(self.path(each), deadline) == uuid
        )

    def _uuid_in(self, path: str, deadline: Deadline) -> str:
        """Empty if none can be told, in time."""
        patience_s = max(LEAST_S, deadline.remaining())
        try:
            return qemu_processes.DEFINITIONS.ask(path, partial(self._read, path), patience_s)
        except OSError as error:
            if is_exhaustion(error):
                raise
            return ""
        except DefinitionError:
            return ""

    def _read(self, path: str) -> str:
        """In a thread of its own. Raises OSError and DefinitionError."""
        stamp = files.stamp(path)
        if stamp is None:
            return ""
        known = self._known.get(path)
        if known is None or known[0] != stamp:
            known = self._known[path] = (stamp, definition.read_identity(path).uuid)
        return known[1]
