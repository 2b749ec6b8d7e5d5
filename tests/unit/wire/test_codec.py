# SPDX-License-Identifier: GPL-2.0-or-later
"""Messages in and out of JSON, and everything that is none."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pmkvm.wire import codec
from pmkvm.wire.errors import MessageError
from pmkvm.wire.frame import Decoder
from pmkvm.wire.message import (
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

SENDER = Sender("5e1f", 12, 3456, "guest1", "prmVMCTL_guest1")
GOOD = {"type": "request", "service": "stonith", "id": "i", "seconds": 9.5, "body": "reset T"}


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (Hello((1, 1), "a 1.0"), codec.FROM_GUEST),
        (Hello((1, 3), "a 1.0", is_answer=True), codec.FROM_HOST),
        (Hello((1, 1), "a 1.0", answers_echo=True), codec.FROM_GUEST),
        (Hello((1, 1), "a 1.0", is_answer=True, answers_echo=True), codec.FROM_GUEST),
        (Echo("17"), codec.FROM_GUEST),
        (Echo("17"), codec.FROM_HOST),
        (Request("stonith", "i", 1.5, "reset T"), codec.FROM_GUEST),
        (Request("monitor", "i", 1.0, 'a\tb\n"c"\\ \u2603'), codec.FROM_CLIENT),
        (Reply("stonith", "i", "OK"), codec.FROM_HOST),
        (Reply("stonith", "i", ""), codec.FROM_GUEST_CONNECTD),
        (Unavailable("stonith", "i", "no server"), codec.FROM_HOST),
        (Forwarded(7, SENDER, "stonith", "i", 1.5, "reset T"), codec.FROM_HOST_CONNECTD),
        (Answer(7, "stonith", "i", "OK"), codec.FROM_SERVER),
        (Register("stonith"), codec.FROM_SERVER),
        (Registered("stonith"), codec.FROM_HOST_CONNECTD),
        (Refused("no"), codec.FROM_HOST_CONNECTD),
        (StatusQuery(), codec.FROM_CLIENT),
        (Report("{", is_last=False), codec.FROM_CONNECTD_FOR_STATUS),
    ],
)
def test_a_message_comes_out_as_it_went_in(message: Message, expected: codec.Expected) -> None:
    (payload,) = Decoder().feed(codec.encode(message))
    assert codec.parse(payload, expected) == message


def changed(**fields: object) -> bytes:
    return json.dumps({k: v for k, v in {**GOOD, **fields}.items() if v is not None}).encode()


@pytest.mark.parametrize(
    ("payload", "complaint"),
    [
        (b"", "no JSON"),
        (b"\x00", "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (b"[]", "no JSON object"),
        (b'"request"', "no JSON object"),
        (b"[" * 60000, "no JSON"),
        (b'{"a":' * 10000, "no JSON"),
        (b"9" * 60000, "no JSON"),
        (b'{"type":"request","seconds":NaN}', "no JSON"),
        (b'{"type":"request","seconds":-Infinity}', "no JSON"),
        (b"{}", "without a type"),
        (changed(type=1), "without a type"),
        (changed(type=["request"]), "without a type"),
        (changed(type="migrated"), "unknown in version 1"),
        (changed(type="x\x1b[2J"), r"\\x1b"),
        (changed(type="register"), "not expected here"),  # S5
        (changed(type="reply", route=1), "not expected here"),  # S6
        (changed(route=1), "names a route"),  # S6
        (changed(sender=None)[:-1] + b',"sender":null}', "names a sender"),  # S7
        (changed(service="stonithd"), "service is none of"),  # S4
        (changed(service=1), "service is none of"),
        (changed(service=["stonith"]), "service is none of"),
        (changed(id=None), "id is no printable"),
        (changed(id=""), "id is no printable"),
        (changed(id=7), "id is no printable"),
        (changed(id="x" * 129), "id is no printable"),
        (changed(id="a\nb"), "id is no printable"),
        (changed(id="a\x00b"), "id is no printable"),  # S15
        (changed(id="a\u202eb"), "id is no printable"),
        (changed(id="\ud800"), "id is no printable"),
        (changed(seconds=None), "seconds is no number"),
        (changed(seconds=0), "seconds is no number"),
        (changed(seconds=-1), "seconds is no number"),
        (changed(seconds=3600.1), "seconds is no number"),
        (changed(seconds=True), "seconds is no number"),
        (changed(seconds="5"), "seconds is no number"),
        (changed(seconds=1e400).replace(b"Infinity", b"1e400"), "seconds is no number"),
        (changed(body=None), "body is no plain text"),
        (changed(body="x" * 32769), "body is no plain text"),
        (changed(body='"' * 20000), "body is no plain text"),
        (changed(body="a\x00"), "body is no plain text"),
        (changed(body="a\x1b[2J"), "body is no plain text"),
        (changed(body="\udc80"), "half a character"),
        (b'{"type":"hello","program":"x"}', "versions"),
        (b'{"type":"hello","program":"x","versions":[2,1]}', "versions"),
        (b'{"type":"hello","program":"x","versions":[0,1]}', "versions"),
        (b'{"type":"hello","program":"x","versions":[true,true]}', "versions"),
        (b'{"type":"hello","program":"x","versions":[1,1,1]}', "versions"),
        (b'{"type":"hello","program":"","versions":[1,1]}', "program"),
        (b'{"type":"hello","program":"x","versions":[1,1],"answer":1}', "answer"),
        (b'{"type":"hello","program":"x","versions":[1,1],"echo":"yes"}', "echo"),
        (b'{"type":"hello","program":"x","versions":[1,1],"echo":null}', "echo"),
        (b'{"type":"echo"}', "id is no printable"),
        (b'{"type":"echo","id":1}', "id is no printable"),
        (b'{"type":"echo","id":"a\\nb"}', "id is no printable"),
    ],
)
def test_what_is_no_message_from_a_guest_says_so_in_one_short_line(
    payload: bytes, complaint: str
) -> None:
    with pytest.raises(MessageError, match=complaint) as raised:
        codec.parse(payload, codec.FROM_GUEST)
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 120


def test_no_local_program_asks_for_an_echo() -> None:
    for expected in (codec.FROM_CLIENT, codec.FROM_SERVER, codec.FROM_HOST_CONNECTD):
        with pytest.raises(MessageError, match='type "echo", not expected here'):
            codec.parse(b'{"type":"echo","id":"1"}', expected)


def test_a_flag_that_is_false_is_not_sent() -> None:
    """A release that does not know it hears the same frame as ever."""
    assert b"echo" not in codec.encode(Hello((1, 1), "a 1.0"))
    assert b"answer" not in codec.encode(Hello((1, 1), "a 1.0", answers_echo=True))


def test_fields_of_a_later_release_are_passed_over() -> None:
    assert codec.parse(changed(priority=3), codec.FROM_GUEST) == Request(
        "stonith", "i", 9.5, "reset T"
    )


@pytest.mark.parametrize(
    ("versions", "common"), [((1, 1), 1), ((1, 2), 1), ((1, 9), 1), ((2, 3), 0)]
)
def test_the_highest_common_version_is_spoken(versions: tuple[int, int], common: int) -> None:
    hello = Hello(versions, "later 3.0")
    if common:
        assert codec.common_version(hello) == common
    else:
        with pytest.raises(MessageError, match=r'"later 3.0" speaks protocol versions 2..3'):
            codec.common_version(hello)


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(), max_size=40) | st.sampled_from(['"' * 16384, "\u2603" * 10922]))
def test_what_a_guest_may_send_can_be_forwarded(body: str) -> None:
    """A host that could not encode it would be brought down by a guest."""
    try:
        request = codec.request("stonith", "\U0001f600" * 128, 1.0, body)
    except MessageError:
        return
    name = "\U0001f600" * codec.MAX_NAME
    sender = Sender(name, codec.MAX_NUMBER, codec.MAX_NUMBER, name, name)
    codec.encode(request)
    codec.encode(Forwarded(codec.MAX_NUMBER, sender, *request))
    codec.encode(Reply("stonith", request.id, body))


@settings(max_examples=50, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from([*GOOD, "versions", "program"]), inner)
        ),
    )
)
def test_no_json_does_more_than_be_refused(value: object) -> None:
    payload = json.dumps(value).encode()
    for expected in (codec.FROM_GUEST, codec.FROM_SERVER, codec.FROM_HOST_CONNECTD):
        try:
            codec.parse(payload, expected)
        except MessageError:
            continue


def test_foreign_text_is_shown_bounded_and_harmless() -> None:
    assert shown("abc") == '"abc"'
    assert shown('a"\n\x1b\u202e') == '"a\\x22\\x0a\\x1b\\u{202e}"'
    assert shown("x" * 1000, 5) == '"xxxxx"...'
