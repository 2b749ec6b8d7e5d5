# SPDX-License-Identifier: GPL-2.0-or-later
"""The messages of the channel, as typed values. How they are written is codec.py's affair."""

from __future__ import annotations

from typing import NamedTuple, Union

from pmkvm.version import VERSION

# The lowest and the highest version of the protocol that this program speaks.
VERSIONS = (1, 1)

SERVICES = ("stonith", "monitor")


class Hello(NamedTuple):
    """The first frame. is_answer: said because of the other end's hello (ports only).

    answers_echo: whoever sends it an echo gets one back.
    """

    versions: tuple[int, int]
    program: str
    is_answer: bool = False
    answers_echo: bool = False


class Request(NamedTuple):
    """A guest's question; seconds is the time left to answer it."""

    service: str
    id: str
    seconds: float
    body: str


class Reply(NamedTuple):
    service: str
    id: str
    body: str


class Unavailable(NamedTuple):
    """The request was not passed on to a server."""

    service: str
    id: str
    reason: str


class Echo(NamedTuple):
    """Are you there, and back: I am."""

    id: str


class Sender(NamedTuple):
    """Who asks, by the host's own knowledge: the QEMU process and the resource that it is."""

    uuid: str
    pid: int
    start_time: int
    domain: str
    resource: str


class Forwarded(NamedTuple):
    """A request as a server gets it; route must be in the answer."""

    route: int
    sender: Sender
    service: str
    id: str
    seconds: float
    body: str


class Answer(NamedTuple):
    """A server's reply."""

    route: int
    service: str
    id: str
    body: str


class Register(NamedTuple):
    service: str


class Registered(NamedTuple):
    service: str


class Refused(NamedTuple):
    """The last frame before vm-connectd ends a local connection."""

    reason: str


class StatusQuery(NamedTuple):
    """What does this vm-connectd know?"""


class Report(NamedTuple):
    """A part of the answer to that: the texts of all parts together are JSON."""

    text: str
    is_last: bool


Message = Union[
    Hello,
    Request,
    Reply,
    Unavailable,
    Echo,
    Forwarded,
    Answer,
    Register,
    Registered,
    Refused,
    StatusQuery,
    Report,
]


def own_hello(program: str, *, is_answer: bool = False, answers_echo: bool = False) -> Hello:
    return Hello(VERSIONS, f"{program} {VERSION}", is_answer, answers_echo)
