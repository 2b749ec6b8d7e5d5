# SPDX-License-Identifier: GPL-2.0-or-later
"""What guests boot: Debian's cloud kernel, unpacked, and an initramfs with busybox.

Both are cached, an initramfs under a name that changes with its contents.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

from pmkvm.run import run
from tests.lab.errors import LabError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

CACHE = "/var/cache/pm_kvm_lab"
KERNEL_PACKAGE = "linux-image-cloud-amd64"
BUSYBOX = "/bin/busybox"
INIT = Path(__file__).with_name("guest_init")
# In the order in which they can be loaded.
MODULES = (
    "virtio_ring",
    "virtio",
    "virtio_pci_modern_dev",
    "virtio_pci_legacy_dev",
    "virtio_pci",
    "virtio_console",
    "failover",
    "net_failover",
    "virtio_net",
    "virtio_blk",
    "evdev",
    "button",
    "pvpanic",
    "pvpanic-mmio",
)


class Recipe(NamedTuple):
    """What an initramfs is made of; files says what lies where besides, and may be run."""

    init: Path = INIT
    modules: Sequence[str] = MODULES
    files: Mapping[str, Path] = {}

    def contents(self) -> dict[str, Path]:
        return {"bin/busybox": Path(BUSYBOX), "init": self.init, **self.files}


SMALL = Recipe(modules=(*MODULES, "efivarfs"))


class Image(NamedTuple):
    """Paths of a kernel and of an initramfs."""

    kernel: str
    initramfs: str


def ensure(recipe: Recipe = SMALL) -> Image:
    """Build what is not in the cache yet; the first time needs the machine's apt."""
    tree = _kernel_tree()
    kernel = next(iter(sorted(Path(tree, "boot").glob("vmlinuz-*"))), None)
    if kernel is None:
        raise LabError(f"no kernel under {tree}")
    name = f"initramfs-{_fingerprint(str(kernel), recipe)}.cpio"
    initramfs = os.path.join(CACHE, name)
    if not os.path.exists(initramfs):
        _build(tree, recipe, initramfs)
    return Image(str(kernel), initramfs)


@contextlib.contextmanager
def replacing(path: str) -> Iterator[str]:
    """Where to write what takes the path's place once it is whole, and is gone in any case."""
    new = f"{path}.new"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(new)
    try:
        yield new
        os.rename(new, path)
    finally:
        # rename() of one link to another of the same file leaves both.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(new)


def _kernel_tree() -> str:
    """The unpacked kernel package."""
    tree = os.path.join(CACHE, "kernel", "tree")
    if os.path.isdir(tree):
        return tree
    os.makedirs(os.path.dirname(tree), exist_ok=True)
    depends = _must(["apt-cache", "depends", KERNEL_PACKAGE]).split()
    package = depends[depends.index("Depends:") + 1]
    with tempfile.TemporaryDirectory(dir=os.path.dirname(tree)) as work:
        # apt-get downloads into its working directory and has no option for another one.
        _must(["env", "-C", work, "apt-get", "download", package], timeout_s=300)
        debs = list(Path(work).glob("*.deb"))
        if len(debs) != 1:
            raise LabError(f"apt-get download {package} left {len(debs)} packages")
        _must(["dpkg-deb", "-x", str(debs[0]), f"{work}/tree"], timeout_s=120)
        os.rename(f"{work}/tree", tree)
    return tree


def _build(tree: str, recipe: Recipe, target: str) -> None:
    with tempfile.TemporaryDirectory(dir=CACHE) as work:
        os.makedirs(os.path.join(work, "lib/modules"))
        for path, source in recipe.contents().items():
            copy = Path(work, path)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, copy)
            copy.chmod(0o755)
        present = [name for name in recipe.modules if _add_module(tree, name, work)]
        order = "".join(f"{name}\n" for name in present)
        Path(work, "lib/modules/order").write_text(order, encoding="ascii")
        names = [path.relative_to(work) for path in sorted(Path(work).rglob("*"))]
        listing = "".join(f"{name}\n" for name in names)
        # Not compressed: an emulated processor reads it faster than it would unpack it.
        with replacing(target) as new:
            argv = ["cpio", "--quiet", "-o", "-H", "newc", "-D", work, "-O", new]
            _must(argv, stdin=listing)


def _add_module(tree: str, name: str, work: str) -> bool:
    """A module that this kernel does not have is built in."""
    found = next(iter(Path(tree).rglob(f"{name}.ko")), None)
    if found is not None:
        shutil.copy(found, os.path.join(work, "lib/modules"))
    return found is not None


def _fingerprint(kernel: str, recipe: Recipe) -> str:
    digest = hashlib.sha256(kernel.encode())
    for path, source in recipe.contents().items():
        digest.update(path.encode())
        digest.update(source.read_bytes())
    digest.update(" ".join(recipe.modules).encode())
    return digest.hexdigest()[:12]


def _must(argv: list[str], *, timeout_s: float = 60.0, stdin: str | None = None) -> str:
    done = run(argv, timeout_s=timeout_s, stdin=stdin)
    if done.rc != 0:
        raise LabError(f"{' '.join(argv)}: {done.err.strip()}")
    return done.out
