# SPDX-License-Identifier: GPL-2.0-or-later
"""libvirt for short-lived programs: the few calls that agents need, as typed values.

They go to libvirt-python's compiled half, because importing the other half costs more
than everything else that a monitor does (18 of 44 ms). Every call here can block for as long as
libvirtd pleases: callers put it into pmkvm.thread_call. Daemons, which want libvirt's
events, import libvirt itself.
"""

from __future__ import annotations

from pmkvm.errors import ExhaustedError, HaError, is_exhaustion
from pmkvm.light_types import IntEnum, NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypeVar

    import libvirtmod as libvirtmod  # noqa: PLC0414 - for the modules beside this one
    from libvirtmod import _Handle

    T = TypeVar("T")
else:

    class _Libvirtmod:
        """Loaded by the first call into it: an action that finds its guest dead needs none."""

        def __getattr__(self, name):
            import libvirtmod

            return getattr(libvirtmod, name)

    libvirtmod = _Libvirtmod()

_START_PAUSED = 1  # VIR_DOMAIN_START_PAUSED
_FORCE_BOOT = 8  # VIR_DOMAIN_START_FORCE_BOOT: a managed save is dropped and not restored
XML_INACTIVE = 2  # VIR_DOMAIN_XML_INACTIVE: as after its next start, without a life's own


class ErrorCode(IntEnum):
    """virErrorNumber, as far as something here depends on it."""

    INTERNAL_ERROR = 1
    NO_SUPPORT = 3  # the hypervisor's driver has no such function
    OPERATION_FAILED = 9
    SYSTEM_ERROR = 38  # int1 is the errno
    NO_DOMAIN = 42
    NO_NETWORK = 43
    NO_STORAGE_POOL = 49
    OPERATION_INVALID = 55
    OPERATION_TIMEOUT = 68  # another job has kept libvirt's lock on the domain for 30 s
    CPU_INCOMPATIBLE = 91


class State(IntEnum):
    """virDomainState."""

    NO_STATE = 0
    RUNNING = 1
    BLOCKED = 2
    PAUSED = 3
    SHUTDOWN = 4
    SHUTOFF = 5
    CRASHED = 6
    PM_SUSPENDED = 7


class PausedReason(IntEnum):
    """virDomainPausedReason, as far as something here depends on it."""

    DUMP = 4
    IO_ERROR = 5
    WATCHDOG = 6
    CRASHED = 10
    POSTCOPY = 12
    POSTCOPY_FAILED = 13
    API_ERROR = 14


class LibvirtError(HaError):
    """libvirt said no; code is virErrorNumber, the text libvirt's own.

    str() is its last line: what ssh has to say fills a screen, and ends with what was wrong.
    errno: the system's own number where a call to it failed, else 0.
    """

    def __init__(self, code: int, text: str, errno: int = 0) -> None:
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        super().__init__(lines[-1] if lines else "libvirt failed without a reason")
        self.code = code
        self.errno = errno
        self.full_text = " ".join(lines)


class Status(NamedTuple):
    """State of a domain and the number of its reason (virDomain*Reason)."""

    state: State
    reason: int


class Domain:
    """A domain that libvirt knows, running or not."""

    def __init__(self, handle: _Handle) -> None:
        self.handle = handle

    def name(self) -> str:
        return result(libvirtmod.virDomainGetName(self.handle))

    def uuid(self) -> str:
        return result(libvirtmod.virDomainGetUUIDString(self.handle))

    def status(self) -> Status:
        state, reason = result(libvirtmod.virDomainGetState(self.handle, 0))
        return Status(State(state), reason)

    def is_running(self) -> bool:
        """Whether it has a life now, paused ones too."""
        return check(libvirtmod.virDomainIsActive(self.handle)) == 1

    def is_persistent(self) -> bool:
        """Whether libvirt has a definition of its own, which outlives its life."""
        return check(libvirtmod.virDomainIsPersistent(self.handle)) == 1

    def starts_by_itself(self) -> bool:
        """Whether libvirt starts it when the host boots."""
        return result(libvirtmod.virDomainGetAutostart(self.handle)) == 1

    def is_saved(self) -> bool:
        """Whether libvirt has made a memory of it that its next start restores (virsh managedsave).

        libvirtd looks for its file when it starts, and not again: see pmkvm.virt.managed_save.
        """
        try:
            return check(libvirtmod.virDomainHasManagedSaveImage(self.handle, 0)) == 1
        except LibvirtError as error:
            if error.code == ErrorCode.NO_SUPPORT:
                return False
            raise

    def snapshots(self) -> int:
        """How many libvirt knows of; with any it migrates no guest that runs."""
        return check(libvirtmod.virDomainSnapshotNum(self.handle, 0))

    def start_paused(self, *, boots: bool) -> None:
        """Start a defined domain, its CPUs stopped.

        boots: even if a managed save is there by then, which is lost. Not all drivers can do that.
        """
        flags = _START_PAUSED | (_FORCE_BOOT if boots else 0)
        check(libvirtmod.virDomainCreateWithFlags(self.handle, flags))

    def resume(self) -> None:
        check(libvirtmod.virDomainResume(self.handle))

    def shutdown(self, method: int) -> None:
        """Ask the guest to shut down; whether it does is another matter.

        method is one of virDomainShutdownFlagValues, 0 leaves it to libvirt.
        """
        check(libvirtmod.virDomainShutdownFlags(self.handle, method))

    def wake(self) -> None:
        """Out of the sleep that the guest has put itself into."""
        check(libvirtmod.virDomainPMWakeup(self.handle, 0))

    def description(self, flags: int = 0) -> str:
        """The domain's XML; flags are virDomainXMLFlags."""
        return result(libvirtmod.virDomainGetXMLDesc(self.handle, flags))

    def destroy(self) -> None:
        check(libvirtmod.virDomainDestroy(self.handle))

    def migrate(
        self, destination: Connection, parameters: Mapping[str, object], flags: int
    ) -> None:
        """Migrate with this process in between: it ends if the process does."""
        result(
            libvirtmod.virDomainMigrate3(self.handle, destination.handle, dict(parameters), flags)
        )

    def migrate_peer_to_peer(
        self, destination_uri: str, parameters: Mapping[str, object], flags: int
    ) -> None:
        """Migrate from one libvirtd to the other."""
        check(
            libvirtmod.virDomainMigrateToURI3(self.handle, destination_uri, dict(parameters), flags)
        )


class Connection:
    """An open connection to a hypervisor. An empty uri is libvirt's default."""

    def __init__(self, uri: str) -> None:
        """Raises LibvirtError, and ExhaustedError where there is no memory to load it."""
        try:
            # Without a handler libvirt prints every error to stderr by itself.
            libvirtmod.virRegisterErrorHandler(_ignore, None)
        except ImportError as error:
            # As silent as a libvirtd that does not run: the process table still answers.
            text = f"libvirt's Python binding can't be loaded: {error}"
            raise (
                ExhaustedError(text) if is_exhaustion(error) else LibvirtError(0, text)
            ) from error
        self.handle = result(libvirtmod.virConnectOpen(uri or None))

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_error: object) -> None:
        libvirtmod.virConnectClose(self.handle)

    def lookup(self, name: str, uuid: str = "") -> Domain | None:
        """The domain, by uuid if there is one. None only if libvirt says that it has none."""
        if uuid:
            handle = libvirtmod.virDomainLookupByUUIDString(self.handle, uuid)
        else:
            handle = libvirtmod.virDomainLookupByName(self.handle, name)
        if handle is not None:
            return Domain(handle)
        error = _last_error()
        if error.code == ErrorCode.NO_DOMAIN:
            return None
        raise error

    def domains(self) -> list[Domain]:
        """All domains that libvirt knows."""
        return [Domain(h) for h in result(libvirtmod.virConnectListAllDomains(self.handle, 0))]

    def is_alive(self) -> bool:
        """Whether the other end is still there; without asking it."""
        return libvirtmod.virConnectIsAlive(self.handle) == 1

    def create_paused(self, definition: str) -> Domain:
        """Create a transient domain, its CPUs stopped."""
        return Domain(result(libvirtmod.virDomainCreateXML(self.handle, definition, _START_PAUSED)))


def _ignore(_context: object, _error: object) -> None:
    """Errors are raised where they are met."""


def result(value: T | None) -> T:
    """What libvirtmod returned; None means that the reason is in the thread's last error."""
    if value is None:
        raise _last_error()
    return value


def check(value: int) -> int:
    """As result(), where libvirtmod returns a number and -1 means an error."""
    if value < 0:
        raise _last_error()
    return value


def _last_error() -> LibvirtError:
    """libvirt keeps the last error for each thread."""
    error = libvirtmod.virGetLastError()
    if error is None:
        return LibvirtError(0, "")
    code, *_, errno, _ = error
    return LibvirtError(code, error[2], errno if code == ErrorCode.SYSTEM_ERROR else 0)
