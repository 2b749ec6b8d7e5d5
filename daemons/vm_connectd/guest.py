# SPDX-License-Identifier: GPL-2.0-or-later
"""vm-connectd -t guest: local programs on one side, the port to the host on the other."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time

from daemons.vm_connectd.alarm import Alarm
from daemons.vm_connectd.guest_router import GuestRouter, ToClient
from daemons.vm_connectd.local import Local, LocalSocket
from daemons.vm_connectd.port import Port
from pmkvm.version import VERSION
from pmkvm.wire import codec
from pmkvm.wire.errors import WireError
from pmkvm.wire.message import Echo, Reply, Request, Unavailable
from pmkvm.wire.printable import shown
from pmkvm.wire.session import Opened, PortSession

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pmkvm.service.listener import Listener
    from pmkvm.service.loop import Service
    from pmkvm.wire.message import Message
    from pmkvm.wire.session import Event

log = logging.getLogger(__name__)

# Sessions that do not last are followed by pauses, twice as long each time.
PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0
GOOD_S = 10.0


class Guest:
    """The daemon in a guest."""

    def __init__(self, port_path: str) -> None:
        self._router: GuestRouter[Local] = GuestRouter()
        self._port = Port(port_path, self)
        self._session = PortSession("vm-connectd", codec.FROM_HOST, answers_echo=True)
        self._local = LocalSocket(self, codec.FROM_CLIENT)
        self._alarm = Alarm(self._tick)
        self._began = time.monotonic()
        self._opened_at = 0.0
        self._pause_s = 0.0
        self._pause: asyncio.TimerHandle | None = None
        self._last_error = ""

    async def start(self, service: Service, listener: Listener) -> None:
        service.supervise("the port", self._port.run())
        service.supervise("the local socket", listener.run(self._local.accept, service.ready))

    # --- from local programs

    def local_received(self, local: Local, message: Message) -> None:
        if isinstance(message, Request):
            self._deliver(self._router.requested(local, message, time.monotonic()))
            self._pump()

    def local_drained(self, local: Local) -> None:
        """Answers are few; none was held back."""

    def local_gone(self, local: Local) -> None:
        self._router.client_gone(local)

    # --- from the port

    def port_up(self) -> None:
        self._port.write(self._session.greeting())

    def port_received(self, data: bytes) -> None:
        try:
            for event in self._session.feed(data):
                answer = self._session.take_answer()
                if answer:
                    # What waits is for the end that was there before.
                    self._port.forget_unsent()
                    self._port.write(answer)
                self._received(event)
        except WireError as error:
            self._break_off(str(error))

    def port_drained(self) -> None:
        self._pump()

    def port_down(self, reason: str) -> None:
        log.info("port: %s", reason)
        self._session.close()
        self._closed()

    # --- inner

    def _received(self, event: Event) -> None:
        if isinstance(event, Opened):
            if event.is_new:
                log.info("host: %s, protocol version %d", shown(event.program), event.version)
                self._open_anew()
            else:
                self._pump()
        elif isinstance(event, (Reply, Unavailable)):
            self._deliver(self._router.answered(event))
            self._alarm.set(self._router.next_time())
        elif isinstance(event, Echo) and not self._port.is_busy:
            # What waits there already says that we live.
            self._port.write(codec.encode(event))

    def _open_anew(self) -> None:
        """Send everything again, but not to a host end that is a new one all the time."""
        now = time.monotonic()
        if now - self._opened_at < GOOD_S:
            self._pause_s = min(LONGEST_PAUSE_S, max(PAUSE_S, self._pause_s * 2))
        else:
            self._pause_s = 0.0
        self._opened_at = now
        self._closed()
        if self._pause_s:
            loop = asyncio.get_running_loop()
            self._pause = loop.call_later(self._pause_s, self._open_router)
        else:
            self._open_router()

    def _open_router(self) -> None:
        self._pause = None
        self._router.opened()
        self._pump()

    def _closed(self) -> None:
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
        self._router.closed()
        self._alarm.set(self._router.next_time())

    def _break_off(self, reason: str) -> None:
        """The host end makes no sense: begin anew, after a pause."""
        log.warning("host: session ended: %s", reason)
        self._last_error = reason
        self._session.close()
        self._closed()
        loop = asyncio.get_running_loop()
        loop.call_later(LONGEST_PAUSE_S, self._greet_again)

    def _greet_again(self) -> None:
        if self._port.is_up and self._session.opened is None:
            self._port.write(self._session.greeting())

    def _pump(self) -> None:
        while self._router.is_up and self._port.is_up and not self._port.is_busy:
            request = self._router.next_for_host(time.monotonic())
            if request is None:
                break
            self._port.write(codec.encode(request))
        self._alarm.set(self._router.next_time())

    def _deliver(self, actions: list[ToClient[Local]]) -> None:
        for action in actions:
            action.client.send(action.message)

    def _tick(self) -> None:
        self._deliver(self._router.tick(time.monotonic()))
        self._alarm.set(self._router.next_time())

    def status(self) -> str:
        opened = self._session.opened
        return json.dumps(
            {
                "program": f"vm-connectd {VERSION}",
                "type": "guest",
                "pid": os.getpid(),
                "up_seconds": round(time.monotonic() - self._began, 1),
                "port": self._port.path,
                "port_error": self._port.last_error,
                "is_host_connected": self._port.is_up,
                "host_program": None if opened is None else opened.program,
                "unsent_bytes": self._port.unsent,
                "discarded_bytes": self._session.discarded,
                "outstanding": self._router.outstanding,
                "sent_again": self._router.sent_again,
                "stray_answers": self._router.stray_answers,
                "local_connections": len(self._local),
                "last_error": self._last_error,
            }
        )
