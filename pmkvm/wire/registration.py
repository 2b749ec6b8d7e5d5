# SPDX-License-Identifier: GPL-2.0-or-later
"""A server's standing registration with its host's vm-connectd, for vm-stonithd and vm-managerd.

vm-connectd may come and go: the registration is made again, and what is unanswered comes again.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Callable

from pmkvm.errors import reason_of
from pmkvm.wire import codec, stream
from pmkvm.wire.errors import FrameError
from pmkvm.wire.message import Answer, Forwarded, Refused, Register, Registered
from pmkvm.wire.session import Event, Opened, Session
from pmkvm.wire.stream import Stream

log = logging.getLogger(__name__)

RETRY_S = 0.1
LONGEST_RETRY_S = 2.0
# How long vm-connectd may take to register us. Whatever has become of our words, they are said
# again then.
REGISTER_S = 10.0


class Registration:
    """Serves one service as long as run() runs.

    on_request is called in the loop for each request, and again for one that is sent again:
    by its sender and its id the server knows it.
    """

    def __init__(
        self,
        service: str,
        on_request: Callable[[Forwarded], None],
        *,
        program: str,
        path: str,
    ) -> None:
        self.service = service
        self.is_registered = False
        # Why not, for the server's --status.
        self.reason = "not tried yet"
        self._on_request = on_request
        self._program = program
        self._path = path
        self._stream: Stream | None = None
        self._ended = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled."""
        retry_s = RETRY_S
        while True:
            self._ended = asyncio.Event()
            try:
                await stream.connect(self._path, self._make)
                await self._until_ended()
            except (OSError, MemoryError) as error:
                self._note(f"{self._path}: {reason_of(error)}")
            finally:
                if self._stream is not None:
                    self._stream.end("the server ends")
            retry_s = RETRY_S if self.is_registered else min(LONGEST_RETRY_S, retry_s * 2)
            self.is_registered = False
            await asyncio.sleep(retry_s)

    async def _until_ended(self) -> None:
        """Or until it is plain that this connection is of no use."""
        while not self._ended.is_set():
            try:
                await asyncio.wait_for(self._ended.wait(), REGISTER_S)
            except asyncio.TimeoutError:
                if not self.is_registered:
                    self._note(f"vm-connectd has not registered us in {REGISTER_S:.0f} s")
                    return

    def reply(self, request: Forwarded, body: str) -> bool:
        """Answer; False if vm-connectd is away: the guest sends the request again then."""
        if self._stream is None or not self._stream.is_open or not self.is_registered:
            return False
        try:
            self._stream.send(Answer(request.route, request.service, request.id, body))
        except FrameError as error:
            log.error("a reply to %s can't be sent: %s", request.sender.resource, error)
            return False
        return True

    # --- called by the stream

    def received(self, event: Event) -> None:
        if self._stream is None:
            return
        if isinstance(event, Opened):
            self._stream.send(Register(self.service))
        elif isinstance(event, Registered):
            self.is_registered = True
            self.reason = ""
            log.info("registered with vm-connectd as %s", self.service)
        elif isinstance(event, Forwarded) and event.service == self.service:
            self._on_request(event)
        elif isinstance(event, Refused):
            self._stream.end(f"vm-connectd refuses: {event.reason}")

    def drained(self) -> None:
        """Replies are small; nothing waits for that."""

    def lost(self, reason: str) -> None:
        self._note(reason)
        self._stream = None
        self._ended.set()

    def _make(self) -> Stream:
        self._stream = Stream(Session(self._program, codec.FROM_HOST_CONNECTD), self)
        return self._stream

    def _note(self, reason: str) -> None:
        if reason != self.reason:
            log.warning("not registered with vm-connectd as %s: %s", self.service, reason)
        self.reason = reason
