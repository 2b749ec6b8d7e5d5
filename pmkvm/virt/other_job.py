# SPDX-License-Identifier: GPL-2.0-or-later
"""What an administrator has libvirt do with a running domain: a job, and how far it is.

libvirt has no two of them beside each other, and none of a disk beside a migration.
"""

from __future__ import annotations

from pmkvm.virt import definition
from pmkvm.virt.connection import libvirtmod, result

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from pmkvm.virt.connection import Domain

_MIB = 1 << 20
# virDomainJobType of a job under way; 0 is none, 3 and more are ends.
_UNDER_WAY = (1, 2)
# virDomainJobOperation and virDomainBlockJobType.
_OF_DOMAIN = {
    1: "start",
    2: "save",
    3: "restore",
    4: "arrival",
    5: "migration",
    6: "snapshot",
    7: "return to a snapshot",
    8: "dump",
    9: "backup",
    10: "removal of a snapshot",
}
_OF_DISK = {1: "block pull", 2: "block copy", 3: "block commit", 4: "block commit", 5: "backup"}


def under_way(domain: Domain) -> str:
    """Empty if there is none. Raises LibvirtError."""
    stats = result(libvirtmod.virDomainGetJobStats(domain.handle, 0))
    if stats.get("type") in _UNDER_WAY:
        return _of_domain(stats)
    root = definition.parse(domain.description().encode(), "libvirt's definition")
    for target in root.iterfind("devices/disk/target"):
        disk = target.get("dev", "")
        job = result(libvirtmod.virDomainGetBlockJobInfo(domain.handle, disk, 0))
        if job:
            return _of_disk(disk, job)
    return ""


def _of_domain(stats: Mapping[str, object]) -> str:
    def number(name: str) -> int:
        value = stats.get(name, 0)
        return value if isinstance(value, int) else 0

    what = _OF_DOMAIN.get(number("operation"), "job of another kind")
    # Of memory and disks, or of disks alone.
    kind = "data" if number("data_total") else "disk"
    done, total = number(f"{kind}_processed") // _MIB, number(f"{kind}_total") // _MIB
    return f"a {what}, under way for {number('time_elapsed') // 1000} s, {done} of {total} MiB"


def _of_disk(disk: str, job: Mapping[str, int]) -> str:
    what = _OF_DISK.get(job.get("type", 0), "block job")
    done, total = job.get("cur", 0), job.get("end", 0)
    return f"a {what} of {disk}, {done // _MIB} of {total // _MIB} MiB"
