# SPDX-License-Identifier: GPL-2.0-or-later
"""Who begins, what version, what may come when; and how both ends of a port find each other."""

from __future__ import annotations

import pytest

from pmkvm.wire import codec
from pmkvm.wire.errors import MessageError
from pmkvm.wire.frame import MARKER
from pmkvm.wire.message import Hello, Reply, Request
from pmkvm.wire.session import Event, Opened, PortSession, Session

REQUEST = Request("stonith", "i", 9.0, "reset T")
REPLY = Reply("stonith", "i", "OK")


def local() -> Session:
    return Session("vm-connectd", codec.FROM_CLIENT)


def test_a_session_begins_with_hellos() -> None:
    session = local()
    peer = Session("vm-connect", codec.FROM_GUEST_CONNECTD)
    events = list(session.feed(peer.greeting() + codec.encode(REQUEST)))
    assert events == [Opened(1, "vm-connect 2.0.0", is_new=True), REQUEST]
    assert session.take_answer() == b""


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (codec.encode(REQUEST), "before the hello"),
        (local().greeting() * 2, "two hellos"),
        (codec.encode(Hello((2, 2), "x")), "speaks protocol versions"),
    ],
)
def test_a_session_that_begins_otherwise_ends(data: bytes, complaint: str) -> None:
    with pytest.raises(MessageError, match=complaint):
        list(local().feed(data))


class End:
    """One end of a port and all it heard; what it says lies in wire until the other is fed."""

    def __init__(self, expected: codec.Expected) -> None:
        self.session = PortSession("end", expected)
        self.heard: list[Event] = []
        self.wire = b""

    def connect(self) -> None:
        self.wire += self.session.greeting()

    def take(self, data: bytes) -> None:
        for event in self.session.feed(data):
            self.heard.append(event)
            self.wire += self.session.take_answer()


def exchange(one: End, other: End) -> None:
    """Until nobody says anything any more."""
    for _ in range(10):
        if not one.wire and not other.wire:
            return
        said, one.wire = one.wire, b""
        other.take(said)
        said, other.wire = other.wire, b""
        one.take(said)
    raise AssertionError("they greet each other for ever")


@pytest.mark.parametrize("first", ["host", "guest", "both"])
def test_the_ends_of_a_port_open_once_whoever_comes_first(first: str) -> None:
    host, guest = End(codec.FROM_GUEST), End(codec.FROM_HOST)
    if first in ("host", "both"):
        host.connect()
    if first in ("guest", "both"):
        guest.connect()
    exchange(host, guest)
    for end in (host, guest):
        assert [e for e in end.heard if isinstance(e, Opened) and e.is_new], first
        assert end.session.opened is not None
    guest.wire = codec.encode(REQUEST)
    host.wire = codec.encode(REPLY)
    exchange(host, guest)
    assert host.heard[-1] == REQUEST
    assert guest.heard[-1] == REPLY


def test_a_new_host_end_is_noticed_in_the_middle_of_the_old_ones_frame() -> None:
    """A restart of the host's daemon so quick that the guest sees no hang-up."""
    host, guest = End(codec.FROM_GUEST), End(codec.FROM_HOST)
    host.connect()
    exchange(host, guest)
    guest.take(codec.encode(REPLY)[:-3])
    half_frame_of_the_guest = codec.encode(REQUEST)[5:]
    host = End(codec.FROM_GUEST)
    host.connect()
    host.take(half_frame_of_the_guest)
    exchange(host, guest)
    assert isinstance(guest.heard[-1], Opened)
    assert guest.heard[-1].is_new
    guest.wire = codec.encode(REQUEST)
    exchange(host, guest)
    assert host.heard[-1] == REQUEST
    assert host.session.discarded == len(half_frame_of_the_guest)


def test_an_answering_hello_is_no_new_session_for_one_that_is_open() -> None:
    guest = End(codec.FROM_HOST)
    guest.connect()
    hello = PortSession("host", codec.FROM_GUEST)
    guest.take(hello.greeting())
    guest.take(MARKER + codec.encode(Hello((1, 1), "host", is_answer=True)))
    assert [event.is_new for event in guest.heard if isinstance(event, Opened)] == [True, False]


def test_each_hello_of_an_end_says_whether_it_answers_echoes() -> None:
    host, guest = End(codec.FROM_GUEST), End(codec.FROM_HOST)
    guest.session = PortSession("guest", codec.FROM_HOST, answers_echo=True)
    host.connect()
    guest.connect()
    exchange(host, guest)
    heard = [event.answers_echo for event in host.heard if isinstance(event, Opened)]
    assert heard
    assert all(heard)
    assert not any(event.answers_echo for event in guest.heard if isinstance(event, Opened))


def test_a_frame_outside_a_session_and_a_marker_without_hello_end_it() -> None:
    with pytest.raises(MessageError, match="not expected"):
        list(PortSession("x", codec.FROM_GUEST).feed(MARKER + codec.encode(REQUEST)))
    session = PortSession("x", codec.FROM_GUEST)
    assert list(session.feed(codec.encode(REQUEST))) == []
    assert not session.is_lost


def test_sense_that_ends_without_an_error_is_seen() -> None:
    host, guest = End(codec.FROM_GUEST), End(codec.FROM_HOST)
    host.connect()
    exchange(host, guest)
    host.take(b"\xff\xff\xff\xff garbage")
    assert host.session.is_lost
    guest.connect()
    exchange(host, guest)
    assert not host.session.is_lost
