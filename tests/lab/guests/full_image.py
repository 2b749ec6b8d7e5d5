# SPDX-License-Identifier: GPL-2.0-or-later
"""What the full guests boot: Debian with Python on a read-only disk that all of them share.

Built once and cached under a name that changes with what is asked for. The programs that are
tested are not in it: each guest unpacks, at boot, a tar archive of what the hosts got, and one of
files of its own.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tarfile
import tempfile
from pathlib import Path
from typing import NamedTuple

from pmkvm.run import run
from tests.lab.errors import LabError
from tests.lab.guests import guest_image
from tests.lab.guests.guest_image import CACHE, MODULES, Recipe, replacing
from tests.lab.hosts import root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BUILD_TIMEOUT_S = 1800.0
SUITE = "bookworm"
PACKAGES = (
    "python3",
    "python3-cryptography",
    "python3-lxml",
    # stonith; not fence-agents, which brings three clouds' libraries
    "cluster-glue",
    "pacemaker",
    "corosync",
    "crmsh",
    # a peer to measure against
    "fence-virt",
    "systemd-sysv",
    "udev",
    "iproute2",
    "kmod",
    "procps",
    "busybox",
)
UNUSED = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*")

HERE = Path(__file__).parent
RECIPE = Recipe(
    HERE / "guest_init_disk",
    (*MODULES, "squashfs", "overlay"),
    {"lab/init": HERE / "guest_init_full", "lab/agent": HERE / "guest_agent.py"},
)

# Their names in the directory of images.
INITRAMFS = "initramfs-full"
ROOT = "full.squashfs"
PROGRAMS = "programs.tar"


class OwnFile(NamedTuple):
    """A file that one guest has and others do not, read anew at each of its boots."""

    text: str
    mode: int = 0o644


DISK = """    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/>
      <source file='{path}'/>
      <target dev='{device}' bus='virtio'/>
      <readonly/>
      <shareable/>
      <serial>{serial}</serial>
    </disk>
"""


def disks(directory: str, guest: str) -> str:
    """XML of the disks of a full guest; the directory as its host names it."""
    chosen = (
        ("vda", ROOT, "lab-root"),
        ("vdb", PROGRAMS, "lab-programs"),
        ("vdc", own_archive(guest), "lab-own"),
    )
    return "".join(
        DISK.format(path=f"{directory}/{name}", device=device, serial=serial)
        for device, name, serial in chosen
    )


def ensure(packages: Sequence[str] = PACKAGES, suite: str = SUITE) -> str:
    """The squashfs with these packages of a Debian suite; building it takes minutes."""
    include = f"--include={','.join(packages)}"
    exclude = [f"--dpkgopt=path-exclude={path}" for path in UNUSED]
    argv = ["mmdebstrap", "--variant=minbase", *exclude, include, suite]
    key = hashlib.sha256("\n".join(argv).encode()).hexdigest()[:12]
    path = os.path.join(CACHE, f"full-{key}.squashfs")
    if os.path.exists(path):
        return path
    os.makedirs(CACHE, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as work:
        tree, packed = os.path.join(work, "root"), os.path.join(work, "squashfs")
        _must([*argv, tree, root.mirror()])
        _must(["mksquashfs", tree, packed, "-comp", "lz4", "-quiet", "-no-progress"])
        os.rename(packed, path)
    return path


def place(directory: str, stage: str) -> None:
    """Put all that a full guest boots from into the directory; stage is what to unpack in it.

    Each file is replaced as a whole: a guest that runs keeps the one that it has.
    """
    _link(guest_image.ensure(RECIPE).initramfs, os.path.join(directory, INITRAMFS))
    _link(ensure(), os.path.join(directory, ROOT))
    archive = os.path.join(directory, PROGRAMS)
    content = ["-C", stage, "."] if os.path.isdir(stage) else ["-T", "/dev/null"]
    with replacing(archive) as new:
        _must(["tar", "--owner=0", "--group=0", "--numeric-owner", "-cf", new, *content])


def own_archive(guest: str) -> str:
    """Its name in the directory of images."""
    return f"own-{guest}.tar"


def place_own(directory: str, guest: str, files: Mapping[str, OwnFile]) -> None:
    """Give a guest files of its own, by their paths in it: it has them from its next boot on."""
    archive = os.path.join(directory, own_archive(guest))
    with replacing(archive) as new, tarfile.open(new, "w") as tar:
        for path, file in files.items():
            entry = tarfile.TarInfo(path.lstrip("/"))
            content = file.text.encode()
            entry.size, entry.mode = len(content), file.mode
            tar.addfile(entry, io.BytesIO(content))


def _link(source: str, target: str) -> None:
    """A hard link if that can be: the root is 120 MB."""
    with replacing(target) as new:
        try:
            os.link(source, new)
        except OSError:
            shutil.copy(source, new)


def _must(argv: list[str]) -> None:
    done = run(argv, timeout_s=BUILD_TIMEOUT_S)
    if done.rc != 0:
        raise LabError(f"{argv[0]}: {done.err.strip()[-2000:]}")
