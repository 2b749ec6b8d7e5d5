# SPDX-License-Identifier: GPL-2.0-or-later
"""How an action says that it failed."""

from __future__ import annotations

from pmkvm.errors import HaError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pmkvm.ocf.codes import OcfCode


class OcfError(HaError):
    """Ends the action with this code; the message becomes the exit reason."""

    def __init__(self, code: OcfCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code
