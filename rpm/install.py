# SPDX-License-Identifier: GPL-2.0-or-later
"""What `make install` does: the private directory, its bytecode, and one stub for each program.

PROGRAMS and FILES are the only tables of what is installed and where; the spec packages what they
name. Nothing outside the standard library is needed, since it runs in a build root.
"""

from __future__ import annotations

import argparse
import os
import py_compile
import stat
import sys
from importlib.util import cache_from_source
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from pmkvm import files, settings  # noqa: E402  the checkout must be on the path first

if TYPE_CHECKING:
    from collections.abc import Iterator


class Program(NamedTuple):
    """A program in its official place, and the function that it calls."""

    path: str
    main: str


class File(NamedTuple):
    """A file installed as it is, outside the private directory; directive: rpm's for its line."""

    source: str
    path: str
    directive: str = "%attr(0644, root, root)"


# What goes into the private directory.
PACKAGES = ("pmkvm", "agents", "stonith", "daemons", "vmctl", "check")

# cluster-glue looks under its own libdir: Debian's is /usr/lib, that of 64-bit RPM systems
# /usr/lib64. One noarch package serves both by having its plugins twice.
GLUE = "/usr/lib/stonith/plugins/external"
GLUE_64 = "/usr/lib64/stonith/plugins/external"

PROGRAMS = (
    Program("/usr/lib/ocf/resource.d/extra/VirtualDomain", "agents.virtual_domain.agent:main"),
    Program("/usr/lib/ocf/resource.d/extra/vm-anything", "agents.vm_anything.agent:main"),
    Program("/usr/lib/ocf/resource.d/extra/diskd", "agents.diskd.agent:main"),
    # Its name of 2011, on slides and in the configurations of clusters.
    Program("/usr/lib/ocf/resource.d/pacemaker/diskd", "agents.diskd.agent:main"),
    Program("/usr/lib/ocf/resource.d/extra/vm-client", "agents.vm_client.agent:main"),
    Program("/usr/sbin/fence_vm_stonith", "stonith.vm_stonith.fence_agent:main"),
    Program("/usr/sbin/fence_vm_helper", "stonith.stonith_helper.fence_agent:main"),
    Program(f"{GLUE}/vm-stonith", "stonith.vm_stonith.external:main"),
    Program(f"{GLUE_64}/vm-stonith", "stonith.vm_stonith.external:main"),
    Program(f"{GLUE}/stonith-helper", "stonith.stonith_helper.external:main"),
    Program(f"{GLUE_64}/stonith-helper", "stonith.stonith_helper.external:main"),
    Program("/usr/sbin/vm-stonith-key", "stonith.vm_stonith_key.main:main"),
    Program("/usr/sbin/vm-ctl", "vmctl.main:main"),
    Program("/usr/sbin/vm-log", "check.vm_log.main:main"),
    Program("/usr/sbin/vm-adopt", "agents.vm_adopt.main:main"),
    Program("/usr/sbin/vm-connect", "daemons.vm_connect:main"),
    Program("/usr/sbin/vm-connectd", "daemons.vm_connectd.main:main"),
    Program("/usr/sbin/vm-stonithd", "daemons.vm_stonithd.main:main"),
    Program("/usr/sbin/diskd", "daemons.diskd.main:main"),
    Program("/usr/sbin/vm-managerd", "daemons.vm_managerd.main:main"),
    Program("/usr/sbin/vm-client", "daemons.vm_client.main:main"),
    Program("/usr/sbin/ifcheckd", "daemons.ifcheckd.main:main"),
)

CONFIGURATION = "%config(noreplace)"
MAN = "/usr/share/man"
COMPLETIONS = "/usr/share/bash-completion/completions"
# By one file; vm-ctl has its own.
COMPLETED = (
    "diskd",
    "fence_vm_helper",
    "fence_vm_stonith",
    "ifcheckd",
    "vm-adopt",
    "vm-client",
    "vm-connect",
    "vm-connectd",
    "vm-log",
    "vm-managerd",
    "vm-stonith-key",
    "vm-stonithd",
)
SYSTEMD = "/usr/lib/systemd/system"

FILES = (
    File("vmctl/vm-ctl.conf", settings.VM_CTL_CONF, CONFIGURATION),
    File("daemons/vm_managerd/vm-manager.conf", settings.VM_MANAGER_CONF, CONFIGURATION),
    File("vmctl/vm-ctl.bash", f"{COMPLETIONS}/vm-ctl"),
    *(File("rpm/completion.bash", f"{COMPLETIONS}/{name}") for name in COMPLETED),
    # Every page that there is; a test asks for one of each program.
    *(
        File(f"doc/man/{page.name}", f"{MAN}/man{page.suffix[1:]}/{page.name}", "%doc")
        for page in sorted((ROOT / "doc" / "man").glob("*.[1-9]"))
    ),
    # For guests: without the port that the rule waits for nothing starts.
    File("daemons/vm_connectd/vm-connectd.service", f"{SYSTEMD}/vm-connectd.service"),
    File("daemons/vm_connectd/90-vm-connectd.rules", "/usr/lib/udev/rules.d/90-vm-connectd.rules"),
    File(
        "agents/virtual_domain/ordering.conf",
        f"{SYSTEMD}/resource-agents-deps.target.d/50-pm_kvm_tools.conf",
    ),
)

# -I: neither the caller's directory nor its environment decides what is imported. -S: no .pth file
# runs; those that come with fence-agents' dependencies cost each start 7 ms of 17 (a monitor: 45
# against 36, least of 25 interleaved runs each). Where site-packages lie, site tells without being
# run: that differs from one distribution to the next (dist-packages, lib64).
# dont_write_bytecode: a Python that the package was not compiled for must leave no files behind
# that the package manager does not know.
STUB = """\
#!{python} -IS
import site, sys
sys.dont_write_bytecode = True
sys.path[:] = ["{private_dir}", *sys.path, *site.getsitepackages()]
from {module} import {function}
sys.exit({function}())
"""


def stub(program: Program, python: str, private_dir: str) -> str:
    module, function = program.main.split(":")
    return STUB.format(python=python, private_dir=private_dir, module=module, function=function)


def sources(package: str) -> Iterator[Path]:
    """The files of a package that a host needs, relative to the checkout."""
    for path in sorted((ROOT / package).rglob("*.py")):
        yield path.relative_to(ROOT)


class Installer:
    """Writes below destdir only, with modes and times that depend on nothing but the arguments.

    Each file is replaced as a whole: Pacemaker may start an agent at any moment of an install.
    """

    def __init__(self, destdir: str, python: str, private_dir: str, epoch: int | None) -> None:
        self._destdir = destdir
        self._python = python
        self._private_dir = private_dir
        self._epoch = epoch
        self._installed: set[Path] = set()

    def install(self) -> None:
        for package in PACKAGES:
            for source in sources(package):
                self._install_module(source)
        for program in PROGRAMS:
            self._write(program.path, stub(program, self._python, self._private_dir), 0o755)
        for file in FILES:
            self._install_file(file)
        self._remove_what_is_no_longer_ours()
        self._settle_directories()

    def _install_module(self, source: Path) -> None:
        path = f"{self._private_dir}/{source}"
        target = self._write(path, (ROOT / source).read_text(encoding="utf-8"), 0o644)
        # Checked hash: valid whatever rpm, cpio or a backup does to times, and not wrong when a
        # person edits a module, or an update has replaced the module but not yet its bytecode.
        compiled = Path(cache_from_source(str(target)))
        py_compile.compile(
            str(target),
            cfile=str(compiled),
            dfile=path,
            doraise=True,
            invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH,
        )
        self._settle(compiled, 0o644)

    def _install_file(self, file: File) -> None:
        """A configuration that is there already is the administrator's."""
        if file.directive != CONFIGURATION or not self._target(file.path).exists():
            self._write(file.path, (ROOT / file.source).read_text(encoding="utf-8"), 0o644)

    def _write(self, path: str, text: str, mode: int) -> Path:
        target = self._target(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        new = Path(files.temporary_name(str(target)))
        with open(files.create(str(new), mode), "w", encoding="utf-8") as file:
            file.write(text)
        self._settle(new, mode)
        new.replace(target)
        self._installed.add(target)
        return target

    def _settle(self, target: Path, mode: int) -> None:
        target.chmod(mode)
        if self._epoch is not None:
            os.utime(target, (self._epoch, self._epoch))
        self._installed.add(target)

    def _remove_what_is_no_longer_ours(self) -> None:
        """A module that the project no longer has must not stay importable."""
        for path in self._target(self._private_dir).rglob("*"):
            if path.is_file() and path not in self._installed:
                path.unlink()

    def _settle_directories(self) -> None:
        private_dir = self._target(self._private_dir)
        deepest_first = sorted(private_dir.rglob("*/"), reverse=True)
        for directory in (*(path for path in deepest_first if path.is_dir()), private_dir):
            if any(directory.iterdir()):
                self._settle(directory, 0o755)
            else:
                directory.rmdir()

    def _target(self, path: str) -> Path:
        return Path(self._destdir + path)


def manifest() -> str:
    """What lies outside the private directory, as rpm's %files -f reads it."""
    programs = [program.path for program in PROGRAMS]
    # rpm compresses manual pages, and names them so.
    packed = {file: "*" if file.path.startswith(MAN) else "" for file in FILES}
    files = [f"{file.directive} {file.path}{ending}" for file, ending in packed.items()]
    # Also the directories of drop-ins: no package that we need owns them.
    drop_ins = {os.path.dirname(file.path) for file in FILES}
    directories = sorted(f"%dir {name}" for name in drop_ins if name.endswith(".target.d"))
    return "\n".join([*programs, *files, *directories, ""])


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description="install pm_kvm_tools")
    parser.add_argument("--destdir", default="", help="put everything below this directory")
    parser.add_argument("--python", default="/usr/bin/python3", help="interpreter of the stubs")
    parser.add_argument("--private-dir", default=settings.PRIVATE_DIR, help="where modules live")
    parser.add_argument("--manifest", help="write the list of installed programs and files here")
    options = parser.parse_args(argv)
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    os.umask(stat.S_IWGRP | stat.S_IWOTH)
    Installer(
        options.destdir, options.python, options.private_dir, None if epoch is None else int(epoch)
    ).install()
    if options.manifest:
        Path(options.manifest).write_text(manifest(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
