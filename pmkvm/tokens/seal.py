# SPDX-License-Identifier: GPL-2.0-or-later
"""A token: what it allows, sealed with AES-256-GCM under a key of the ring.

Text: v2.KEYID.LENGTH.BODY, of letters, digits, dots, dashes and underscores, so that it is one
word in crm, pcs and hostlist. BODY is base64url of nonce, ciphertext and tag; the head before it
is sealed with it. What was not sealed under the key is never looked at.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pmkvm.errors import HaError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pmkvm.tokens.ring import Key, Ring

LONGEST = 4096
NONCE_BYTES = 12
_VERSION = "v2"
_FORM = re.compile(r"(v2\.([0-9a-f]{8})\.([0-9]{1,4})\.)([A-Za-z0-9_-]*)", re.ASCII)


class SealError(HaError):
    """A token that does not open; the text is for the host's log and holds nothing of it."""


class Content(NamedTuple):
    """What is sealed: which guests (by uuid) may do what to which resource of which cluster."""

    cluster: str
    resource: str
    uuid: str
    requesters: tuple[str, ...]
    operations: tuple[str, ...]


class Opened(NamedTuple):
    key_id: str
    content: Content


def seal(content: Content, key: Key, nonce: bytes | None = None) -> str:
    """Raises SealError if it grows too long. nonce: for tests; drawn anew for every token."""
    nonce = os.urandom(NONCE_BYTES) if nonce is None else nonce
    plain = json.dumps(content, separators=(",", ":")).encode()
    # Of nonce, ciphertext and tag, in base64 without padding.
    length = -(-(len(plain) + NONCE_BYTES + 16) * 4 // 3)
    head = f"{_VERSION}.{key.id}.{length}."
    body = nonce + AESGCM(key.secret).encrypt(nonce, plain, head.encode())
    token = head + base64.urlsafe_b64encode(body).decode().rstrip("=")
    if len(token) > LONGEST:
        raise SealError(
            f"a token for so many guests has {len(token)} characters, {LONGEST} at most"
        )
    return token


def is_sealed(token: str) -> bool:
    """Else it may be one of 2011, which is base64 and has no dot."""
    return token.startswith(f"{_VERSION}.")


def unseal(token: str, ring: Ring) -> Opened:
    """Raises SealError, with a text of its own for each kind of trouble."""
    match = _FORM.fullmatch(token) if len(token) <= LONGEST else None
    if match is None:
        raise SealError("the token is damaged: its form is not v2.KEYID.LENGTH.BODY")
    head, key_id, length, body = match.groups()
    if len(body) != int(length):
        raise SealError(f"the token has {len(body)} characters of {int(length)}: it was cut")
    key = ring.find(key_id)
    if key is None:
        raise SealError(f"the token is sealed with key {key_id}, which this host does not have")
    try:
        data = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
        if _encoded(data) != body:
            raise SealError("the token was altered")
        nonce, sealed = data[:NONCE_BYTES], data[NONCE_BYTES:]
        plain = AESGCM(key.secret).decrypt(nonce, sealed, head.encode())
    except (binascii.Error, InvalidTag, ValueError) as error:
        raise SealError("the token was altered") from error
    return Opened(key_id, _content(plain))


def _content(plain: bytes) -> Content:
    """Of a later release there may be more in it, which must not be passed over."""
    fields = json.loads(plain)
    if not isinstance(fields, list) or len(fields) != len(Content._fields):
        raise SealError("the token is of a later release")
    cluster, resource, uuid, requesters, operations = fields
    return Content(cluster, resource, uuid, tuple(requesters), tuple(operations))


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
