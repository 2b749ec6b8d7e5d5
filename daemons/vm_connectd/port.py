# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest's virtio-serial port: read and written without ever waiting or spinning.

While no host end is connected such a port is readable and hung up all the time, and reads give
nothing. So it is watched edge-triggered: the driver wakes its watchers when the host end comes,
goes, or has taken what was written. The same descriptor works before and after a migration.

A port that was unplugged is hung up and not readable, and a read says ENODEV; one that is plugged
in then is another device, under the same path.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import select
import socket
import stat

from pmkvm.errors import reason_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Reader(Protocol):
        """Who hears what the port has to say."""

        def port_up(self) -> None: ...
        def port_received(self, data: bytes) -> None: ...
        def port_drained(self) -> None: ...
        def port_down(self, reason: str) -> None: ...


log = logging.getLogger(__name__)

READ_BYTES = 32768
READS_AT_A_TIME = 8
UNSENT_BYTES = 262144
BUSY_BYTES = 32768
# If an edge was missed, and for a device that is not there yet, or is another one by now.
CHECK_S = 1.0

_EDGES = select.EPOLLIN | select.EPOLLOUT | select.EPOLLHUP | select.EPOLLET
_NOT_NOW = (errno.EAGAIN, errno.EINTR)


class Port:
    """The device, held open for as long as it exists."""

    def __init__(self, path: str, reader: Reader) -> None:
        self.path = path
        self.is_up = False
        self.last_error = ""
        self._reader = reader
        self._fd = -1
        self._epoll: select.epoll | None = None
        self._can_reconnect = True
        self._unsent = bytearray()

    @property
    def unsent(self) -> int:
        return len(self._unsent)

    @property
    def is_busy(self) -> bool:
        return len(self._unsent) > BUSY_BYTES

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                if self._fd >= 0:
                    self._check()
                if self._fd < 0:
                    self._open()
                await asyncio.sleep(CHECK_S)
        finally:
            self._close("vm-connectd ends")

    def write(self, data: bytes) -> bool:
        """Now or later; False if the port is down, or takes nothing for too long."""
        if not self.is_up or len(self._unsent) + len(data) > UNSENT_BYTES:
            return False
        self._unsent += data
        self._flush()
        return True

    def forget_unsent(self) -> None:
        """What was not written yet is for a host end that is gone."""
        self._unsent.clear()

    # --- inner

    def _open(self) -> None:
        try:
            self._fd, self._can_reconnect = _open(self.path)
            self._epoll = select.epoll()
            self._epoll.register(self._fd, _EDGES)
            asyncio.get_running_loop().add_reader(self._epoll.fileno(), self._woken)
        except (OSError, MemoryError) as error:
            reason = f"{self.path}: {reason_of(error)}"
            self._note(reason)
            self._close(reason)
            return
        self.last_error = ""
        log.info("port %s is open", self.path)
        self._look()

    def _close(self, reason: str) -> None:
        if self._epoll is not None:
            asyncio.get_running_loop().remove_reader(self._epoll.fileno())
            self._epoll.close()
            self._epoll = None
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        self._go_down(reason)

    def _check(self) -> None:
        """Whether it still is the device of that path, and what state it is in."""
        if self._can_reconnect and _is_another(self._fd, self.path):
            self._close("another device has its place")
        else:
            self._look()

    def _woken(self) -> None:
        if self._epoll is not None:
            # Takes the edge away, so that the loop sleeps until the next one.
            self._epoll.poll(0)
            self._look()

    def _look(self) -> None:
        """What state is it in now?"""
        poller = select.poll()
        poller.register(self._fd, select.POLLIN | select.POLLOUT)
        events = dict(poller.poll(0)).get(self._fd, 0)
        is_connected = not events & (select.POLLHUP | select.POLLERR)
        if is_connected and not self.is_up:
            self.is_up = True
            self._reader.port_up()
        # Also when it is hung up: the host end's last words may be there, or it was unplugged.
        if events & select.POLLIN or not is_connected:
            self._read()
        if self._fd >= 0 and not is_connected:
            self._hung_up()
        elif events & select.POLLOUT:
            self._flush()

    def _read(self) -> None:
        for _ in range(READS_AT_A_TIME):
            try:
                data = os.read(self._fd, READ_BYTES)
            except OSError as error:
                if error.errno not in _NOT_NOW:
                    self._close(f"reading: {error.strerror}")
                return
            if not data:
                self._hung_up()
                return
            self._reader.port_received(data)
            if self._fd < 0:
                return
        # There may be more, for which there is no edge; but others want their turn.
        asyncio.get_running_loop().call_soon(self._read_on)

    def _read_on(self) -> None:
        if self._fd >= 0:
            self._look()

    def _flush(self) -> None:
        was_busy = self.is_busy
        try:
            while self._unsent:
                del self._unsent[: os.write(self._fd, self._unsent)]
        except OSError as error:
            if error.errno not in _NOT_NOW:
                self._close(f"writing: {error.strerror}")
                return
        if was_busy and not self.is_busy:
            self._reader.port_drained()

    def _hung_up(self) -> None:
        if self._can_reconnect:
            self._go_down("the host end is closed")
        else:
            self._close("the host end is closed")

    def _go_down(self, reason: str) -> None:
        self._unsent.clear()
        if self.is_up:
            self.is_up = False
            self._reader.port_down(reason)

    def _note(self, reason: str) -> None:
        if reason != self.last_error:
            log.warning("port: %s", reason)
        self.last_error = reason


def _is_another(descriptor: int, path: str) -> bool:
    """Whether another device has the path now. One that is gone for a moment is none."""
    try:
        there = os.stat(path)
    except OSError:
        return False
    return not os.path.samestat(there, os.fstat(descriptor))


def _open(path: str) -> tuple[int, bool]:
    """A descriptor, and whether it outlives its other end.

    Raises OSError. A unix socket in the place of a port is for tests and for guests that have a
    socket for a channel.
    """
    if stat.S_ISSOCK(os.stat(path).st_mode):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            connection.setblocking(False)
            connection.connect(path)
        except BaseException:
            connection.close()
            raise
        return connection.detach(), False
    return os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY), True
