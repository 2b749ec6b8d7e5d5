# SPDX-License-Identifier: GPL-2.0-or-later
"""Where Pacemaker's tools are tried: this machine, and roots of the lab that are built."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from pmkvm import run
from pmkvm.run import Completed
from tests.lab.hosts import root as hosts_root

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pytest

HERE = Path("/")
# Suites of Debian whose tools are known: others that somebody builds say other things.
SUITES = ("trixie", "sid")
ROOTS = [HERE, *filter(Path.is_dir, map(Path, map(hosts_root.directory, SUITES)))]


def inside(root: Path, path: Path) -> str:
    """A path of this machine as that root has it."""
    return f"/{path.relative_to(root)}"


def enter(root: Path) -> tuple[str, ...]:
    """Before a command line that is to run in it."""
    return () if root == HERE else ("chroot", str(root))


@contextlib.contextmanager
def directory(root: Path, name: str) -> Iterator[Path]:
    """One in that root, which is removed again."""
    made = root / "tmp" / f"{name}-{os.getpid()}"
    made.mkdir()
    try:
        yield made
    finally:
        shutil.rmtree(made)


class Tools:
    """Those of a root, on a CIB in a file: whoever calls a tool here calls it there. node: what
    crm_node is to say, which no file tells."""

    def __init__(self, root: Path, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._root, self._directory = root, directory
        self.node = ""
        real = run.run

        def called(argv: Sequence[str], **more: object) -> Completed:
            if argv[0] == "crm_node":
                return Completed(0, self.node, "")
            return real((*enter(root), *argv), **more)  # type: ignore[arg-type]

        monkeypatch.setattr(run, "run", called)
        monkeypatch.setenv("CIB_file", self.name(self.cib))

    @property
    def cib(self) -> Path:
        return self.path("cib.xml")

    def path(self, name: str) -> Path:
        return self._directory / name

    def name(self, path: Path) -> str:
        """What the tools call it."""
        return inside(self._root, path)
