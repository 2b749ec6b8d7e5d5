# SPDX-License-Identifier: GPL-2.0-or-later
"""The host's vm-connectd with many guests: memory, idle time, and an echo's time at a steady rate.

One process plays all guests and the server, so its own time is in the echo's, and the daemon is
told to take it for each guest's QEMU. How late that process wakes up by its own timers, and how
long each of the two waited for a core, is told beside it: that is the machine's part.
Run as `python3 -m tests.bench.connectd_load [GUESTS]`.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import NamedTuple

from pmkvm.deadline import Deadline
from pmkvm.wire import codec
from pmkvm.wire.message import Forwarded, Reply, Request
from pmkvm.wire.registration import Registration
from pmkvm.wire.session import Event, PortSession
from pmkvm.wire.stream import Stream
from tests.unit.vm_connectd.world import World, world_of

RATE_PER_S = 500
SECONDS = 10
IDLE_S = 10
WORLD_S = 60.0
SETTLE_S = 2.0


BELIEVE = """\
from daemons.vm_connectd import speaker
from pmkvm.wire.message import Sender
speaker.identify = lambda c, t: Sender(t.uuid, 1, 1, t.domain, t.resource)
host.RESCAN_S, guests.CIB_POLL_S = 10.0, 2.0
"""


class Cpu(NamedTuple):
    """Seconds of a process so far: on a core, all its threads; and its loop's thread ready for a
    core without having it."""

    used: float
    waited: float

    @staticmethod
    def of(pid: int) -> Cpu:
        process = Path("/proc", str(pid))
        fields = (process / "stat").read_text(encoding="ascii").rpartition(")")[2].split()
        used = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        waited_ns = int((process / "schedstat").read_text(encoding="ascii").split()[1])
        return Cpu(used, waited_ns / 1e9)

    def share_since(self, before: Cpu, seconds: float) -> Cpu:
        return Cpu((self.used - before.used) / seconds, (self.waited - before.waited) / seconds)


class Load(NamedTuple):
    """CPU as shares of a core, times in ms. late_ms: p99 of the driver's own timers."""

    guests: int
    rss_mib: float
    idle: float
    daemon: Cpu
    driver: Cpu
    echoes: int
    median_ms: float
    p99_ms: float
    late_ms: float

    def __str__(self) -> str:
        return (
            f"{self.guests:6} {self.rss_mib:8.1f} {self.idle:8.2%} {self.daemon.used:8.1%}"
            f" {self.daemon.waited:8.1%} {self.driver.used:8.1%} {self.driver.waited:8.1%}"
            f" {self.echoes:7} {self.median_ms:8.2f} {self.p99_ms:8.2f} {self.late_ms:8.2f}"
        )


HEADER = (
    f"{'':15} {'daemon: of a core':>26} {'driver: of a core':>17} {'echo: ms':>25} {'timer':>8}\n"
    f"guests {'RSS MiB':>8}     idle     busy   waited     busy   waited  echoes   median      p99"
    " late p99"
)


class Guest:
    """A guest's end of a socket, without a QEMU between."""

    def __init__(self) -> None:
        self.stream: Stream | None = None
        self.sent: dict[str, float] = {}
        self.took: list[float] = []

    def accept(self) -> Stream:
        self.stream = Stream(PortSession("load", codec.FROM_HOST), self)
        return self.stream

    def ask(self, number: int) -> None:
        if self.stream is not None:
            self.sent[str(number)] = time.monotonic()
            self.stream.send(Request("stonith", str(number), 10.0, "echo " + "x" * 200))

    def received(self, event: Event) -> None:
        if isinstance(event, Reply):
            self.took.append(time.monotonic() - self.sent.pop(event.id))

    def drained(self) -> None: ...

    def lost(self, reason: str) -> None: ...

    def close(self) -> None:
        if self.stream is not None:
            self.stream.end("the load is over")


def rss_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


async def load(world: World, count: int) -> Load:
    loop = asyncio.get_running_loop()
    guests = [Guest() for _ in range(count)]
    sockets = []
    for number, guest in enumerate(guests):
        path = str(world.sockets / f"g{number}")
        sockets.append(await loop.create_unix_server(guest.accept, path))
        world.define(f"g{number}")
    host = world.start_host(BELIEVE)
    deadline = Deadline(WORLD_S)
    while not all(each.stream and each.stream.session.opened for each in guests):
        assert not deadline.expired(), host.said
        await asyncio.sleep(0.1)
    server: Registration

    def answer(request: Forwarded) -> None:
        server.reply(request, "OK")

    server = Registration("stonith", answer, program="load", path=world.socket_of("host"))
    task = loop.create_task(server.run())
    await asyncio.sleep(SETTLE_S)
    found = await watched(guests, host.child.pid)
    task.cancel()
    await asyncio.wait([task])
    for guest, listening in zip(guests, sockets):
        listening.close()
        guest.close()
    await asyncio.sleep(SETTLE_S)
    return found


async def watched(guests: list[Guest], pid: int) -> Load:
    """First nothing happens, then the echoes."""
    before, began = Cpu.of(pid), time.monotonic()
    await asyncio.sleep(IDLE_S)
    idle = Cpu.of(pid).share_since(before, time.monotonic() - began).used
    pids = (pid, os.getpid())
    befores, began = [Cpu.of(each) for each in pids], time.monotonic()
    late = await ask(guests)
    seconds = time.monotonic() - began
    daemon, driver = (Cpu.of(each).share_since(then, seconds) for each, then in zip(pids, befores))
    await asyncio.sleep(SETTLE_S)
    took = [each for guest in guests for each in guest.took]
    return Load(
        guests=len(guests),
        rss_mib=rss_mib(pid),
        idle=idle,
        daemon=daemon,
        driver=driver,
        echoes=len(took),
        median_ms=percentile(took, 50),
        p99_ms=percentile(took, 99),
        late_ms=percentile(late, 99),
    )


async def ask(guests: list[Guest]) -> list[float]:
    """In turn, at RATE_PER_S for SECONDS; how late each was asked by a clock that never waits."""
    late = []
    began = time.monotonic()
    for number in range(RATE_PER_S * SECONDS):
        due = began + number / RATE_PER_S
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        late.append(time.monotonic() - due)
        guests[number % len(guests)].ask(number)
    return late


def percentile(seconds: list[float], share: int) -> float:
    """In ms."""
    return sorted(seconds)[len(seconds) * share // 100] * 1000


def measure(count: int) -> Load:
    with world_of(World) as world:
        return asyncio.run(load(world, count))


if __name__ == "__main__":
    sys.stdout.write(f"{HEADER}\n{measure(int(sys.argv[1]) if len(sys.argv) > 1 else 500)}\n")
