# SPDX-License-Identifier: GPL-2.0-or-later
"""What of a guest lies beside its disks: UEFI variables and the state of an emulated TPM.

On a disk of one host they are not there when the guest starts on another: it begins with empty
variables, and with a new TPM, for which BitLocker asks for its key. A live migration takes them
along.
"""

from __future__ import annotations

import os
import re

from pmkvm import files, settings
from pmkvm.light_types import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from xml.etree.ElementTree import Element

# Where libvirt puts them if the definition does not say.
_VARIABLES = "/var/lib/libvirt/qemu/nvram"
_TPMS = "/var/lib/libvirt/swtpm"
# As mountinfo names file systems of several hosts; FUSE has the program behind a dot.
_SHARED = (
    *("nfs", "nfs4", "cifs", "smb3", "ceph", "gfs2", "ocfs2", "lustre", "gpfs", "beegfs"),
    *("orangefs", "afs", "glusterfs", "cephfs", "mfs"),
)
_REPLICATED = "/dev/drbd"
# 35 KiB of comments; and a line of mountinfo has some 100 bytes.
_LONGEST = 1 << 20
_SHARED_BY_LIBVIRT = re.compile(r"^\s*shared_filesystems\s*=\s*\[([^\]]*)\]", re.MULTILINE)


class State(NamedTuple):
    """what: for a person. path: where this host has it, or would."""

    what: str
    path: str

    def __str__(self) -> str:
        return f"{self.what} ({self.path})"


class Mount(NamedTuple):
    """A file system of this host."""

    point: str
    kind: str
    source: str


def of(root: Element) -> list[State]:
    """By a definition. What lies on a device or on the network needs nobody's care. Pure."""
    return [*_variables(root), *_tpms(root)]


def not_shared(root: Element) -> list[State]:
    """Of these what other hosts can't see, as far as this host can tell.

    May take for ever where a path lies on a mount that hangs. Raises OSError.
    """
    states = of(root)
    private = unshared(each.path for each in states)
    return [each for each in states if each.path in private]


def unshared(paths: Iterable[str]) -> set[str]:
    """Those that other hosts can't see, as not_shared() tells."""
    wanted = set(paths)
    if not wanted:
        return set()
    directories = shared_by_libvirt(files.read_text(settings.QEMU_CONF, _LONGEST) or "")
    mounts = parse_mounts(files.read_text(f"{settings.PROC}/self/mountinfo", _LONGEST) or "")
    return {path for path in wanted if not _is_shared(os.path.realpath(path), directories, mounts)}


def shared_by_libvirt(text: str) -> list[str]:
    """Directories that qemu.conf declares shared. Pure."""
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
    found = _SHARED_BY_LIBVIRT.findall("\n".join(lines))
    return re.findall(r"[\"']([^\"']+)[\"']", found[-1]) if found else []


def parse_mounts(text: str) -> list[Mount]:
    """Of mountinfo: proc_pid_mountinfo(5). Pure."""
    found = []
    for line in text.splitlines():
        mine, _, rest = line.partition(" - ")
        fields, more = mine.split(" "), rest.split(" ")
        if len(fields) > 4 and len(more) > 1:  # noqa: PLR2004 - the fifth is the mount point
            found.append(Mount(_plain(fields[4]), more[0], more[1]))
    return found


def _plain(text: str) -> str:
    r"""A blank is \040 there."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)


def _is_shared(path: str, directories: list[str], mounts: list[Mount]) -> bool:
    if any(_is_in(path, each) for each in directories):
        return True
    # Of two on one point the later one counts.
    around = [each for each in mounts if _is_in(path, each.point)]
    if not around:
        return False
    mount = max(enumerate(around), key=lambda each: (len(each[1].point), each[0]))[1]
    return mount.kind.rpartition(".")[2] in _SHARED or mount.source.startswith(_REPLICATED)


def _is_in(path: str, directory: str) -> bool:
    return f"{path}/".startswith(f"{directory.rstrip('/')}/")


def _variables(root: Element) -> Iterator[State]:
    what, loader, nvram = "its UEFI variables", root.find("os/loader"), root.find("os/nvram")
    firmware = root.find("os[@firmware='efi']")
    if loader is not None and (loader.get("stateless") == "yes" or loader.get("type") == "rom"):
        return
    if nvram is not None and nvram.get("type", "file") != "file":
        return
    has_any = nvram is not None or firmware is not None
    if has_any or (loader is not None and loader.get("type") == "pflash"):
        source = None if nvram is None else nvram.find("source")
        path = "" if nvram is None else (nvram.text or "").strip()
        path = path or ("" if source is None else source.get("file", ""))
        name = (root.findtext("name") or "").strip()
        yield State(what, path or f"{_VARIABLES}/{name}_VARS.fd")


def _tpms(root: Element) -> Iterator[State]:
    for backend in root.iterfind("devices/tpm/backend[@type='emulator']"):
        source = backend.find("source")
        path = "" if source is None else source.get("path", "")
        uuid = (root.findtext("uuid") or "").strip()
        yield State("the state of its TPM", path or f"{_TPMS}/{uuid}")
