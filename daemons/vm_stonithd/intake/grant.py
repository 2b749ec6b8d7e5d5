# SPDX-License-Identifier: GPL-2.0-or-later
"""What a token allows, and the interface of everything that reads tokens. Pure."""

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
    """A token that is refused; the text is for this host's log, the guest must not learn why."""


class TokenOptionError(HaError):
    """The options of vm-stonithd by which tokens are to be read can't be used."""


class Grant(NamedTuple):
    """What a token says; None is what it does not say, and so does not restrict.

    uuid: of the target's domain. requesters: the domains that may use it, by uuid. cluster: of
    the hosts, by its name. key_id: of the key that it was sealed with.
    """

    resource: str
    uuid: str | None = None
    requesters: frozenset[str] | None = None
    operations: frozenset[str] | None = None
    cluster: str | None = None
    key_id: str | None = None


class TokenReader(Protocol):
    """Turns a token into what it allows; read() may take seconds, and is called in threads."""

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
