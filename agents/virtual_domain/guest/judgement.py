# SPDX-License-Identifier: GPL-2.0-or-later
"""What the witnesses' words mean for Pacemaker. Pure: no effects, no clock."""

from __future__ import annotations

from pmkvm.light_types import NamedTuple
from pmkvm.ocf.codes import OcfCode
from pmkvm.virt.connection import PausedReason, State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pmkvm.virt.connection import Status

_RUNS = (State.NO_STATE, State.RUNNING, State.BLOCKED, State.PAUSED, State.SHUTDOWN)
# What a guest that its disk has left behind is: the values of the parameter on_io_error.
_IO_ERROR = {
    "ok": OcfCode.SUCCESS,
    "degraded": OcfCode.DEGRADED,
    "failed": OcfCode.GENERIC,
    "resume": OcfCode.DEGRADED,
}
# Paused for one of these it serves nobody until a person has looked at it. For all others a
# person, or libvirt for a moment, has paused it.
_PAUSED = {
    PausedReason.DUMP: (
        OcfCode.DEGRADED,
        "paused while libvirt dumps its memory; if no dump is under way: `virsh resume`",
    ),
    PausedReason.WATCHDOG: (
        OcfCode.DEGRADED,
        "paused by its watchdog: `virsh resume` or restart it",
    ),
    PausedReason.CRASHED: (OcfCode.GENERIC, "has crashed and was paused"),
    PausedReason.POSTCOPY_FAILED: (
        OcfCode.DEGRADED,
        "cut in two by a failed post-copy migration: `virsh migrate --postcopy-resume`",
    ),
    PausedReason.API_ERROR: (OcfCode.DEGRADED, "paused by an error of libvirt's: `virsh resume`"),
}


class Verdict(NamedTuple):
    """The code for Pacemaker and why.

    Not is_final: the witnesses disagree, look again. wants_resume: the guest may go on.
    """

    code: OcfCode
    reason: str
    is_final: bool = True
    wants_resume: bool = False

    @property
    def lives(self) -> bool:
        """Whether the guest is here and is to stay so."""
        return self.code in (OcfCode.SUCCESS, OcfCode.DEGRADED)


DEAD = Verdict(OcfCode.NOT_RUNNING, "no such QEMU lives")


def judge_living(status: Status | None, on_io_error: str = "ok") -> Verdict:
    """A guest whose QEMU lives, by libvirt's word; None: libvirt has no such domain.

    Never NOT_RUNNING: a QEMU that lives writes to its disks, whatever libvirt says of it.
    """
    if status is None:
        return Verdict(OcfCode.GENERIC, "QEMU lives, but libvirt has no such domain", False)
    verdict = _judge_active(status, on_io_error)
    if verdict is not None:
        return verdict
    final = status.state != State.SHUTOFF
    return Verdict(OcfCode.GENERIC, f"QEMU lives, but libvirt says {status.state.name}", final)


def has_crashed(status: Status) -> bool:
    """Then libvirt may be at work on it: the parameter on_crash of its definition."""
    return status.state == State.CRASHED or status == (State.PAUSED, PausedReason.CRASHED)


def judge_dump(dump: str) -> Verdict:
    """A guest that has crashed, and whose memory is being dumped. Restarted now, the dump would be
    cut off; after it libvirt restarts the guest, or ends it."""
    return Verdict(OcfCode.DEGRADED, f"has crashed, and {dump}")


def judge_silence(reason: str) -> Verdict:
    """A guest whose QEMU lives, with a libvirt that can't be asked: the guest does not need it."""
    return Verdict(OcfCode.SUCCESS, f"QEMU lives; libvirt is silent: {reason}")


def judge_by_libvirt(status: Status | None, on_io_error: str = "ok") -> Verdict:
    """A guest of a hypervisor whose only witness is libvirt."""
    if status is None:
        return Verdict(OcfCode.NOT_RUNNING, "libvirt has no such domain")
    if status.state == State.SHUTOFF:
        return Verdict(OcfCode.NOT_RUNNING, "libvirt says SHUTOFF")
    verdict = _judge_active(status, on_io_error)
    return verdict or Verdict(OcfCode.GENERIC, f"libvirt says {status.state.name}")


def _judge_active(status: Status, on_io_error: str) -> Verdict | None:
    """None for a state that is a failure."""
    if status.state == State.PM_SUSPENDED:
        # Healthy: it has put itself to sleep. A recovery would cost it its memory.
        text = "asleep by its own doing (suspended to memory): `virsh dompmwakeup`"
        return Verdict(OcfCode.DEGRADED, text)
    if status.state not in _RUNS:
        return None
    if status.state != State.PAUSED:
        return Verdict(OcfCode.SUCCESS, status.state.name)
    if status.reason == PausedReason.IO_ERROR:
        text = "paused by an I/O error: look at its storage, then `virsh resume`"
        return Verdict(_IO_ERROR[on_io_error], text, wants_resume=on_io_error == "resume")
    code, text = _PAUSED.get(PausedReason(status.reason), (OcfCode.SUCCESS, State.PAUSED.name))
    return Verdict(code, text)
