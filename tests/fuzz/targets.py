# SPDX-License-Identifier: GPL-2.0-or-later
"""What hostile bytes are tried on: each target takes any bytes and raises only if we are wrong.

A target that answers bytes with one of our own errors has done its duty; a text that goes to a
log must be one printable line.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Callable

from daemons.vm_stonithd.intake import requests, triple_des
from daemons.vm_stonithd.intake.grant import Grant, TokenError
from daemons.vm_stonithd.model import host_report
from daemons.vm_stonithd.model.facts import REFUSED
from pmkvm.fencing import ban as bans
from pmkvm.fencing import mute
from pmkvm.fencing.ban import BanError
from pmkvm.tokens import key_report, ring, seal
from pmkvm.tokens.ring import Ring, RingError, State
from pmkvm.tokens.seal import Content, SealError
from pmkvm.virt import presence
from pmkvm.wire import codec
from pmkvm.wire.errors import WireError
from pmkvm.wire.message import Forwarded
from pmkvm.wire.session import PortSession, Session
from tests.fuzz.routers import SENDER, Routers

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = ring.new_key(State.SEALS, bytes(range(32)))
RING = Ring((KEY,))
CONTENT = Content("hosts", "prmVMCTL_guest2", "uuid2", ("uuid1", "uuid2"), ("off", "reset"))
TOKEN = seal.seal(CONTENT, KEY, bytes(12))
FORM = triple_des.Form(b"vmstonith", is_cbc=False, digests=("md5", "sha256"))


def frames(data: bytes) -> None:
    """A port's and a socket's stream, in pieces of any size."""
    for made in (
        PortSession("fuzz", codec.FROM_GUEST),
        PortSession("fuzz", codec.FROM_HOST),
        Session("fuzz", codec.FROM_SERVER),
    ):
        with _ours(WireError):
            for piece in _pieces(data):
                for _event in made.feed(piece):
                    pass
                assert made.held <= 2 * 65540, "more is kept than two frames"
                made.take_answer()


def router(data: bytes) -> None:
    """Any order of events: each byte says which, of whom, and how much time has passed."""
    both = Routers()
    for byte in data:
        both.step(byte)


def tokens(data: bytes) -> None:
    """A guest's text, from its first word to what is allowed."""
    text = data.decode("utf-8", "replace")
    found = requests.split(text)
    requests.complaint(found)
    for token in (found.token, text, TOKEN[: len(text)] + text[: len(TOKEN)]):
        with _ours(SealError):
            assert seal.unseal(token, RING).content == CONTENT
    with _ours(TokenError):
        name = triple_des.decrypt(FORM, text)
        assert bans.check_id(name)
    if found.operation is not None:
        asked = Forwarded(1, SENDER, "stonith", text[:128] or "x", 1.0, text)
        grant = Grant(text[:20], text[20:30], None, None, text[30:])
        place = requests.Place("hosts", lambda _resource: text[20:30])
        made = requests.allowed(1, asked, found.operation, grant, place)
        assert made.refusal in ("", REFUSED)
        assert set(made.hash) <= set("0123456789abcdef")


def cluster(data: bytes) -> None:
    """What stands in attrd, in the CIB in a ban's place, and in a key file."""
    text = data.decode("utf-8", "replace")
    said = host_report.decode(text)
    if said is not None:
        host_report.decode(host_report.encode(said))
    key_report.parse(text)
    assert len(mute.encode(1795370042.0, mute.resources(text, 1795370042.0))) <= mute.LONGEST
    presence.word(text, CONTENT.uuid, 1795370042.0)
    with _ours(BanError):
        found = bans.find(text, "prmVMCTL_guest2")
        assert found is None or bans.check_id(found.resource)
    with _ours(RingError):
        ring.parse(text, "keys")


def _pieces(data: bytes) -> Iterator[bytes]:
    """The first byte says how long they are."""
    size = data[0] + 1 if data else 1
    for at in range(1, len(data), size):
        yield data[at : at + size]


class _ours(contextlib.AbstractContextManager[None]):
    """Passes over our own errors, if their text is fit for a log."""

    def __init__(self, *kinds: type[Exception]) -> None:
        self._kinds = kinds

    def __exit__(self, kind: object, error: BaseException | None, _traceback: object) -> bool:
        if not isinstance(error, self._kinds):
            return False
        assert str(error).isprintable(), repr(str(error))
        return True


TARGETS: dict[str, Callable[[bytes], None]] = {
    "frames": frames,
    "router": router,
    "tokens": tokens,
    "cluster": cluster,
}
SEEDS: dict[str, tuple[bytes, ...]] = {
    "frames": (
        b'\x40\xffPMKVM1\xff\x00\x00\x00\x2f{"type":"hello","versions":[1,1],"program":"x"}',
        b"\x40\xffPMKVM1\xff\x00\x00\x00\x3b"
        b'{"type":"hello","versions":[1,1],"program":"x","echo":true}'
        b'\x00\x00\x00\x19{"type":"echo","id":"12"}',
        b'\x10\x00\x00\x00\x02{}\xffPMKVM1\xff\xff\xff\xff\xff{"type":"request"}',
    ),
    "router": (bytes(range(0, 256, 3)), b"\x00\x20\x40\x60" * 8),
    "tokens": (
        f"reset {TOKEN}".encode(),
        b"off U2FsdGVkX1/np+ufQEZswWVy2jicZEbALptnPnY5ZCF1HDnwHWmwWQ==",
        b"status v2.3f9a01c2.12.AAAAAAAAAAAA",
    ),
    "cluster": (
        b"at=1795370042 mute=prmVMCTL_guest1,prm%20x more",
        b"at=1795370042.250 guests=0123abcd222233334444555555555555,uuid2 more",
        b"up=1.5; key=3f9a01c2 since=1 used=0; ban=9c41 dead saw=a,b for=c; done=9c41 ok g h t off",
        ring.to_text(RING).encode(),
    ),
}
