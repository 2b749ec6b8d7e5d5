# SPDX-License-Identifier: GPL-2.0-or-later
"""What to do with a migration under way, by libvirt's own figures. Pure."""

from __future__ import annotations

from pmkvm.light_types import IntEnum, NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pmkvm.virt.job import Job


class Order(IntEnum):
    """What libvirt is told meanwhile, once each."""

    POSTCOPY = 1
    SUSPEND = 2


class Steering(NamedTuple):
    """What the parameters, and virsh's own options, want done."""

    max_downtime_ms: int = 0
    postcopy_at_half: bool = False
    postcopy_after_precopy: bool = False
    timeout_s: int = 0
    postcopy_at_timeout: bool = False


def steer(steering: Steering, job: Job, time_s: float) -> Order | None:
    """What is due. time_s: what the migration may take in all.

    Post-copy begins when the memory has gone over once: what is missing then is what the guest
    has changed, and it has half of the time to follow. An iteration counts from 1.
    """
    was_sent_once = job.iteration > 1
    if steering.postcopy_after_precopy and was_sent_once:
        return Order.POSTCOPY
    if steering.postcopy_at_half and was_sent_once and job.elapsed_s >= time_s / 2:
        return Order.POSTCOPY
    if steering.timeout_s and job.elapsed_s >= steering.timeout_s:
        return Order.POSTCOPY if steering.postcopy_at_timeout else Order.SUSPEND
    return None
