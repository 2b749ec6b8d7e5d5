# SPDX-License-Identifier: GPL-2.0-or-later
"""Packages of this checkout and of a release after it, whose modules don't fit this one's."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from pmkvm.run import run
from tests import tree

if TYPE_CHECKING:
    from pathlib import Path

SOURCES = (
    *("Makefile", "LICENSE", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "setup.cfg"),
    *("ruff.toml", "bootstrap", ".ci", "rpm", "debian", "stubs", "tests"),
    *("pmkvm", "agents", "stonith", "daemons", "vmctl", "check", "doc"),
)
BUILD_S = 300.0


def copy(target: Path) -> Path:
    """The checkout as it is, in a new directory."""
    target.mkdir()
    ignore = shutil.ignore_patterns("__pycache__")
    for name in SOURCES:
        source = tree.ROOT / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=ignore)
        else:
            shutil.copy(source, target / name)
    return target


def next_release(target: Path) -> Path:
    """A copy of release 2, in which a class has another name: an import of the one's module by the
    other's fails."""
    source = copy(target)
    for path in source.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace("OcfCode", "OcfNumber"), encoding="utf-8")
    spec = source / "rpm" / "pm_kvm_tools.spec"
    text = spec.read_text(encoding="utf-8")
    spec.write_text(text.replace("Release:        1%", "Release:        2%"), encoding="utf-8")
    changelog = source / "debian" / "changelog"
    text = changelog.read_text(encoding="utf-8")
    changelog.write_text(text.replace("(2.0.0-1)", "(2.0.0-2)") + "\n" + text, encoding="utf-8")
    return source


def packages(source: Path, kind: str) -> Path:
    """The directory of its packages; kind is "rpm" or "deb"."""
    argv = ["make", "-C", str(source), kind]
    done = run(argv, timeout_s=BUILD_S, environment={"SOURCE_DATE_EPOCH": "1600000000"})
    assert done.rc == 0, done.err
    return source / "build" / kind
