# SPDX-License-Identifier: GPL-2.0-or-later
"""What libvirt does with a running domain in the background: a migration, a save, a dump."""

from __future__ import annotations

from pmkvm.light_types import NamedTuple
from pmkvm.virt.connection import ErrorCode, LibvirtError, check, libvirtmod, result

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from pmkvm.virt.connection import Domain

_MIB = 1 << 20
_DUMP = 8  # VIR_DOMAIN_JOB_OPERATION_DUMP
_UNDER_WAY = (1, 2)  # virDomainJobType: 0 is none, 3 and more are ends


class Job(NamedTuple):
    """libvirt's own figures of a job under way; iteration counts the passes over the memory."""

    elapsed_s: float
    processed_mib: int
    remaining_mib: int
    total_mib: int
    mib_per_s: int
    iteration: int
    downtime_ms: int

    def __str__(self) -> str:
        return (
            f"{self.elapsed_s:.0f} s, {self.processed_mib} MiB sent, {self.remaining_mib} of"
            f" {self.total_mib} MiB left, {self.mib_per_s} MiB/s, pass {self.iteration},"
            f" expected downtime {self.downtime_ms} ms"
        )


def job_of(domain: Domain) -> Job | None:
    """The job under way, None if there is none. Raises LibvirtError."""
    stats = result(libvirtmod.virDomainGetJobStats(domain.handle, 0))
    if stats.get("type") not in _UNDER_WAY:
        return None
    return Job(
        _number(stats, "time_elapsed") / 1000,
        _number(stats, "data_processed") // _MIB,
        _number(stats, "data_remaining") // _MIB,
        _number(stats, "data_total") // _MIB,
        _number(stats, "memory_bps") // _MIB,
        _number(stats, "memory_iteration"),
        _number(stats, "downtime"),
    )


def dump_under_way(domain: Domain) -> str:
    """That libvirt dumps the guest's memory to a file, and how far it is; empty if it does not.

    It does so by itself when a guest crashes (<on_crash>coredump-restart</on_crash>), and for a
    person (virsh dump). Raises LibvirtError if that can't be told.
    """
    try:
        stats = result(libvirtmod.virDomainGetJobStats(domain.handle, 0))
    except LibvirtError as error:
        if error.code == ErrorCode.NO_SUPPORT:
            return ""
        raise
    if stats.get("type") not in _UNDER_WAY or stats.get("operation") != _DUMP:
        return ""
    total = _number(stats, "memory_total") // _MIB
    done = _number(stats, "memory_processed") // _MIB
    return "libvirt dumps its memory" + (f" ({done} of {total} MiB)" if total else "")


def is_arriving(domain: Domain) -> bool:
    """Whether it is the destination of a migration that is under way. Raises LibvirtError.

    The command line does not tell: a restored QEMU has the same "-incoming defer", and the
    same reason for being paused (measured, libvirt 9.0). But of the destination's job libvirt
    refuses to speak: "migration statistics are available only on the source host".
    """
    try:
        job_of(domain)
    except LibvirtError as error:
        if error.code == ErrorCode.OPERATION_INVALID:
            return True
        raise
    return False


def abort(domain: Domain) -> None:
    check(libvirtmod.virDomainAbortJob(domain.handle))


def suspend(domain: Domain) -> None:
    """Pause the guest: what it no longer changes need not be sent again."""
    check(libvirtmod.virDomainSuspend(domain.handle))


def start_postcopy(domain: Domain) -> None:
    """Let the guest run at the destination at once, its memory following. There is no way back."""
    check(libvirtmod.virDomainMigrateStartPostCopy(domain.handle, 0))


def set_max_downtime(domain: Domain, milliseconds: int) -> None:
    """Also before a migration begins (measured, libvirt 9.0), so that a short one has it too."""
    check(libvirtmod.virDomainMigrateSetMaxDowntime(domain.handle, milliseconds, 0))


def _number(stats: Mapping[str, object], name: str) -> int:
    value = stats.get(name, 0)
    return value if isinstance(value, int) else 0
