# SPDX-License-Identifier: GPL-2.0-or-later
"""The slides' `openssl des-ede3 -d -base64 -k PASSPHRASE`, done in this process.

It has no integrity: a changed token decrypts to something. So all of its text must be fit to be
a resource's id, or it is refused.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os.path
import re
from typing import TYPE_CHECKING, NamedTuple

from daemons.vm_stonithd.intake.grant import TokenError, TokenOptionError, resource_id

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cryptography.hazmat.primitives.ciphers.algorithms import TripleDES
    from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB

# In OpenSSL "des-ede3" without a mode is ECB, "des3" is CBC.
_IS_CBC = {"des-ede3": False, "des-ede3-ecb": False, "des-ede3-cbc": True, "des3": True}
# openssl enc's own choice when none is given: MD5 before 1.1.0, SHA-256 since.
_DIGESTS = ("md5", "sha256")
_MAGIC = b"Salted__"
_SALT_BYTES = 8
_BLOCK_BYTES = 8
_KEY_BYTES = 24
_LITERAL = "pass:"
# Each with a value behind it, or alone.
_VALUED = frozenset({"-k", "-pass", "-md"})
_FLAGS = frozenset({"-d", "-a", "-base64", "-A", "-salt"})


class Form(NamedTuple):
    """What such a command says; repr() keeps the passphrase to itself."""

    passphrase: bytes
    is_cbc: bool
    digests: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Form(passphrase=***, is_cbc={self.is_cbc}, digests={self.digests})"


def parse(argv: Sequence[str]) -> Form | None:
    """The form of a command, or None: it is another one, for a process of its own."""
    if not argv or os.path.basename(argv[0]) != "openssl":
        return None
    values: dict[str, str] = {}
    flags = set()
    ciphers = []
    # `openssl enc -des3` is `openssl des3`.
    rest = iter(argv[2:] if argv[1:2] == ["enc"] else argv[1:])
    for argument in rest:
        if argument in _VALUED:
            values[argument] = next(rest, "")
        elif argument in _FLAGS:
            flags.add(argument)
        else:
            ciphers.append(argument.removeprefix("-"))
    passphrase = _passphrase(values)
    digests = (values["-md"].lower(),) if "-md" in values else _DIGESTS
    if (
        len(ciphers) != 1
        or ciphers[0] not in _IS_CBC
        or passphrase is None
        or "-d" not in flags
        or not flags & {"-a", "-base64"}
        or not set(digests) <= set(_DIGESTS)
    ):
        return None
    return Form(passphrase, _IS_CBC[ciphers[0]], digests)


def _passphrase(values: dict[str, str]) -> bytes | None:
    text = values.get("-k")
    given = values.get("-pass")
    if given is not None:
        if text is not None or not given.startswith(_LITERAL):
            return None
        text = given[len(_LITERAL) :]
    return text.encode("utf-8", "surrogateescape") if text else None


def decrypt(form: Form, token: str) -> str:
    """The resource id. Raises TokenError, which says nothing of what came out."""
    salt, data = _salt_and_data(token)
    found = [
        name for digest in form.digests for name in _names(_decrypted(form, digest, salt, data))
    ]
    if not found:
        raise TokenError("the token decrypts to no resource id: it is damaged, or of another key")
    if len(found) > 1:
        raise TokenError("the token decrypts with MD5 and with SHA-256: say which by -md")
    return found[0]


def check() -> None:
    """Raises TokenOptionError where 3DES can't be done, as under FIPS rules."""
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        _decrypted(Form(b"-", is_cbc=False, digests=()), "md5", bytes(8), bytes(_BLOCK_BYTES))
    except (UnsupportedAlgorithm, ValueError) as error:
        raise TokenOptionError("this host's OpenSSL refuses 3DES or MD5 (FIPS?)") from error


def _salt_and_data(token: str) -> tuple[bytes, bytes]:
    # Its line breaks may have become blanks, or nothing, on the way through a configuration.
    if not re.fullmatch(r"[A-Za-z0-9+/=\s]+", token, re.ASCII):
        raise TokenError("the token is not base64")
    try:
        raw = base64.b64decode("".join(token.split()), validate=True)
    except binascii.Error as error:
        raise TokenError("the token is not base64, or a part of it is missing") from error
    if not raw.startswith(_MAGIC):
        raise TokenError("the token is none that openssl made")
    salt = raw[len(_MAGIC) :][:_SALT_BYTES]
    data = raw[len(_MAGIC) + _SALT_BYTES :]
    if not data or len(data) % _BLOCK_BYTES:
        raise TokenError("a part of the token is missing")
    return salt, data


def _names(padded: bytes) -> Iterator[str]:
    """One resource id, or nothing."""
    count = padded[-1]
    if 1 <= count <= _BLOCK_BYTES and padded.endswith(bytes([count]) * count):
        try:
            yield resource_id(padded[:-count])
        except TokenError:
            return


def _decrypted(form: Form, digest: str, salt: bytes, data: bytes) -> bytes:
    # From cryptography 43 on it lives here; the old place warns, then ends.
    try:
        from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
    except ImportError:
        from cryptography.hazmat.primitives.ciphers.algorithms import TripleDES
    from cryptography.hazmat.primitives.ciphers import Cipher

    key, vector = _key_and_vector(form.passphrase, digest, salt)
    cipher: TripleDES = TripleDES(key)
    decryptor = Cipher(cipher, _mode(form, vector)).decryptor()
    return decryptor.update(data) + decryptor.finalize()


def _mode(form: Form, vector: bytes) -> CBC | ECB:
    from cryptography.hazmat.primitives.ciphers import modes

    # What the tokens of 2011 are made with; new ones are sealed otherwise.
    return modes.CBC(vector) if form.is_cbc else modes.ECB()  # noqa: S305


def _key_and_vector(passphrase: bytes, digest: str, salt: bytes) -> tuple[bytes, bytes]:
    """OpenSSL's EVP_BytesToKey with one round."""
    derived = block = b""
    while len(derived) < _KEY_BYTES + _BLOCK_BYTES:
        block = hashlib.new(digest, block + passphrase + salt, usedforsecurity=False).digest()
        derived += block
    return derived[:_KEY_BYTES], derived[_KEY_BYTES:][:_BLOCK_BYTES]
