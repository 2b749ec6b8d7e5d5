# SPDX-License-Identifier: GPL-2.0-or-later
"""Messages to frames and back: protocol version 1 in JSON, and the only way in from it.

What a receiver expects is a table of types: everything else ends the connection. In no table
for frames from a guest is a message with a sender or a route.
"""

from __future__ import annotations

import json
import re

from pmkvm.wire import frame
from pmkvm.wire.errors import MessageError
from pmkvm.wire.message import (
    SERVICES,
    VERSIONS,
    Answer,
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
    fields = _FIELDS[type(message)](message)
    return frame.encode(_json(fields).encode())


def request(service: str, id: str, seconds: float, body: str) -> Request:  # noqa: A002 - its name
    """A request fit to be sent. Raises MessageError."""
    return _request({"service": service, "id": id, "seconds": seconds, "body": body})


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
        known = "not expected here" if kind in _NAMES else "unknown in version 1"
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


def _service(fields: Fields) -> str:
    value = fields.get("service")
    if not isinstance(value, str) or value not in SERVICES:
        raise MessageError(f"a frame whose service is none of {', '.join(SERVICES)}")
    return value


def _seconds(fields: Fields) -> float:
    value = fields.get("seconds")
    if type(value) not in (int, float) or not 0 < value <= MAX_SECONDS:  # type: ignore[operator]
        raise MessageError(f"a frame whose seconds is no number above 0 up to {MAX_SECONDS:.0f}")
    return float(value)  # type: ignore[arg-type]


def _hello(fields: Fields) -> Hello:
    versions = fields.get("versions")
    if (
        not isinstance(versions, list)
        or [type(each) for each in versions] != [int, int]
        or not 0 < versions[0] <= versions[1]
    ):
        raise MessageError("a hello whose versions are no lowest and highest number")
    return Hello(
        (versions[0], versions[1]), _name(fields, "program", MAX_ID), _flag(fields, "answer")
    )


def _request(fields: Fields) -> Request:
    return Request(
        _service(fields),
        _name(fields, "id", MAX_ID),
        _seconds(fields),
        _text(fields, "body", MAX_BODY),
    )


def _guest_request(fields: Fields) -> Request:
    for forbidden in ("route", "sender"):
        if forbidden in fields:
            raise MessageError(f"a request that names a {forbidden}: only a host does")
    return _request(fields)


def _reply(fields: Fields) -> Reply:
    return Reply(_service(fields), _name(fields, "id", MAX_ID), _text(fields, "body", MAX_BODY))


def _unavailable(fields: Fields) -> Unavailable:
    return Unavailable(
        _service(fields), _name(fields, "id", MAX_ID), _text(fields, "reason", MAX_REASON)
    )


def _sender(fields: Fields) -> Sender:
    inner = fields.get("sender")
    if not isinstance(inner, dict):
        raise MessageError("a request without a sender")
    return Sender(
        _name(inner, "uuid"),
        _number(inner, "pid", 1),
        _number(inner, "start_time"),
        _name(inner, "domain"),
        _name(inner, "resource"),
    )


def _forwarded(fields: Fields) -> Forwarded:
    return Forwarded(_number(fields, "route"), _sender(fields), *_request(fields))


def _answer(fields: Fields) -> Answer:
    return Answer(_number(fields, "route"), *_reply(fields))


def _register(fields: Fields) -> Register:
    return Register(_service(fields))


def _registered(fields: Fields) -> Registered:
    return Registered(_service(fields))


def _refused(fields: Fields) -> Refused:
    return Refused(_text(fields, "reason", MAX_REASON))


def _status_query(_fields: Fields) -> StatusQuery:
    return StatusQuery()


def _report(fields: Fields) -> Report:
    return Report(_text(fields, "text", MAX_BODY), _flag(fields, "last"))


# What each receiver takes, by who is at the other end.
FROM_GUEST: Expected = {"hello": _hello, "request": _guest_request}
FROM_HOST: Expected = {"hello": _hello, "reply": _reply, "unavailable": _unavailable}
FROM_CLIENT: Expected = {**FROM_GUEST, "status": _status_query}
FROM_SERVER: Expected = {
    "hello": _hello,
    "register": _register,
    "reply": _answer,
    "status": _status_query,
}
FROM_GUEST_CONNECTD: Expected = {**FROM_HOST, "refused": _refused}
FROM_HOST_CONNECTD: Expected = {
    "hello": _hello,
    "registered": _registered,
    "request": _forwarded,
    "refused": _refused,
}
FROM_CONNECTD_FOR_STATUS: Expected = {"hello": _hello, "report": _report, "refused": _refused}


def _plain(kind: str) -> Callable[..., dict[str, object]]:
    """Fields of the tuple's own names."""
    return lambda message: {"type": kind, **message._asdict()}


def _hello_fields(message: Hello) -> dict[str, object]:
    answer = {"answer": True} if message.is_answer else {}
    return {
        "type": "hello",
        "versions": list(message.versions),
        "program": message.program,
        **answer,
    }


def _forwarded_fields(message: Forwarded) -> dict[str, object]:
    return {"type": "request", **message._asdict(), "sender": message.sender._asdict()}


def _report_fields(message: Report) -> dict[str, object]:
    return {"type": "report", "text": message.text, "last": message.is_last}


_FIELDS: Mapping[type, Callable[..., dict[str, object]]] = {
    Hello: _hello_fields,
    Request: _plain("request"),
    Reply: _plain("reply"),
    Unavailable: _plain("unavailable"),
    Forwarded: _forwarded_fields,
    Answer: _plain("reply"),
    Register: _plain("register"),
    Registered: _plain("registered"),
    Refused: _plain("refused"),
    StatusQuery: _plain("status"),
    Report: _report_fields,
}
_NAMES = frozenset(
    {*FROM_CLIENT, *FROM_SERVER, *FROM_GUEST_CONNECTD, *FROM_HOST_CONNECTD, "report"}
)
