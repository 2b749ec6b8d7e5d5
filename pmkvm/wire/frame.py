# SPDX-License-Identifier: GPL-2.0-or-later
"""Bytes to frames and back: a 4-byte big-endian length and that much text. Does no I/O.

Holds at most one unfinished frame in memory, whatever the other end sends.
"""

from __future__ import annotations

from pmkvm.wire.errors import FrameError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

LENGTH_BYTES = 4
MAX_PAYLOAD = 65536

# Begins the speech of each end of a port anew. 0xff is in no UTF-8 text, and as part of a length
# it is followed by "{", so no stream of frames holds these bytes.
MARKER = b"\xffPMKVM1\xff"
_NEVER_IN_A_FRAME = MARKER[0]


def encode(payload: bytes) -> bytes:
    """The payload with its length before it. Raises FrameError if it is too long to be sent."""
    if not 0 < len(payload) <= MAX_PAYLOAD:
        raise FrameError(f"a frame of {len(payload)} bytes, of 1 to {MAX_PAYLOAD} allowed")
    return len(payload).to_bytes(LENGTH_BYTES, "big") + payload


class Decoder:
    """A stream that is whole from its first byte on, such as a unix socket's."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def held(self) -> int:
        """Bytes of an unfinished frame."""
        return len(self._buffer)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The payloads that are complete now, in order. To be iterated to its end.

        Raises FrameError behind the last good one; after that this decoder is of no use.
        """
        self._buffer += data
        while (length := _length(self._buffer)) is not None:
            end = LENGTH_BYTES + length
            if end > len(self._buffer):
                return
            payload = bytes(self._buffer[LENGTH_BYTES:end])
            del self._buffer[:end]
            yield payload


class PortDecoder:
    """A stream that may begin in mid-frame, and break off in one without a sign.

    That is what a virtio-serial port gives when its other end is replaced, by a restart or by a
    live migration. Everything before a MARKER is thrown away unless it is a complete frame of a
    speech that is known from its beginning.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.synchronised = False
        self.discarded = 0

    @property
    def held(self) -> int:
        """Bytes that wait for the rest of a frame or a MARKER."""
        return len(self._buffer)

    def lose(self) -> None:
        """Wait for the next MARKER, whatever comes before it."""
        self.synchronised = False

    def feed(self, data: bytes) -> Iterator[bytes | None]:
        """Payloads, and None where the other end begins anew. To be iterated to its end.

        Raises FrameError for what is neither a frame nor the remains of one; what is fed then is
        searched for the next MARKER.
        """
        self._buffer += data
        while True:
            at = self._buffer.find(MARKER)
            if self.synchronised:
                yield from self._payloads(len(self._buffer) if at < 0 else at)
                at = self._buffer.find(MARKER)
            if at < 0:
                break
            self._discard(at)
            del self._buffer[: len(MARKER)]
            self.synchronised = True
            yield None
        if not self.synchronised:
            self._discard(max(0, len(self._buffer) - len(MARKER) + 1))

    def _payloads(self, limit: int) -> Iterator[bytes]:
        """The complete frames that end at limit or before, taken out of the buffer."""
        while self.synchronised:
            try:
                length = _length(self._buffer)
            except FrameError:
                self.synchronised = False
                if _NEVER_IN_A_FRAME in self._buffer:
                    return
                raise
            if length is None or LENGTH_BYTES + length > limit:
                return
            end = LENGTH_BYTES + length
            payload = bytes(self._buffer[LENGTH_BYTES:end])
            if _NEVER_IN_A_FRAME in payload:
                # The beginning of a MARKER, perhaps, of which the rest is still to come.
                self.synchronised = False
                return
            del self._buffer[:end]
            limit -= end
            yield payload

    def _discard(self, count: int) -> None:
        self.discarded += count
        del self._buffer[:count]


def _length(buffer: bytearray) -> int | None:
    """The length of the payload at the buffer's beginning, None if it is not there yet."""
    if len(buffer) < LENGTH_BYTES:
        return None
    length = int.from_bytes(buffer[:LENGTH_BYTES], "big")
    if not 0 < length <= MAX_PAYLOAD:
        raise FrameError(f"a frame of {length} bytes, of 1 to {MAX_PAYLOAD} allowed")
    return length
