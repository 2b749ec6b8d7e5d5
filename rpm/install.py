# SPDX-License-Identifier: GPL-2.0-or-later
"""What `make install` does: the private directory, its bytecode, and one stub for each program.

contents.py has the tables of what is installed and where. Nothing outside the standard library is
needed, since it runs in a build root.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import py_compile
import shutil
import stat
import sys
from importlib.util import cache_from_source
from pathlib import Path
from typing import NamedTuple

from contents import (
    ALL,
    COMMON,
    CONFIGURATION,
    DIRECTORIES,
    FILES,
    HOST,
    MODULES,
    PROGRAMS,
    ROOT,
    Directory,
    File,
    Program,
    manifest,
)
from versions import sources, stub, version_dir

from pmkvm import files, outlast, settings
from pmkvm.pacemaker import removal


class Place(NamedTuple):
    """Where all goes, and by whose interpreter it runs. root: where destdir will be; epoch: the
    time that all files get; is_kept: the package manager keeps a copy of the modules, as Debian's
    must."""

    destdir: str
    python: str
    root: str
    libdir: str
    private_dir: str
    epoch: int | None
    is_kept: bool


class Installer:
    """Writes below destdir only, with modes and times that depend on nothing but the arguments.

    Each file is replaced as a whole: Pacemaker may start an agent at any moment of an install.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._installed: set[Path] = set()

    def install(self, packages: tuple[str, ...] = ALL) -> None:
        if COMMON in packages:
            self._install_modules()
        self._install_around_modules(packages)
        if not self._place.destdir:
            # As a package manager does, which removes the modules of old programs behind them.
            outlast.wait()
        if COMMON in packages:
            self._remove_what_is_no_longer_ours()
            self._settle_directories()

    def _install_modules(self) -> None:
        for module in MODULES:
            for source in sources(module):
                self._install_module(source)

    def _install_around_modules(self, packages: tuple[str, ...]) -> None:
        for directory in DIRECTORIES:
            if directory.package in packages:
                self._make_directory(directory)
        for program in PROGRAMS:
            if program.package in packages:
                self._write(program.path, self._stub(program), 0o755)
        for file in FILES:
            if file.package in packages:
                self._install_file(file)

    def _stub(self, program: Program) -> str:
        private_dir = self._place.root + self._place.private_dir
        return stub(program, self._place.python, private_dir, is_kept=self._place.is_kept)

    def _install_module(self, source: Path) -> None:
        path = f"{self._place.private_dir}/{source}"
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

    def _make_directory(self, directory: Directory) -> None:
        """One that is there already is the administrator's, as a configuration is."""
        target = self._target(directory.path)
        if not target.exists():
            target.mkdir(parents=True)
            target.chmod(directory.mode)

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
        if self._place.epoch is not None:
            os.utime(target, (self._place.epoch, self._place.epoch))
        self._installed.add(target)

    def _remove_what_is_no_longer_ours(self) -> None:
        for path in self._target(settings.PRIVATE_DIR).rglob("*"):
            if path.is_file() and path not in self._installed:
                path.unlink()

    def _settle_directories(self) -> None:
        top = self._target(settings.PRIVATE_DIR)
        deepest_first = sorted(top.rglob("*/"), reverse=True)
        for directory in (*(path for path in deepest_first if path.is_dir()), top):
            if any(directory.iterdir()):
                self._settle(directory, 0o755)
            else:
                directory.rmdir()

    def _target(self, path: str) -> Path:
        return Path(self._place.destdir + path.format(libdir=self._place.libdir))


# While a cluster on this host names one of these, nothing of ours may go.
HELD = ("ocf:extra:", "ocf:pacemaker:diskd")


def uninstall(place: Place) -> None:
    """Remove what install() has put there, but for a configuration that was edited, and for a
    directory in which there is anything else: the keys of fencing stay."""

    def target(path: str) -> Path:
        return Path(place.destdir + path.format(libdir=place.libdir))

    for program in PROGRAMS:
        target(program.path).unlink(missing_ok=True)
    for file in FILES:
        path, source = target(file.path), (ROOT / file.source).read_bytes()
        if file.directive != CONFIGURATION or (path.exists() and path.read_bytes() == source):
            path.unlink(missing_ok=True)
    if not place.destdir:
        outlast.wait()
    shutil.rmtree(target(settings.PRIVATE_DIR), ignore_errors=True)
    for path in sorted((target(directory.path) for directory in DIRECTORIES), reverse=True):
        # Missing, or somebody else's too.
        with contextlib.suppress(OSError):
            path.rmdir()


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description="install pm_kvm_tools")
    parser.add_argument("--destdir", default="", help="put everything below this directory")
    parser.add_argument("--python", default="/usr/bin/python3", help="interpreter of the stubs")
    parser.add_argument("--release", default="", help="the package's, behind the version")
    parser.add_argument("--root", default="", help="where destdir will be, for the stubs' sake")
    parser.add_argument("--libdir", default="/usr/lib", help="where cluster-glue has its plugins")
    parser.add_argument("--package", choices=ALL, help="install this one's files alone")
    parser.add_argument("--kept", action="store_true", help="a removed version leaves a copy")
    parser.add_argument("--uninstall", action="store_true", help="remove all of it")
    parser.add_argument("--manifests", help="write a list of what is installed for each package")
    options = parser.parse_args(argv)
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    os.umask(stat.S_IWGRP | stat.S_IWOTH)
    place = Place(
        options.destdir,
        options.python,
        options.root,
        options.libdir,
        version_dir(options.release),
        None if epoch is None else int(epoch),
        options.kept,
    )
    if options.uninstall:
        if not place.destdir and removal.refuse(HOST, HELD):
            return 1
        uninstall(place)
        return 0
    Installer(place).install((options.package,) if options.package else ALL)
    if options.manifests:
        for package in ALL:
            path = Path(options.manifests) / f"{package}.files"
            path.write_text(manifest(package, options.libdir), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
