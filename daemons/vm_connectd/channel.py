# SPDX-License-Identifier: GPL-2.0-or-later
"""The connection to one guest's socket: made, stamped, read, and made again when it ends."""

from __future__ import annotations

import asyncio
import logging
import time

from daemons.vm_connectd import limits, reach, speaker
from daemons.vm_connectd.pulse import Pulse
from pmkvm.errors import reason_of
from pmkvm.service.bucket import Bucket, Quota
from pmkvm.wire import codec, stream
from pmkvm.wire.message import Echo, Request, Sender
from pmkvm.wire.printable import shown
from pmkvm.wire.session import Opened, PortSession
from pmkvm.wire.stream import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence
    from typing import Protocol

    from daemons.vm_connectd.roster import Target
    from pmkvm.wire.message import Message
    from pmkvm.wire.session import Event
    from pmkvm.wire.stream import Turn

    class Hub(Protocol):
        """What a channel tells of its guest."""

        def guest_joined(self, channel: Channel, sender: Sender) -> None: ...
        def guest_begins_anew(self, channel: Channel) -> None: ...
        def guest_requested(self, channel: Channel, request: Request) -> None: ...
        def guest_gone(self, channel: Channel) -> None: ...


log = logging.getLogger(__name__)

PROGRAM = "vm-connectd"

# The socket appears a moment before QEMU listens on it: refused is not for ever (L4).
RETRY_S = 0.05
LONGEST_RETRY_S = 2.0
ACCEPT_S = 10.0
ACCEPT_POLL_S = 0.05
# A guest whose connection was ended for what it said waits longer each time.
PENALTY_S = 1.0
LONGEST_PENALTY_S = 60.0
STRANGER_RETRY_S = 5.0
# A connection that lasted so long begins without debts.
GOOD_S = 60.0


class Channel:
    """One target's channel. run() ends when it is retired, else by being cancelled."""

    def __init__(
        self, target: Target, directories: Sequence[str], hub: Hub, turn: Turn | None = None
    ) -> None:
        """directories: where its socket may be. turn: does what it is given when this guest is
        due."""
        self.target = target
        self._directories = directories
        self._turn = turn
        self.sender: Sender | None = None
        self.stream: Stream | None = None
        # None until the guest's vm-connectd has said hello.
        self.opened: Opened | None = None
        self.connected_at = 0.0
        self.last_error = ""
        self.pulse = Pulse(0.0)
        self._echoes = 0
        self._hub = hub
        self._ended = asyncio.Event()
        self._is_retired = False
        self._penalty_s = 0.0
        self._quota = Quota(time.monotonic())
        self._frames = self._greetings = Bucket(0.0, 0.0, 0.0)

    async def run(self) -> None:
        retry_s = RETRY_S
        while not self._is_retired:
            self._ended.clear()
            try:
                await self._connect()
            except speaker.StrangerError as error:
                self._note(str(error))
                retry_s = STRANGER_RETRY_S
            except (OSError, MemoryError) as error:
                self.stream = self.sender = None
                self._note(f"its socket: {reason_of(error)}", logging.INFO)
                retry_s = min(LONGEST_RETRY_S, retry_s * 2)
            else:
                await self._ended.wait()
                retry_s = max(RETRY_S, self._penalty_s)
            if not self._is_retired:
                await asyncio.sleep(retry_s)

    def send(self, message: Message) -> None:
        if self.stream is not None:
            self.stream.send(message)

    def look(self, now: float) -> None:
        """At its pulse, each pulse.LOOK_S."""
        was_mute = self.is_mute
        if self.stream is not None and self.pulse.look(now):
            self._ask()
        if self.is_mute and not was_mute:
            # Where nobody has greeted yet vm-connectd may not be installed.
            level = logging.INFO if self.opened is None else logging.WARNING
            self._log(
                level, f"silent for {self.pulse.quiet_s(now):.0f} s: it can't ask for a fence"
            )

    @property
    def is_mute(self) -> bool:
        return self.stream is not None and self.pulse.is_mute

    def retire(self, reason: str, *, at_once: bool) -> None:
        """Connect no more; at once, or when the other end closes."""
        self._is_retired = True
        if at_once and self.stream is not None:
            self.stream.end(reason)

    def keep(self) -> None:
        """It was retired too early, or not at all."""
        self._is_retired = False

    def __str__(self) -> str:
        return f"guest {shown(self.target.resource)} (domain {shown(self.target.domain)})"

    # --- called by the stream

    def received(self, event: Event) -> None:
        now = time.monotonic()
        if not self._frames.take(now):
            self._end(f"more than {limits.FRAMES_PER_S:.0f} frames a second")
            return
        self._heard(now)
        if isinstance(event, Opened):
            if self._greetings.take(now):
                self._greeted(event)
            else:
                self._end("it begins anew again and again")
        elif isinstance(event, Request):
            self._hub.guest_requested(self, event)

    def drained(self) -> None:
        """Reading has gone on; nothing was held back for it."""

    def lost(self, reason: str) -> None:
        lasted_s = time.monotonic() - self.connected_at
        if self.stream and self.stream.was_ended and not self._is_retired:
            doubled = self._penalty_s * 2 if lasted_s < GOOD_S else 0.0
            self._penalty_s = min(LONGEST_PENALTY_S, max(PENALTY_S, doubled))
            self._log(logging.WARNING, f"connection ended: {reason}")
            self.last_error = reason
        else:
            self._penalty_s = 0.0
            self._log(logging.INFO, f"connection ended: {reason}")
        self.stream = self.sender = self.opened = None
        self._hub.guest_gone(self)
        self._ended.set()

    # --- inner

    def _greeted(self, event: Opened) -> None:
        if self.opened is None and self.sender is not None:
            self._hub.guest_joined(self, self.sender)
        self.opened = event
        self.pulse.greeted(answers_echo=event.answers_echo)
        if event.is_new:
            told = f"{shown(event.program)}, protocol version {event.version}"
            self._log(logging.INFO, told)
            self._hub.guest_begins_anew(self)
        if event.answers_echo:
            self._ask()

    def _ask(self) -> None:
        self._echoes += 1
        self.pulse.asked()
        self.send(Echo(str(self._echoes)))

    def _heard(self, now: float) -> None:
        if self.pulse.is_mute:
            self._log(logging.INFO, "it is heard again")
        self.pulse.heard(now)

    def _end(self, reason: str) -> None:
        if self.stream is not None:
            self.stream.end(reason)

    async def _connect(self) -> None:
        connection = reach.connect(self.target.path, self._directories)
        try:
            sender = await self._identified(connection)
            await stream.carry(connection, self._make(sender))
        except BaseException:
            connection.close()
            raise

    async def _identified(self, connection: socket.socket) -> Sender:
        """Older kernels can't tell before QEMU has accepted, as it does when it has time."""
        loop = asyncio.get_running_loop()
        end = loop.time() + ACCEPT_S
        while True:
            try:
                return speaker.identify(connection, self.target)
            except BlockingIOError:
                if loop.time() >= end:
                    raise
            await asyncio.sleep(ACCEPT_POLL_S)

    def _make(self, sender: Sender) -> Stream:
        self.sender = sender
        self.connected_at = time.monotonic()
        self.last_error = ""
        now = self.connected_at
        self.pulse = Pulse(now)
        bucket = Bucket(limits.READ_BYTES_PER_S, limits.READ_BYTES_BURST, now)
        self._frames = Bucket(limits.FRAMES_PER_S, limits.FRAMES_BURST, now)
        self._greetings = Bucket(limits.GREETINGS_PER_S, limits.GREETINGS_BURST, now)

        def meter(count: int) -> float:
            return bucket.take_anyway(max(count, limits.READ_LEAST_BYTES), time.monotonic())

        self.stream = Stream(
            PortSession(PROGRAM, codec.FROM_GUEST), self, meter=meter, turn=self._turn
        )
        self._log(logging.INFO, f"connected to QEMU {sender.pid}, uuid {sender.uuid}")
        return self.stream

    def _note(self, reason: str, level: int = logging.WARNING) -> None:
        """Say it once, not at every try."""
        if reason != self.last_error:
            self._log(level, reason)
        self.last_error = reason

    def _log(self, level: int, text: str) -> None:
        told = self._quota.take(time.monotonic())
        if told is not None:
            log.log(level, "%s: %s%s", self, text, told)
