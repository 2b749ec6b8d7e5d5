# SPDX-License-Identifier: GPL-2.0-or-later
"""libvirt-python's compiled half, played: hypervisors whose answers and troubles a test scripts.

Strict: a call that pmkvm.virt.connection has no business with does not exist here, and a trouble
that nobody ran into fails the test. tests/tools holds it against the real one.
"""

from __future__ import annotations

import threading
import types
import uuid as uuids
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, NamedTuple, NoReturn, Optional

from tests.unit import threads
from tests.unit.virtual_domain.fake_services import FakeServices, Pool, _Connection, _Domain

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from tests.unit.virt.fake_qemu import FakeQemu

    T = TypeVar("T")
    Migration = Callable[["FakeDomain", "FakeHypervisor"], None]

RUNNING, PAUSED, SHUTOFF, CRASHED = 1, 3, 5, 6
MIGRATED = 2  # virDomainRunningReason

# virErrorNumber.
INTERNAL = 1
INVALID_ARGUMENT = 8
OPERATION_FAILED = 9
XML = 35
SYSTEM = 38
RPC = 39
NO_DOMAIN = 42
NO_SUPPLY = 43
OPERATION_INVALID = 55
OPERATION_ABORTED = 78
AGENT_UNRESPONSIVE = 86

Error = Optional[tuple[int, int, str, int, Optional[str], Optional[str], Optional[str], int, int]]


class Trouble(Exception):
    """An error of libvirt's, or the system's errno. breaks: the connection is gone with it."""

    def __init__(self, code: int, text: str, *, breaks: bool = False, errno: int = -1) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.breaks, self.errno = breaks, errno


class Call(NamedTuple):
    """One call of a function, without its handle."""

    function: str
    arguments: tuple[object, ...] = ()


class FakeDomain:
    """A domain of one hypervisor. start_qemu is what stands for its process, if it has one."""

    def __init__(self, name: str, uuid: str, state: int = SHUTOFF, *, persistent: bool) -> None:
        self.name = name
        self.uuid = uuid
        self.state = state
        self.reason = 0
        self.persistent = persistent
        self.starts_by_itself = False
        self.honours_shutdown = True
        # The methods of shutting down (virDomainShutdownFlagValues) that the guest hears.
        self.hears: tuple[int, ...] = (0, 1, 2, 4, 8, 16)
        # As it is, and as it will be after its next start if that is something else.
        self.xml = ""
        self.next_xml = ""
        self.cpus = 2
        self.memory_kib = 1048576
        self.job: Callable[[], dict[str, object]] = lambda: {"type": 0}
        # Of each disk that has one: what virDomainGetBlockJobInfo says.
        self.block_jobs: dict[str, dict[str, int]] = {}
        self.postcopy = threading.Event()
        self.qemu: FakeQemu | None = None
        # libvirt keeps its memory and restores it at its next start.
        self.is_saved = False
        self.is_restored = False
        self.snapshots = 0
        self.aborted = threading.Event()

    def description(self, flags: int = 0) -> str:
        if flags & 2 and self.next_xml:
            return self.next_xml
        return self.xml or (
            f"<domain type='kvm'><name>{self.name}</name><uuid>{self.uuid}</uuid></domain>"
        )


class FakeHypervisor:
    """One libvirtd. down: the error of every attempt to connect; stuck: it never answers."""

    def __init__(self) -> None:
        self.domains: dict[str, FakeDomain] = {}
        self.down = ""
        self.stuck = False
        self.released = threading.Event()
        self.calls: list[Call] = []
        self.troubles: dict[str, list[Trouble]] = {}
        self.start_qemu: Callable[[FakeDomain], FakeQemu | None] = lambda _domain: None
        self.migrate: Migration = arrive
        # Pools and networks alike, by name.
        self.supplies: dict[str, Pool] = {}
        # Called with the function's name before it does anything.
        self.watch: Callable[[str], None] = lambda _function: None

    def add(
        self, name: str, uuid: str, state: int = SHUTOFF, *, persistent: bool = True
    ) -> FakeDomain:
        domain = FakeDomain(name, uuid, state, persistent=persistent)
        self.domains[name] = domain
        if state != SHUTOFF:
            domain.qemu = self.start_qemu(domain)
        return domain

    def script(self, function: str, *troubles: Trouble) -> None:
        """The next calls of that function run into these, one each."""
        self.troubles.setdefault(function, []).extend(troubles)

    def called(self, *functions: str) -> list[Call]:
        return [call for call in self.calls if call.function in functions]

    def existing(self, domain: FakeDomain) -> FakeDomain:
        if self.domains.get(domain.name) is not domain:
            _no_domain()
        return domain

    def supply(self, name: str) -> Pool:
        if name not in self.supplies:
            raise Trouble(NO_SUPPLY, f"no pool or network with matching name '{name}'")
        return self.supplies[name]

    def end(self, domain: FakeDomain) -> None:
        """Its life is over, its definition stays if it is persistent."""
        domain.state = SHUTOFF
        if domain.qemu is not None:
            domain.qemu.end()
            domain.qemu = None
        if not domain.persistent:
            self.domains.pop(domain.name, None)

    def enter(self, function: str, *arguments: object) -> None:
        self.calls.append(Call(function, arguments))
        self.watch(function)
        if self.stuck:
            self.hang()
        waiting = self.troubles.get(function)
        if waiting:
            raise waiting.pop(0)

    def hang(self) -> NoReturn:
        self.released.wait()
        # The test is over: nothing that was abandoned here may go on.
        raise SystemExit

    def when(self, function: str, act: Callable[[], object], *, call: int = 0) -> None:
        """As that function is called, do this as well: each time, or at its so-manyth call."""

        def watch(called: str) -> None:
            if called == function and call in (0, len(self.called(function))):
                act()

        self.watch = watch


def arrive(domain: FakeDomain, there: FakeHypervisor) -> None:
    """A migration as it should be."""
    there.add(domain.name, domain.uuid, RUNNING, persistent=False).reason = MIGRATED


def arriving() -> dict[str, object]:
    """The job of a migration's destination, which libvirt does not tell."""
    text = "migration statistics are available only on the source host"
    raise Trouble(OPERATION_INVALID, text)


class FakeLibvirt(FakeServices):
    """All hypervisors that can be reached, by URI; libvirt's default has the URI None."""

    def __init__(self) -> None:
        self.hypervisors: dict[str | None, FakeHypervisor] = {}
        self._last = threading.local()
        self._threads = threads.running()

    def module(self) -> types.ModuleType:
        module = types.ModuleType("libvirtmod")
        for name in dir(self):
            if name.startswith("vir"):
                setattr(module, name, getattr(self, name))
        return module

    def close(self) -> None:
        """Let go of stuck calls, and wait for their ends while this stands in libvirt's place; end
        the processes; complain of troubles nobody ran into."""
        for hypervisor in self.hypervisors.values():
            hypervisor.released.set()
            for domain in list(hypervisor.domains.values()):
                domain.aborted.set()
                hypervisor.end(domain)
        threads.require_ended(self._threads)
        left = [each.troubles for each in self.hypervisors.values() if any(each.troubles.values())]
        assert not left, f"nobody ran into {left}"

    # What connection.py calls, under libvirtmod's names.

    def virRegisterErrorHandler(self, handler: Callable[[object, object], None], _: object) -> int:
        assert callable(handler)
        return 1

    def virGetLastError(self) -> Error:
        trouble: Trouble | None = getattr(self._last, "trouble", None)
        if trouble is None:
            return None
        return (trouble.code, 10, trouble.text, 2, "%s", trouble.text, None, trouble.errno, -1)

    def virConnectOpen(self, uri: str | None) -> _Connection | None:
        assert uri is None or isinstance(uri, str)
        self._last.trouble = None
        try:
            hypervisor = self.hypervisors.get(uri)
            if hypervisor is None:
                raise Trouble(SYSTEM, f"Failed to connect socket: nobody is at {uri}")
            hypervisor.enter("virConnectOpen")
            if hypervisor.down:
                raise Trouble(SYSTEM, hypervisor.down)
            return _Connection(hypervisor)
        except Trouble as trouble:
            self._last.trouble = trouble
            return None

    def virConnectIsAlive(self, connection: _Connection) -> int:
        assert isinstance(connection, _Connection)
        return 0 if connection.broken else 1

    def virConnectClose(self, connection: _Connection) -> int:
        assert connection.open, "closed twice"
        connection.open = False
        return 0

    def virDomainLookupByName(self, connection: _Connection, name: str) -> _Domain | None:
        def find() -> _Domain:
            domain = connection.hypervisor.domains.get(name)
            return _Domain(connection, domain) if domain else _no_domain()

        return self._do(connection, "virDomainLookupByName", find, name)

    def virDomainLookupByUUIDString(self, connection: _Connection, uuid: str) -> _Domain | None:
        def find() -> _Domain:
            try:
                wanted = str(uuids.UUID(uuid))
            except ValueError:
                raise Trouble(INVALID_ARGUMENT, "Invalid UUID") from None
            for domain in connection.hypervisor.domains.values():
                if domain.uuid == wanted:
                    return _Domain(connection, domain)
            return _no_domain()

        return self._do(connection, "virDomainLookupByUUIDString", find, uuid)

    def virDomainCreateXML(self, connection: _Connection, xml: str, flags: int) -> _Domain | None:
        def create() -> _Domain:
            try:
                root = ET.fromstring(xml)
            except ET.ParseError as error:
                raise Trouble(XML, str(error)) from error
            name, uuid = root.findtext("name") or "", root.findtext("uuid") or str(uuids.uuid4())
            existing = connection.hypervisor.domains.get(name)
            if existing is not None:
                code = OPERATION_INVALID if existing.uuid == uuid else OPERATION_FAILED
                raise Trouble(code, f"domain '{name}' already exists with uuid {existing.uuid}")
            state = PAUSED if flags & 1 else RUNNING
            made = connection.hypervisor.add(name, uuid, state, persistent=False)
            made.xml = xml
            return _Domain(connection, made)

        return self._do(connection, "virDomainCreateXML", create, xml, flags)

    def virDomainGetState(self, handle: _Domain, flags: int) -> list[int] | None:
        assert flags == 0

        def get() -> list[int]:
            domain = handle.existing()
            return [domain.state, domain.reason]

        return self._do(handle.connection, "virDomainGetState", get)

    def virDomainCreateWithFlags(self, handle: _Domain, flags: int) -> int:
        def start() -> None:
            domain = handle.existing()
            if domain.state != SHUTOFF:
                raise Trouble(OPERATION_INVALID, "domain is already running")
            domain.is_restored = domain.is_saved and not flags & 8
            domain.is_saved = False
            domain.state = PAUSED if flags & 1 else RUNNING
            domain.qemu = handle.connection.hypervisor.start_qemu(domain)

        return self._order(handle, "virDomainCreateWithFlags", start, flags)

    def virDomainResume(self, handle: _Domain) -> int:
        def resume() -> None:
            domain = handle.existing()
            if domain.state != PAUSED:
                raise Trouble(INTERNAL, f"domain '{domain.name}' not paused")
            domain.state = RUNNING

        return self._order(handle, "virDomainResume", resume)

    def virDomainShutdownFlags(self, handle: _Domain, flags: int) -> int:
        def shut_down() -> None:
            domain = _running(handle)
            if domain.honours_shutdown and flags in domain.hears:
                handle.connection.hypervisor.end(domain)

        return self._order(handle, "virDomainShutdownFlags", shut_down, flags)

    def virDomainDestroy(self, handle: _Domain) -> int:
        end = handle.connection.hypervisor.end
        return self._order(handle, "virDomainDestroy", lambda: end(_running(handle)))

    def virDomainMigrate3(
        self, handle: _Domain, there: _Connection, parameters: dict[str, object], flags: int
    ) -> _Domain | None:
        assert there.open
        done = self._move(handle, there.hypervisor, "virDomainMigrate3", parameters, flags)
        return _Domain(there, handle.domain) if done == 0 else None

    def virDomainMigrateToURI3(
        self, handle: _Domain, uri: str, parameters: dict[str, object], flags: int
    ) -> int:
        there = self.hypervisors[uri]
        return self._move(handle, there, "virDomainMigrateToURI3", parameters, flags)

    def _move(
        self,
        handle: _Domain,
        there: FakeHypervisor,
        function: str,
        parameters: dict[str, object],
        flags: int,
    ) -> int:
        assert type(parameters) is dict
        here = handle.connection.hypervisor

        def move() -> None:
            here.migrate(_running(handle), there)
            here.end(handle.domain)

        return self._order(handle, function, move, parameters, flags)

    def _order(
        self, handle: _Domain, function: str, act: Callable[[], None], *arguments: object
    ) -> int:
        def ordered() -> int:
            act()
            return 0

        done = self._do(handle.connection, function, ordered, *arguments)
        return -1 if done is None else done

    def _do(
        self, connection: _Connection, function: str, act: Callable[[], T], *arguments: object
    ) -> T | None:
        """None and the thread's last error, as all of libvirtmod does it."""
        assert connection.open, f"{function} on a closed connection"
        self._last.trouble = None
        try:
            if connection.broken:
                raise Trouble(RPC, "client socket is closed")
            connection.hypervisor.enter(function, *arguments)
            return act()
        except Trouble as trouble:
            connection.broken = connection.broken or trouble.breaks
            self._last.trouble = trouble
            return None


def _running(handle: _Domain) -> FakeDomain:
    domain = handle.existing()
    if domain.state == SHUTOFF:
        raise Trouble(OPERATION_INVALID, "Requested operation is not valid: domain is not running")
    return domain


def _no_domain() -> NoReturn:
    raise Trouble(NO_DOMAIN, "Domain not found")
