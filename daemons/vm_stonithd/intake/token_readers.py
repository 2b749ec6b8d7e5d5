# SPDX-License-Identifier: GPL-2.0-or-later
"""What reads tokens on this host: sealed ones by the key file, those of 2011 by -c, if given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemons.vm_stonithd.intake.grant import TokenError
from pmkvm.tokens import seal

if TYPE_CHECKING:
    from daemons.vm_stonithd.intake.grant import Grant, TokenReader
    from daemons.vm_stonithd.intake.key_file import Keys


class Readers:
    """old: reads tokens of 2011; old_complaint: why it can't though it was asked for."""

    def __init__(self, keys: Keys, old: TokenReader | None = None, old_complaint: str = "") -> None:
        self.keys = keys
        self._old = old
        self._old_complaint = old_complaint

    @property
    def takes_old(self) -> bool:
        return self._old is not None

    @property
    def complaints(self) -> list[str]:
        """What an administrator has to do something about."""
        is_told = not self.keys.is_missing or not (self._old or self._old_complaint)
        found = [self.keys.complaint if is_told else "", self._old_complaint]
        if self.keys.is_missing and is_told:
            found[0] += ", and no -c is given"
        return [f"tokens: {each}" for each in found if each]

    @property
    def can_read(self) -> bool:
        """Whether any token at all can be read."""
        return bool(self.keys.reports) or self.takes_old

    def read(self, token: str) -> Grant:
        """Raises TokenError."""
        if seal.is_sealed(token):
            return self.keys.open(token)
        if self._old is None:
            raise TokenError("the token is none that vm-stonith-key made, and -c is not given")
        return self._old.read(token)
