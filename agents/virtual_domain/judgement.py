# SPDX-License-Identifier: GPL-2.0-or-later
"""What the witnesses' words mean for Pacemaker. Pure: no effects, no clock."""

from __future__ import annotations

from pmkvm.lean import NamedTuple
from pmkvm.ocf.codes import OcfCode
from pmkvm.virt.connection import State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pmkvm.virt.connection import Status

_RUNS = (State.NO_STATE, State.RUNNING, State.BLOCKED, State.PAUSED, State.SHUTDOWN)


class Verdict(NamedTuple):
    """The code for Pacemaker and why. Not is_final: the witnesses disagree, look again."""

    code: OcfCode
    reason: str
    is_final: bool = True


DEAD = Verdict(OcfCode.NOT_RUNNING, "no such QEMU lives")


def judge_living(status: Status | None) -> Verdict:
    """A guest whose QEMU lives, by libvirt's word; None: libvirt has no such domain.

    Never NOT_RUNNING: a QEMU that lives writes to its disks, whatever libvirt says of it.
    """
    if status is None:
        return Verdict(OcfCode.GENERIC, "QEMU lives, but libvirt has no such domain", False)
    if status.state in _RUNS:
        return Verdict(OcfCode.SUCCESS, status.state.name)
    final = status.state != State.SHUTOFF
    return Verdict(OcfCode.GENERIC, f"QEMU lives, but libvirt says {status.state.name}", final)


def judge_silence(reason: str) -> Verdict:
    """A guest whose QEMU lives, with a libvirt that can't be asked: the guest does not need it."""
    return Verdict(OcfCode.SUCCESS, f"QEMU lives; libvirt is silent: {reason}")


def judge_by_libvirt(status: Status | None) -> Verdict:
    """A guest of a hypervisor whose only witness is libvirt."""
    if status is None:
        return Verdict(OcfCode.NOT_RUNNING, "libvirt has no such domain")
    if status.state == State.SHUTOFF:
        return Verdict(OcfCode.NOT_RUNNING, "libvirt says SHUTOFF")
    if status.state in _RUNS:
        return Verdict(OcfCode.SUCCESS, status.state.name)
    return Verdict(OcfCode.GENERIC, f"libvirt says {status.state.name}")
