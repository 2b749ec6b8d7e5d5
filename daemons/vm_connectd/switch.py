# SPDX-License-Identifier: GPL-2.0-or-later
"""The host's router at work: channels to guests on one side, local servers on the other."""

from __future__ import annotations

import logging
import os
import time

from daemons.vm_connectd.alarm import Alarm
from daemons.vm_connectd.host_router import HostRouter, ToGuest
from pmkvm.wire.message import SERVICES, Answer, Register, Registered

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

    from daemons.vm_connectd.channel import Channel
    from daemons.vm_connectd.local import Local
    from pmkvm.wire.message import Message, Request, Sender

log = logging.getLogger(__name__)

# Of the first route: another one in each run, and room for all that follow.
_ROUTE_BITS = 6
_ROUTE_SHIFT = 32
# A guest's floods are in the log once in so many seconds.
TOO_MANY_LOG_S = 60.0


class Switch:
    """Carries out what the router decides."""

    def __init__(self, status: Callable[[], str]) -> None:
        first = int.from_bytes(os.urandom(_ROUTE_BITS), "big") % 2**20
        self.router: HostRouter[Channel, Local] = HostRouter(first << _ROUTE_SHIFT)
        self.status = status
        self._alarm = Alarm(self._tick)
        self._flood_logged: dict[str, float] = {}

    # --- from channels

    def guest_joined(self, channel: Channel, sender: Sender) -> None:
        self.router.guest_joined(channel, sender, time.monotonic())

    def guest_begins_anew(self, channel: Channel) -> None:
        self.router.guest_begins_anew(channel)

    def guest_gone(self, channel: Channel) -> None:
        self.router.guest_gone(channel)

    def guest_requested(self, channel: Channel, request: Request) -> None:
        refusals = self.router.requested(channel, request, time.monotonic())
        if refusals:
            self._log_flood(channel, refusals[0])
        self._deliver(refusals)
        self._pump(request.service)

    # --- from local programs

    def local_received(self, local: Local, message: Message) -> None:
        if isinstance(message, Register):
            self._register(local, message.service)
        elif isinstance(message, Answer):
            self._deliver(self.router.answered(local, message))

    def local_drained(self, local: Local) -> None:
        for service, server in self.router.services.items():
            if server is local:
                self._pump(service)

    def local_gone(self, local: Local) -> None:
        served = [each for each, server in self.router.services.items() if server is local]
        self.router.server_gone(local)
        for service in served:
            log.warning("%s, the server for %s, is gone", local, service)
        self._alarm.set(self.router.next_time())

    # --- inner

    def _register(self, local: Local, service: str) -> None:
        before = self.router.server_of(service)
        if before is local:
            return
        if before is not None:
            # The same process has lost its old connection, or its end is still to be read.
            if not before.is_of(local) and not before.is_gone():
                local.refuse(f"{service} is served by process {before.peer.pid}")
                return
            self.router.server_gone(before)
            before.stream.end("its process has registered anew, or is gone")
        self.router.registered(local, service)
        log.info("%s is the server for %s", local, service)
        local.send(Registered(service))
        self._pump(service)

    def _pump(self, service: str) -> None:
        """Hand over what waits, as long as the server takes it."""
        server = self.router.server_of(service)
        while server is not None and server.stream.is_open and not server.stream.is_busy:
            action = self.router.next_for(service, time.monotonic())
            if action is None:
                break
            server.send(action.message)
        self._alarm.set(self.router.next_time())

    def _deliver(self, actions: list[ToGuest[Channel]]) -> None:
        for action in actions:
            action.guest.send(action.message)

    def _tick(self) -> None:
        self._deliver(self.router.tick(time.monotonic()))
        self._alarm.set(self.router.next_time())

    def _log_flood(self, channel: Channel, refusal: ToGuest[Channel]) -> None:
        now = time.monotonic()
        key = channel.target.resource
        if now - self._flood_logged.get(key, -TOO_MANY_LOG_S) >= TOO_MANY_LOG_S:
            self._flood_logged[key] = now
            log.warning("%s: a request is refused: %s", channel, refusal.message)

    def services(self) -> list[dict[str, object]]:
        """For the status: each service, who serves it, what waits for it."""
        return [
            {
                "service": service,
                "server": None if server is None else _server(server),
                "waiting": self.router.waiting(service),
            }
            for service in SERVICES
            for server in [self.router.server_of(service)]
        ]


def _server(server: Local) -> dict[str, object]:
    return {
        "pid": server.peer.pid,
        "program": server.program,
        "unsent_bytes": server.stream.unsent,
        "is_busy": server.stream.is_busy,
    }
