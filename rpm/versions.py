# SPDX-License-Identifier: GPL-2.0-or-later
"""The directory of one build's modules, and the stubs that name it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from contents import MODULES, ROOT, Program

from pmkvm import settings
from pmkvm.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

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
sys.path[:] = [{directories}, *sys.path, *site.getsitepackages()]
from {module} import {function}
sys.exit({function}())
"""


# Debian's dpkg removes a version's modules before it has replaced the programs that name them. So
# its packages keep a copy under this name until then, and their stubs look there first.
KEPT = ".kept"


def stub(program: Program, python: str, private_dir: str, *, is_kept: bool) -> str:
    module, function = program.main.split(":")
    named = (private_dir + KEPT, private_dir) if is_kept else (private_dir,)
    directories = ", ".join(f'"{directory}"' for directory in named)
    return STUB.format(python=python, directories=directories, module=module, function=function)


def version_dir(release: str) -> str:
    """Where the modules of one build are, and of no other one: a process that runs through an
    upgrade never loads modules of two versions. Without a release, their content tells builds
    apart."""
    return f"{settings.PRIVATE_DIR}/{VERSION}-{release or _digest()}"


def _digest() -> str:
    digest = hashlib.sha256()
    for package in MODULES:
        for source in sources(package):
            text = (ROOT / source).read_bytes()
            digest.update(f"{source} {len(text)}\n".encode() + text)
    return digest.hexdigest()[:12]


def sources(package: str) -> Iterator[Path]:
    """The files of a package that a host needs, relative to the checkout."""
    for path in sorted((ROOT / package).rglob("*.py")):
        yield path.relative_to(ROOT)
