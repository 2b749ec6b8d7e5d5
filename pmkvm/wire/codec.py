# SPDX-License-Identifier: GPL-2.0-or-later
"""Messages to frames and back: protocol version 1 in JSON, and the only way in from it.

What a receiver expects is a table of types: everything else ends the connection. In no table
for frames from a guest is a message with a sender or a route.
"""

from __future__ import annotations

import json
import re
from functools import partial

from pmkvm.wire import frame
from pmkvm.wire.errors import MessageError
from pmkvm.wire.message import (
    SERVICES,
    VERSIONS,
    Answer,
    Echo,
    Forwarded,
    Hello,
    Message,
    Refused,
    Register,
    Registered,
    Reply,
    Report,
    Request,
    Sender,
    StatusQuery,
    Unavailable,
)
from pmkvm.wire.printable import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeVar

    Read = TypeVar("Read")
    Fields = Mapping[str, object]
    Expected = Mapping[str, Callable[[Fields], Message]]

MAX_ID = 128
# Of a text as JSON writes it, so that with all that is added on its way it still fits a frame.
MAX_BODY = 32768
MAX_REASON = 1024
MAX_NAME = 256
MAX_SECONDS = 3600.0
MAX_NUMBER = 2**53

_DIGITS_AT_MOST = 16
_FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def encode(message: Message) -> bytes:
    """The frame. What a message must hold is checked by its receiver, and by request()."""
    fields = {_KEYS.get(name, name): value for name, value in message._asdict().items()}
    if isinstance(message, Forwarded):
        fields["sender"] = message.sender._asdict()
    if isinstance(message, Hello):
        # A release that knows a flag takes it for false where it is not there.
        fields = {name: value for name, value in fields.items() if value is not False}
    return frame.encode(_json({"type": _TYPES[type(message)], **fields}).encode())


def request(service: str, id: str, seconds: float, body: str) -> Request:  # noqa: A002 - its name
    """A request fit to be sent. Raises MessageError."""
    return _read(Request, {"service": service, "id": id, "seconds": seconds, "body": body})


def parse(payload: bytes, expected: Expected) -> Message:
    """Raises MessageError, whose text is one line and holds little of what was received."""
    try:
        fields = json.loads(payload.decode(), parse_int=_int, parse_constant=_constant)
    except (ValueError, RecursionError) as error:
        raise MessageError("a frame that is no JSON") from error
    if not isinstance(fields, dict):
        raise MessageError("a frame that is no JSON object")
    kind = fields.get("type")
    if not isinstance(kind, str):
        raise MessageError("a frame without a type")
    if kind not in expected:
        known = "not expected here" if kind in _TYPES.values() else "unknown in version 1"
        raise MessageError(f"a frame of type {shown(kind, 20)}, {known}")
    return expected[kind](fields)


def common_version(hello: Hello) -> int:
    """The highest version that both ends speak. Raises MessageError."""
    version = min(VERSIONS[1], hello.versions[1])
    if version < max(VERSIONS[0], hello.versions[0]):
        theirs = "{}..{}".format(*hello.versions)
        ours = "{}..{}".format(*VERSIONS)
        raise MessageError(
            f"{shown(hello.program)} speaks protocol versions {theirs}, this program {ours}"
        )
    return version


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _int(digits: str) -> int:
    # int() of a long text takes quadratic time on Pythons before 3.11.
    if len(digits) > _DIGITS_AT_MOST:
        raise ValueError("a number of too many digits")
    return int(digits)


def _constant(name: str) -> float:
    raise ValueError(f"{name} is no number")


def _name(fields: Fields, key: str, limit: int = MAX_NAME) -> str:
    """One line of printable text, not empty."""
    value = fields.get(key)
    if not isinstance(value, str) or not 0 < len(value) <= limit or not value.isprintable():
        raise MessageError(f"a frame whose {key} is no printable text of 1 to {limit} characters")
    return value


def _text(fields: Fields, key: str, limit: int) -> str:
    """Text that may have lines and tabs, but no other control characters."""
    value = fields.get(key)
    try:
        if isinstance(value, str) and not _FORBIDDEN.search(value) and _size(value) <= limit:
            return value
    except UnicodeEncodeError as error:
        raise MessageError(f"a frame whose {key} has half a character") from error
    raise MessageError(f"a frame whose {key} is no plain text of at most {limit} bytes")


def _size(text: str) -> int:
    return len(_json(text).encode()) - len('""')


def _number(fields: Fields, key: str, lowest: int = 0) -> int:
    value = fields.get(key)
    if type(value) is not int or not lowest <= value <= MAX_NUMBER:
        raise MessageError(f"a frame whose {key} is no number from {lowest} on")
    return value


def _flag(fields: Fields, key: str) -> bool:
    value = fields.get(key, False)
    if not isinstance(value, bool):
        raise MessageError(f"a frame whose {key} is neither true nor false")
    return value


def _service(fields: Fields, key: str) -> str:
    value = fields.get(key)
    if not isinstance(value, str) or value not in SERVICES:
        raise MessageError(f"a frame whose {key} is none of {', '.join(SERVICES)}")
    return value


def _seconds(fields: Fields, key: str) -> float:
    value = fields.get(key)
    if type(value) not in (int, float) or not 0 < value <= MAX_SECONDS:  # type: ignore[operator]
        raise MessageError(f"a frame whose {key} is no number above 0 up to {MAX_SECONDS:.0f}")
    return float(value)  # type: ignore[arg-type]


def _versions(fields: Fields, key: str) -> tuple[int, int]:
    versions = fields.get(key)
    if (
        not isinstance(versions, list)
        or [type(each) for each in versions] != [int, int]
        or not 0 < versions[0] <= versions[1]
    ):
        raise MessageError(f"a hello whose {key} are no lowest and highest number")
    return versions[0], versions[1]


def _sender(fields: Fields, key: str) -> Sender:
    inner = fields.get(key)
    if not isinstance(inner, dict):
        raise MessageError("a request without a sender")
    return _read(Sender, inner)


# Each field of a message or a sender by its name, with what it may hold.
_CHECKS: Mapping[str, Callable[[Fields, str], object]] = {
    "versions": _versions,
    "program": partial(_name, limit=MAX_ID),
    "is_answer": _flag,
    "answers_echo": _flag,
    "service": _service,
    "id": partial(_name, limit=MAX_ID),
    "seconds": _seconds,
    "body": partial(_text, limit=MAX_BODY),
    "reason": partial(_text, limit=MAX_REASON),
    "route": _number,
    "sender": _sender,
    "text": partial(_text, limit=MAX_BODY),
    "is_last": _flag,
    "uuid": _name,
    "pid": partial(_number, lowest=1),
    "start_time": _number,
    "domain": _name,
    "resource": _name,
}
# The fields that have another name in JSON.
_KEYS = {"is_answer": "answer", "answers_echo": "echo", "is_last": "last"}
_TYPES: Mapping[type[Message], str] = {
    Hello: "hello",
    Request: "request",
    Reply: "reply",
    Unavailable: "unavailable",
    Echo: "echo",
    Forwarded: "request",
    Answer: "reply",
    Register: "register",
    Registered: "registered",
    Refused: "refused",
    StatusQuery: "status",
    Report: "report",
}


def _read(kind: Callable[..., Read], fields: Fields) -> Read:
    """kind: a message, or Sender; its fields are checked in their order."""
    names: tuple[str, ...] = kind._fields  # type: ignore[attr-defined]
    return kind(*(_CHECKS[name](fields, _KEYS.get(name, name)) for name in names))


def _guest_request(fields: Fields) -> Request:
    for forbidden in ("route", "sender"):
        if forbidden in fields:
            raise MessageError(f"a request that names a {forbidden}: only a host does")
    return _read(Request, fields)


def _expected(*kinds: type[Message]) -> Expected:
    made: dict[str, Callable[..., Message]] = {_TYPES[kind]: kind for kind in kinds}
    return {name: partial(_read, kind) for name, kind in made.items()}


# What each receiver takes, by who is at the other end.
FROM_GUEST: Expected = {**_expected(Hello, Echo), "request": _guest_request}
FROM_HOST = _expected(Hello, Reply, Unavailable, Echo)
FROM_CLIENT: Expected = {**_expected(Hello, StatusQuery), "request": _guest_request}
FROM_SERVER = _expected(Hello, Register, Answer, StatusQuery)
FROM_GUEST_CONNECTD = _expected(Hello, Reply, Unavailable, Refused)
FROM_HOST_CONNECTD = _expected(Hello, Registered, Forwarded, Refused)
FROM_CONNECTD_FOR_STATUS = _expected(Hello, Report, Refused)
