# SPDX-License-Identifier: GPL-2.0-or-later
"""What Pacemaker gives to a guest's agent on this host: where its domain is defined."""

from __future__ import annotations

from pmkvm.errors import HaError
from pmkvm.pacemaker import resource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pmkvm.deadline import Deadline
    from pmkvm.pacemaker.parameter import Parameter

# What stands in the CIB for a value that cibsecret keeps in a file of each host.
_KEPT_ELSEWHERE = "lrm://"


class ThisHost:
    """Its name in the cluster is asked for when it is needed, and once. May be used in threads."""

    def __init__(self) -> None:
        self._node = ""

    def definition_path(self, guest: str, config: Parameter, deadline: Deadline) -> str:
        """As of now, empty if the guest has none. A plain config costs nothing.

        Raises HaError, with the reason, if nobody can tell.
        """
        try:
            path = config.value if config.is_plain else self._ask(guest, config, deadline)
        except HaError as error:
            raise HaError(f"the definition of {guest} can't be told: {error}") from error
        if path == _KEPT_ELSEWHERE:
            raise HaError(f"the definition of {guest} can't be told: its config is a secret")
        return path

    def _ask(self, guest: str, config: Parameter, deadline: Deadline) -> str:
        if config.per_operation:
            raise HaError(config.per_operation)
        try:
            self._node = self._node or resource.local_node(deadline)
            return resource.parameter(guest, "config", self._node, deadline)
        except HaError as error:
            raise HaError(f"{config.unclear}, and Pacemaker does not say: {error}") from error
