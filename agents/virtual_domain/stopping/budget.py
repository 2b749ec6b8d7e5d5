# SPDX-License-Identifier: GPL-2.0-or-later
"""How a stop's time is shared out between the guest, libvirt and the kernel. Pure."""

from __future__ import annotations

from pmkvm.light_types import NamedTuple
from pmkvm.ocf.codes import OcfCode
from pmkvm.ocf.errors import OcfError

# Kept back for the destroy unless a parameter says how much: libvirt itself waits 10 s between
# SIGTERM and SIGKILL (virProcessKillPainfully), and as long again for the devices of a host.
_DESTROY_SHARE = 1 / 3
_DESTROY_MAX_S = 20.0
# Whatever the parameter says: a guest that is asked gets this much to answer in.
_ASK_MIN_SHARE = 1 / 3

# Of what is kept back. libvirt may be stuck, and the kernel needs time as well.
_LIBVIRT_SHARE = 0.5
# QEMU flushes its image formats' metadata on SIGTERM.
_TERM_SHARE = 0.15
_TERM_MAX_S = 5.0
# Left at the end to say that QEMU survived.
_RESERVE_SHARE = 0.15
_RESERVE_MAX_S = 1.0

# virDomainShutdownFlagValues, by virsh's names for them. libvirt chooses what has no name.
METHODS = {"acpi": 1, "agent": 2, "initctl": 4, "signal": 8, "paravirt": 16}
_LIBVIRTS_CHOICE = 0


class Destroy(NamedTuple):
    """Seconds for each way to end QEMU."""

    libvirt_s: float
    term_s: float
    kill_s: float


def destroy_margin(time_s: float, wanted_s: int) -> float:
    """What is kept back of a stop's time for the destroy; 0 is wanted by who leaves it to us."""
    if wanted_s:
        return min(float(wanted_s), time_s * (1 - _ASK_MIN_SHARE))
    return min(_DESTROY_MAX_S, time_s * _DESTROY_SHARE)


def destroy(time_s: float) -> Destroy:
    """The time that is left, shared out."""
    libvirt_s = time_s * _LIBVIRT_SHARE
    term_s = min(_TERM_MAX_S, time_s * _TERM_SHARE)
    reserve_s = min(_RESERVE_MAX_S, time_s * _RESERVE_SHARE)
    return Destroy(libvirt_s, term_s, time_s - libvirt_s - term_s - reserve_s)


def methods(shutdown_mode: str, *, is_qemu: bool) -> tuple[int, ...]:
    """libvirt's numbers of the ways to ask, in their order. Raises OcfError CONFIGURED.

    Not set, libvirt chooses. For QEMU that is the guest agent where its channel is configured, and
    libvirt waits for a silent one for 60 s: the second request is the power button.
    """
    names = shutdown_mode.replace(",", " ").split()
    unknown = [name for name in names if name not in METHODS]
    if unknown:
        raise OcfError(
            OcfCode.CONFIGURED,
            f"parameter shutdown_mode: {unknown[0]!r} is none of {', '.join(METHODS)}",
        )
    if names:
        return tuple(METHODS[name] for name in names)
    return (_LIBVIRTS_CHOICE, METHODS["acpi"]) if is_qemu else (_LIBVIRTS_CHOICE,)


def method(order: tuple[int, ...], request: int) -> int:
    """Of a request, counted from 0: each method once, then the last one again and again."""
    return order[min(request, len(order) - 1)]
