# SPDX-License-Identifier: GPL-2.0-or-later
"""vm-connectd -t host: a channel for each guest that runs here, and one switch for all."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time

from daemons.vm_connectd.channel import Channel
from daemons.vm_connectd.guests import CIB_POLL_S, Guests
from daemons.vm_connectd.hypervisor import Hypervisor, HypervisorAwayError
from daemons.vm_connectd.local import LocalSocket
from daemons.vm_connectd.mute_guests import MuteGuests
from daemons.vm_connectd.switch import Switch
from daemons.vm_connectd.turns import Turnstile
from pmkvm.errors import HaError
from pmkvm.service.thread_calls import ThreadCalls
from pmkvm.version import VERSION
from pmkvm.wire import codec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from daemons.vm_connectd.roster import Rejected, Roster, Target
    from pmkvm.service.listener import Listener
    from pmkvm.service.loop import Service

log = logging.getLogger(__name__)

# Without any event: what events there were may have been missed.
RESCAN_S = 10.0
AWAY_RESCAN_S = 2.0
# Events come in groups: a start is four of them.
SETTLE_S = 0.05
CALLS_AT_A_TIME = 4


class Host:
    """The daemon on a host."""

    def __init__(self, directories: Sequence[str]) -> None:
        self._directories = directories
        self._calls = ThreadCalls(CALLS_AT_A_TIME)
        self._changed = asyncio.Event()
        self._guests = Guests(self._calls, directories)
        self._hypervisor = Hypervisor(self._calls, self._changed.set)
        self._switch = Switch(self._status)
        self._turns = Turnstile()
        self._local = LocalSocket(self._switch, codec.FROM_SERVER)
        self._channels: dict[Target, tuple[Channel, asyncio.Task[None]]] = {}
        self._mute = MuteGuests(lambda: [channel for channel, _task in self._channels.values()])
        self._rejected: tuple[Rejected, ...] = ()
        self._began = time.monotonic()
        self._service: Service | None = None

    async def start(self, service: Service, listener: Listener) -> None:
        self._service = service
        # Whoever waits for us needs the local socket; libvirt and Pacemaker may be late.
        service.supervise("the local socket", listener.run(self._local.accept, service.ready))
        service.supervise("watching the cluster", self._watch_cluster())
        service.supervise("watching libvirt", self._watch_libvirt())
        service.supervise("the guests' pulses", self._mute.run())

    async def _watch_cluster(self) -> None:
        while True:
            if await self._guests.look():
                self._changed.set()
            await asyncio.sleep(CIB_POLL_S)

    async def _watch_libvirt(self) -> None:
        while True:
            self._changed.clear()
            rescan_s = RESCAN_S
            try:
                self._apply(await self._guests.draw_up(await self._hypervisor.domains()))
            except HypervisorAwayError:
                # It has said so itself. The channels that stand go on.
                rescan_s = AWAY_RESCAN_S
            except (HaError, OSError) as error:
                rescan_s = AWAY_RESCAN_S
                log.warning("the guests are not looked at: %s", error)
            try:
                await asyncio.wait_for(self._changed.wait(), rescan_s)
                await asyncio.sleep(SETTLE_S)
            except asyncio.TimeoutError:
                continue

    def _apply(self, roster: Roster) -> None:
        self._reject(roster.rejected)
        wanted = set(roster.targets)
        resources = {guest.id for guest in self._guests.found}
        for target in [each for each in self._channels if each not in wanted]:
            channel, task = self._channels[target]
            # A domain that ends closes its channel by itself, after its last words.
            is_removed = target.resource not in resources
            channel.retire("it is no guest of the cluster any more", at_once=is_removed)
            if channel.stream is None:
                task.cancel()
                del self._channels[target]
        for target in roster.targets:
            known = self._channels.get(target)
            if known is not None and not known[1].done():
                known[0].keep()
            elif self._service is not None:
                channel = Channel(target, self._directories, self._switch, self._turns.lane())
                task = self._service.supervise(str(channel), channel.run())
                self._channels[target] = (channel, task)

    def _reject(self, rejected: tuple[Rejected, ...]) -> None:
        for each in rejected:
            if each not in self._rejected:
                log.warning(
                    "guest %r (domain %r) has no channel: %s: %r",
                    each.resource,
                    each.domain,
                    each.reason,
                    each.path,
                )
        self._rejected = rejected

    def _status(self) -> str:
        now = time.monotonic()
        return json.dumps(
            {
                "program": f"vm-connectd {VERSION}",
                "type": "host",
                "pid": os.getpid(),
                "up_seconds": round(now - self._began, 1),
                "directories": list(self._directories),
                "libvirt": self._hypervisor.state,
                "cib": self._guests.state,
                "attrd": self._mute.state,
                "hanging_calls": [*self._calls.hanging, *self._mute.hanging],
                "local_connections": len(self._local),
                "stray_answers": self._switch.router.stray_answers,
                "services": self._switch.services(),
                "guests": [self._of(channel, now) for channel, _task in self._channels.values()],
                "rejected": [each._asdict() for each in self._rejected],
            }
        )

    def _of(self, channel: Channel, now: float) -> dict[str, object]:
        stream, sender = channel.stream, channel.sender
        report: dict[str, object] = {
            "resource": channel.target.resource,
            "domain": channel.target.domain,
            "uuid": channel.target.uuid,
            "socket": channel.target.path,
            "last_error": channel.last_error,
            "is_connected": stream is not None,
        }
        if stream is None or sender is None:
            return report
        report.update(
            pid=sender.pid,
            connected_seconds=round(now - channel.connected_at, 1),
            is_greeted=channel.opened is not None,
            answers_echo=channel.opened is not None and channel.opened.answers_echo,
            mute_seconds=round(channel.pulse.quiet_s(now), 1) if channel.is_mute else None,
            guest_program=None if channel.opened is None else channel.opened.program,
            frames_in=stream.frames_in,
            frames_out=stream.frames_out,
            unsent_bytes=stream.unsent,
        )
        if channel.opened is not None:
            report["outstanding"] = self._switch.router.outstanding(channel)
            report.update(vars(self._switch.router.counters(channel)))
        return report
