# SPDX-License-Identifier: GPL-2.0-or-later
"""Frames out of any bytes: whole streams, broken ones, and those of a port that changes hands."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pmkvm.wire import frame
from pmkvm.wire.errors import FrameError
from pmkvm.wire.frame import MARKER, MAX_PAYLOAD, Decoder, PortDecoder

FEW = settings(max_examples=60, deadline=None)
PAYLOADS = st.lists(st.text("{\u00e9\u2603 ", min_size=1, max_size=300).map(str.encode), max_size=6)
CUTS = st.lists(st.integers(1, 40), min_size=1, max_size=30)


def pieces(stream: bytes, cuts: list[int]) -> list[bytes]:
    """The stream in pieces of these sizes, over and over."""
    parts: list[bytes] = []
    at = 0
    while at < len(stream):
        size = cuts[len(parts) % len(cuts)]
        parts.append(stream[at : at + size])
        at += size
    return parts


@FEW
@given(PAYLOADS, CUTS)
def test_frames_come_out_as_they_went_in_however_they_are_split(  # L3
    payloads: list[bytes], cuts: list[int]
) -> None:
    decoder = Decoder()
    stream = b"".join(frame.encode(each) for each in payloads)
    out = [payload for piece in pieces(stream, cuts) for payload in decoder.feed(piece)]
    assert out == payloads
    assert decoder.held == 0


@pytest.mark.parametrize("length", [0, MAX_PAYLOAD + 1, 0x7FFFFFFF, 0xFFFFFFFF])  # S3, S15
def test_a_length_out_of_bounds_ends_the_stream_before_anything_is_kept(length: int) -> None:
    decoder = Decoder()
    stream = decoder.feed(frame.encode(b"{}") + length.to_bytes(4, "big"))
    assert next(stream) == b"{}"
    with pytest.raises(FrameError, match=str(length)):
        next(stream)
    assert decoder.held == 4


def test_the_longest_frame_passes_and_a_longer_one_is_not_made() -> None:
    longest = b"x" * MAX_PAYLOAD
    assert list(Decoder().feed(frame.encode(longest))) == [longest]
    with pytest.raises(FrameError):
        frame.encode(longest + b"x")
    with pytest.raises(FrameError):
        frame.encode(b"")


def read(decoder: PortDecoder, stream: bytes, cuts: list[int]) -> list[bytes | None]:
    return [each for piece in pieces(stream, cuts) for each in decoder.feed(piece)]


@FEW
@given(PAYLOADS, st.binary(max_size=200), CUTS)
def test_a_port_is_understood_from_the_marker_on_whatever_came_before(
    payloads: list[bytes], before: bytes, cuts: list[int]
) -> None:
    decoder = PortDecoder()
    stream = before + MARKER + b"".join(frame.encode(each) for each in payloads)
    assert read(decoder, stream, cuts)[-len(payloads) - 1 :] == [None, *payloads]
    assert decoder.synchronised


@FEW
@given(PAYLOADS, PAYLOADS, st.integers(0, 10_000), CUTS)
def test_a_speech_that_breaks_off_anywhere_does_not_disturb_the_next(
    first: list[bytes], second: list[bytes], broken_at: int, cuts: list[int]
) -> None:
    old = b"".join(frame.encode(each) for each in first)
    old = old[: broken_at % (len(old) + 1)]
    new = b"".join(frame.encode(each) for each in second)
    out = read(PortDecoder(), MARKER + old + MARKER + new, cuts)
    complete = list(Decoder().feed(old))
    assert out == [None, *complete, None, *second]


@FEW
@given(st.binary(max_size=400), PAYLOADS, CUTS)
def test_any_garbage_in_a_speech_is_an_error_or_is_waited_out(
    garbage: bytes, payloads: list[bytes], cuts: list[int]
) -> None:
    """Garbage may look like the beginning of a frame; the next marker ends that, too."""
    decoder = PortDecoder()
    out: list[bytes | None] = []
    new = MARKER + b"".join(frame.encode(each) for each in payloads)
    for piece in (*pieces(MARKER + garbage, cuts), *pieces(new, cuts)):
        try:
            out += list(decoder.feed(piece))
        except FrameError:
            assert not decoder.synchronised
    assert out[len(out) - len(payloads) - 1 :] == [None, *payloads]


def test_garbage_without_end_is_not_kept() -> None:
    decoder = PortDecoder()
    for _ in range(100):
        assert list(decoder.feed(b"\xff" * 65536)) == []
        assert decoder.held < len(MARKER)
    assert decoder.discarded > 6_000_000


def test_no_frame_holds_a_marker() -> None:
    with pytest.raises(UnicodeDecodeError):
        MARKER.decode()
    assert all(MARKER not in frame.encode(b"{" * length) for length in (0xFF, 0xFF50, MAX_PAYLOAD))
