# SPDX-License-Identifier: GPL-2.0-or-later
"""What a token allows, and the interface of everything that reads tokens."""

from __future__ import annotations

import re
from typing import NamedTuple, Protocol

from pmkvm.errors import HaError

MAX_TOKEN = 4096
_MAX_ID = 255
# XML's NCName, as far as it is ASCII: of an id in the CIB no more is known to every tool. The
# narrower this is, the less of a damaged token's text passes for an id.
_ID = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*", re.ASCII)


class TokenError(HaError):
    """A token that is refused; the text is for the guest that sent it."""


class TokenOptionError(HaError):
    """The options of vm-stonithd by which tokens are to be read can't be used."""


class Grant(NamedTuple):
    """What a token says; None is what it does not say, and so does not restrict.

    uuid: of the target's domain. requesters: the domains that may use it, by uuid.
    """

    resource: str
    uuid: str | None = None
    requesters: frozenset[str] | None = None
    operations: frozenset[str] | None = None


class TokenReader(Protocol):
    """Turns a token into what it allows.

    is_bearer: it is good for whoever has it. may_wait: read() may take seconds, so that it must
    not run in the daemon's loop.
    """

    @property
    def is_bearer(self) -> bool: ...

    @property
    def may_wait(self) -> bool: ...

    def read(self, token: str) -> Grant:
        """Raises TokenError."""


def resource_id(output: bytes) -> str:
    """The id in what a decryption yields, one line. Raises TokenError, without that text."""
    try:
        # `echo ID | openssl ...` has a line break.
        text = output.decode("ascii").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as error:
        raise TokenError("the token decrypts to no resource id") from error
    if not _ID.fullmatch(text) or len(text) > _MAX_ID:
        raise TokenError("the token decrypts to no resource id")
    return text
