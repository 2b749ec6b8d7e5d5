# SPDX-License-Identifier: GPL-2.0-or-later
"""The key ring: what seals tokens. One file, alike on all hosts, readable by root alone.

A key's id follows from the key, so hosts that say the same id have the same key. No error and no
repr() here holds a key.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
import secrets
import stat
from enum import Enum
from typing import NamedTuple

from pmkvm import files
from pmkvm.errors import ExhaustedError, HaError, is_exhaustion

KEY_BYTES = 32
ID_DIGITS = 8
_HEADER = "# Keys of fencing tokens: alike on all hosts, for root alone. Made by vm-stonith-key.\n"
_LINE = re.compile(r"(new|seals|old) ([0-9a-f]{8}) ([A-Za-z0-9_-]{43})", re.ASCII)
_LONGEST_FILE = 65536
_NOT_FOR_OTHERS = 0o177


class RingError(HaError):
    """A key file that can't be used."""


class NoRingError(RingError):
    """There is no key file."""


class State(str, Enum):
    """Tokens of every key in the ring are opened; one key seals the new ones."""

    NEW = "new"
    SEALS = "seals"
    OLD = "old"


class Key(NamedTuple):
    """repr() keeps the key itself."""

    id: str
    secret: bytes
    state: State

    def __repr__(self) -> str:
        return f"Key({self.id!r}, ***, {self.state.value})"


class Ring(NamedTuple):
    """The keys, oldest first; exactly one of them seals."""

    keys: tuple[Key, ...]

    @property
    def sealing(self) -> Key:
        return next(key for key in self.keys if key.state is State.SEALS)

    def of(self, state: State) -> tuple[Key, ...]:
        return tuple(key for key in self.keys if key.state is state)

    def find(self, key_id: str) -> Key | None:
        return next((key for key in self.keys if key.id == key_id), None)


def new_key(state: State, secret: bytes | None = None) -> Key:
    drawn = secrets.token_bytes(KEY_BYTES) if secret is None else secret
    return Key(id_of(drawn), drawn, state)


def id_of(secret: bytes) -> str:
    """Of 256 drawn bits this tells nothing."""
    return hashlib.sha256(b"pm_kvm_tools key id\0" + secret).hexdigest()[:ID_DIGITS]


def to_text(ring: Ring) -> str:
    lines = [f"{key.state.value} {key.id} {_encoded(key.secret)}\n" for key in ring.keys]
    return _HEADER + "".join(lines)


def parse(text: str, where: str) -> Ring:
    """Raises RingError."""
    keys = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            keys.append(_key(line.strip(), f"{where}, line {number}"))
    if len({key.id for key in keys}) != len(keys):
        raise RingError(f"{where}: a key is there twice")
    if sum(key.state is State.SEALS for key in keys) != 1:
        raise RingError(f"{where}: not exactly one key has the state {State.SEALS.value}")
    return Ring(tuple(keys))


def load(path: str) -> Ring:
    """Raises NoRingError, and RingError also for a file that others could read or write.

    ExhaustedError says nothing about the file.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError as error:
        raise NoRingError(f"there is no key file {path}") from error
    except OSError as error:
        kind = ExhaustedError if is_exhaustion(error) else RingError
        raise kind(f"{path}: {error.strerror}") from error
    try:
        _check(os.fstat(descriptor), path)
        data = os.read(descriptor, _LONGEST_FILE)
    finally:
        os.close(descriptor)
    try:
        return parse(data.decode("ascii"), path)
    except UnicodeDecodeError as error:
        raise RingError(f"{path} is no key file") from error


def store(path: str, ring: Ring) -> None:
    """Replaces the file as a whole. Raises OSError."""
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    files.write_atomically(path, to_text(ring))


def _key(line: str, where: str) -> Key:
    match = _LINE.fullmatch(line)
    if match is None:
        raise RingError(f"{where}: not 'STATE KEYID KEY' with new, seals or old")
    try:
        secret = base64.b64decode(f"{match[3]}=", altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise RingError(f"{where}: the key is damaged") from error
    if id_of(secret) != match[2]:
        raise RingError(f"{where}: key and key id don't fit: the line is damaged")
    return Key(match[2], secret, State(match[1]))


def _check(status: os.stat_result, path: str) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise RingError(f"{path} is no regular file")
    if status.st_uid != os.geteuid():
        raise RingError(f"{path} belongs to uid {status.st_uid}, and must to {os.geteuid()}")
    if status.st_mode & _NOT_FOR_OTHERS:
        mode = stat.S_IMODE(status.st_mode)
        raise RingError(f"{path} has mode {mode:04o}, allowed is 0600")


def _encoded(secret: bytes) -> str:
    return base64.urlsafe_b64encode(secret).decode().rstrip("=")
