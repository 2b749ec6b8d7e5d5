# SPDX-License-Identifier: GPL-2.0-or-later
"""The running domains of this host's libvirt, which may come, go, and hang.

Each call is made in a thread with a deadline; events arrive in libvirt's own thread and are
passed on as "something has changed". What libvirt said last is kept while it is away.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import time
from typing import Any, NamedTuple

from daemons.vm_connectd import domain
from pmkvm.errors import ExhaustedError, HaError, reason_of
from pmkvm.thread_call import start_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

    from daemons.vm_connectd.domain import Domain
    from pmkvm.service.thread_calls import ThreadCalls

log = logging.getLogger(__name__)

URI = "qemu:///system"

CALL_S = 5.0
# A libvirtd that is stopped, not gone, is noticed after so long by libvirt itself.
KEEPALIVE_S = 5
KEEPALIVE_COUNT = 3
# After an event loop of libvirt's that failed, for lack of memory perhaps.
EVENTS_AGAIN_S = 1.0


class HypervisorAwayError(HaError):
    """libvirt can't be asked now."""


class _Key(NamedTuple):
    """One run of a domain: libvirt numbers them."""

    uuid: str
    number: int


class Hypervisor:
    """One connection, opened again when it is lost."""

    def __init__(self, calls: ThreadCalls, changed: Callable[[], None]) -> None:
        """changed is called in the loop, often without need."""
        self.state = "not asked yet"
        self._calls = calls
        self._changed = changed
        self._libvirt: Any = None
        self._connection: Any = None
        self._known: dict[_Key, Domain] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    async def domains(self) -> list[Domain]:
        """Raises HypervisorAwayError."""
        self._loop = asyncio.get_running_loop()
        try:
            found = await self._calls.call("asking libvirt for its domains", self._list, CALL_S)
        except ExhaustedError as error:
            raise self._away(str(error)) from error
        except HaError as error:
            # The connection may hang for ever, so it is not closed; the next call opens another.
            self._connection = None
            raise self._away(str(error)) from error
        self.state = "connected"
        return found

    # --- in a thread

    def _list(self) -> list[Domain]:
        libvirt = self._load()
        try:
            connection = self._connection
            if connection is None or not connection.isAlive():
                self._known = {}
                connection = self._connection = self._open()
            running = connection.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE)
            known = {}
            for each in running:
                key = _Key(each.UUIDString(), each.ID())
                found = self._known.get(key) or self._parse(each)
                if found is not None:
                    known[key] = found
            self._known = known
            return list(known.values())
        except libvirt.libvirtError as error:
            self._connection = None
            raise HypervisorAwayError(" ".join(str(error).split())) from error

    def _parse(self, each: Any) -> Domain | None:
        """None if the domain went away while it was asked."""
        try:
            return domain.parse(each.XMLDesc(0))
        except self._libvirt.libvirtError as error:
            if error.get_error_code() == self._libvirt.VIR_ERR_NO_DOMAIN:
                return None
            raise
        except ValueError as error:
            log.warning("a domain is passed over: %s", error)
            return None

    def _load(self) -> Any:
        if self._libvirt is None:
            try:
                # By name: it has no type information.
                libvirt: Any = importlib.import_module("libvirt")
            except ImportError as error:
                raise HypervisorAwayError("python3-libvirt is not installed") from error
            libvirt.registerErrorHandler(lambda _context, _error: None, None)
            libvirt.virEventRegisterDefaultImpl()
            start_thread(_run_events, libvirt)
            self._libvirt = libvirt
        return self._libvirt

    def _open(self) -> Any:
        libvirt = self._libvirt
        connection = libvirt.openReadOnly(URI)
        connection.registerCloseCallback(self._notice, None)
        for event in (
            libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE,
            libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_ADDED,
            libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED,
        ):
            connection.domainEventRegisterAny(None, event, self._notice, event)
        try:
            connection.setKeepAlive(KEEPALIVE_S, KEEPALIVE_COUNT)
        except libvirt.libvirtError:
            log.debug("this connection to libvirt has no keepalive")
        return connection

    # --- in libvirt's thread

    def _notice(self, _connection: Any, *arguments: Any) -> None:
        """An event: arguments end with what it was registered with."""
        if self._loop is not None:
            is_lifecycle = arguments[-1] == self._libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE
            try:
                self._loop.call_soon_threadsafe(self._hear, is_lifecycle)
            except RuntimeError:
                # The loop has ended.
                return

    # --- in the loop

    def _hear(self, is_lifecycle: bool) -> None:
        if not is_lifecycle:
            # Devices came or went: the definitions are read again.
            self._known = {}
        self._changed()

    def _away(self, reason: str) -> HypervisorAwayError:
        if reason != self.state:
            log.warning("libvirt can't be asked: %s", reason)
        self.state = reason
        return HypervisorAwayError(reason)


def _run_events(libvirt: Any) -> None:
    while True:
        try:
            libvirt.virEventRunDefaultImpl()
        except Exception as error:  # noqa: BLE001 - without this thread nothing would be heard again
            log.warning("libvirt's events: %s", reason_of(error))
            time.sleep(EVENTS_AGAIN_S)
