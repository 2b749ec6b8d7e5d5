# SPDX-License-Identifier: GPL-2.0-or-later
"""What a guest keeps on one host, and what keeps it there: private state, caches, saves. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from check.vm_check.finding import Hinders, Kind, Severity
from pmkvm.virt import private_state

if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree.ElementTree import Element

    from check.vm_check.facts import Facts, Guest
    from check.vm_check.finding import Finding

NVRAM_MISSING = Kind(
    "nvram-missing",
    Severity.ERROR,
    "The guest's UEFI variables are on another host alone: after a start on this one it begins with"
    " empty ones, and may not find its boot loader. A live move takes them along.",
    "put {path} on storage that all hosts share, or copy it to {host} while the guest is stopped",
)
NVRAM_LOCAL = Kind(
    "nvram-local",
    Severity.WARNING,
    "Each host has UEFI variables of its own for the guest: after a start elsewhere it has older"
    " ones.",
    "put {path} on storage that all hosts share, and name that path in <nvram>",
)
TPM_LOCAL = Kind(
    "tpm-local",
    Severity.WARNING,
    "The state of the guest's TPM is on a disk of one host: a start elsewhere begins with a new"
    " TPM, for which BitLocker asks for its key. A live move takes it along.",
    "put {path} on storage that all hosts share, at the same path",
)
CACHE_UNSAFE = Kind(
    "cache-unsafe",
    Severity.WARNING,
    "libvirt refuses to move the guest live for the cache mode of a disk: it is stopped, and"
    " started elsewhere.",
    '`virsh edit {subject}` on each host: cache="none" for {disk}, and a restart of the guest',
    Hinders.LIVE,
)
DEVICE_STAYS = Kind(
    "device-stays",
    Severity.WARNING,
    "A device of the guest belongs to its host, so libvirt refuses to move it live: it is stopped,"
    " and started elsewhere.",
    "`virsh edit {subject}` on each host: remove {device}, if the guest can do without it",
    Hinders.LIVE,
)
DIRECTORY_SHARED = Kind(
    "directory-shared",
    Severity.WARNING,
    "The guest has a directory of its host: while it has mounted that, QEMU refuses to move it"
    " live.",
    "before a move, in the guest: `umount` of what has the tag {tag}",
    Hinders.PERHAPS,
)
SNAPSHOT = Kind(
    "snapshot",
    Severity.WARNING,
    "libvirt has snapshots of the guest, and moves none that has any live: it is stopped, and"
    " started elsewhere.",
    "on {where}: `virsh snapshot-list {subject}`, and `virsh snapshot-delete` each",
    Hinders.LIVE,
)
MANAGED_SAVE = Kind(
    "managed-save",
    Severity.ERROR,
    "libvirt keeps a saved memory of the guest on the host, maybe older than its disks: a start"
    " there is refused.",
    "on {host}: `virsh managedsave-remove {subject}`",
    Hinders.START,
)
JOB = Kind(
    "job-under-way",
    Severity.WARNING,
    "libvirt is at a job with the guest, such as a block copy or a backup: no live move begins"
    " before it ends.",
    "on {where}: `virsh domjobinfo {subject}`; wait, or end it by `virsh domjobabort` or"
    " `virsh blockjob --abort`",
    Hinders.LIVE,
)
PAUSED = Kind(
    "guest-stands-still",
    Severity.WARNING,
    "The guest is there and does not run: paused by a person, by an error of its disk or by a"
    " crash.",
    "on {where}: `virsh domstate --reason {subject}`, then `virsh resume` or `virsh reset`",
)
KINDS = (
    *(NVRAM_MISSING, NVRAM_LOCAL, TPM_LOCAL, CACHE_UNSAFE, DEVICE_STAYS, DIRECTORY_SHARED),
    *(SNAPSHOT, MANAGED_SAVE, JOB, PAUSED),
)

_TPM = "TPM"
_SAFE_CACHES = ("none", "directsync")
# Of QEMU 4.0, from which on the target drops what it has cached of a file; libvirt's form.
_DROPS_CACHE = 4_000_000
_STAYING = (
    ("hostdev", "the host's device"),
    ("filesystem/driver[@type='virtiofs']/..", "a directory of the host by virtiofs"),
    ("shmem", "memory that it shares with the host"),
    ("interface[@type='hostdev']", "a network card of the host"),
)
_STILL = ("paused", "crashed", "pm_suspended")


def findings(facts: Facts) -> Iterator[Finding]:
    for guest in facts.each():
        root = facts.definition(guest)
        if root is not None:
            yield from _private(facts, guest, root)
            yield from _devices(guest, root)
            yield from _caches(facts, guest, root)
        yield from _states(facts, guest)


def _private(facts: Facts, guest: Guest, root: Element) -> Iterator[Finding]:
    for state in private_state.of(root):
        is_private = state in facts.private.get(guest.domain, ())
        told = {
            n: h.paths[state.path] for n, h in facts.answering().items() if state.path in h.paths
        }
        having = [node for node, lack in told.items() if not lack]
        if _TPM in state.what:
            if is_private:
                text = f"{state}: as far as {facts.this_host} can tell, no other host sees it"
                yield TPM_LOCAL.finding(guest.domain, text, path=state.path)
        elif having and len(having) < len(told):
            for node in (each for each in told if told[each]):
                text = f"{state}: {told[node]}, on {node}; {', '.join(having)} has it"
                yield NVRAM_MISSING.finding(guest.domain, text, host=node, path=state.path)
        elif len(having) > 1 and is_private:
            text = f"{state}: as far as {facts.this_host} can tell, each host has its own"
            yield NVRAM_LOCAL.finding(guest.domain, text, path=state.path)


def _devices(guest: Guest, root: Element) -> Iterator[Finding]:
    for path, what in _STAYING:
        found = root.find(f"devices/{path}")
        if found is not None:
            text = f"it has {what}: <{found.tag}>"
            yield DEVICE_STAYS.finding(guest.domain, text, device=f"<{found.tag}>")
    for shared in root.iterfind("devices/filesystem"):
        driver, target = shared.find("driver"), shared.find("target")
        if driver is None or driver.get("type", "path") == "path":
            tag = "" if target is None else target.get("dir", "")
            text = f"it has a directory of the host, with the tag {tag}"
            yield DIRECTORY_SHARED.finding(guest.domain, text, tag=tag)


def _caches(facts: Facts, guest: Guest, root: Element) -> Iterator[Finding]:
    """As libvirt judges before a migration."""
    options = guest.parameters.get("migrate_options", "")
    if "--unsafe" in options or "--copy-storage" in options:
        return
    drops = all(host.hypervisor >= _DROPS_CACHE for host in facts.answering().values())
    for disk in root.iterfind("devices/disk"):
        source, driver, target = disk.find("source"), disk.find("driver"), disk.find("target")
        cache = "" if driver is None else driver.get("cache", "")
        path = "" if source is None else source.get("file") or source.get("dev") or ""
        is_read = disk.find("readonly") is not None or disk.find("shareable") is not None
        if not path or cache in _SAFE_CACHES or is_read or disk.get("device") == "cdrom":
            continue
        if path in facts.unshared or not drops:
            name = "" if target is None else target.get("dev", "")
            text = f"disk {name} {path} has cache mode {cache or 'default'}"
            yield CACHE_UNSAFE.finding(guest.domain, text, disk=name)


def _states(facts: Facts, guest: Guest) -> Iterator[Finding]:
    for node, domain in facts.domains(guest.domain).items():
        if domain.snapshots:
            text = f"libvirt on {node} has {domain.snapshots} snapshots of it"
            yield SNAPSHOT.finding(guest.domain, text, where=node)
        if domain.saved:
            text = f"{domain.saved.partition(':')[0]}, on {node}"
            yield MANAGED_SAVE.finding(guest.domain, text, host=node)
        if domain.job:
            text = f"libvirt on {node} is at {domain.job}"
            yield JOB.finding(guest.domain, text, where=node)
        if domain.state in _STILL:
            text = f"it is {domain.state.replace('_', ' ')} on {node}"
            yield PAUSED.finding(guest.domain, text, where=node)
