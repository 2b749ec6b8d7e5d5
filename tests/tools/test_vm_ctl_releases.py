# SPDX-License-Identifier: GPL-2.0-or-later
"""vm-ctl as each release has it: its Pacemaker's tools, its newest schema, its Python and lxml.

On this machine, and in those of the lab's other roots that have been built.
"""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import pytest

from pmkvm import run
from tests import tree
from tests.tools import roots
from tests.tools.cib_host import Host

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pmkvm.run import Completed

CONFIGURATIONS = {"defaults": "", "as the slides print it": "vm_stonithd_col=INFINITY\n"}


class Release:
    """A host of that release: everything in a directory of its /tmp."""

    def __init__(self, root: Path, directory: Path) -> None:
        self._enter = roots.enter(root)
        self._inside = roots.inside(root, directory)
        for package in ("pmkvm", "vmctl"):
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(tree.ROOT / package, directory / package, ignore=ignored)
        self.host = Host(directory)
        text = self.host.conf.read_text(encoding="utf-8")
        self.host.conf.write_text(text.replace(str(directory), self._inside), encoding="utf-8")
        own = re.search(r"<cib [^>]*>", self.call("cibadmin", "--empty").out)
        assert own is not None
        text = self.host.cib.read_text(encoding="utf-8")
        empty = own[0].replace(">", ' dc-uuid="1" have-quorum="1">')
        self.host.cib.write_text(re.sub(r"<cib [^>]*>", empty, text), encoding="utf-8")

    def call(self, *argv: str) -> Completed:
        environment = {"PYTHONPATH": self._inside, "HOME": "/root"}
        if hasattr(self, "host"):
            environment["CIB_file"] = f"{self._inside}/{self.host.cib.name}"
        return run.run((*self._enter, *argv), timeout_s=60, environment=environment)

    def vm_ctl(self, *arguments: str) -> Completed:
        conf = f"{self._inside}/{self.host.conf.name}"
        return self.call("/usr/bin/python3", "-m", "vmctl.main", *arguments, "--config", conf)

    def verify(self) -> tuple[int, str]:
        done = self.call("crm_verify", "-V", "--xml-file", f"{self._inside}/{self.host.cib.name}")
        return done.rc, done.out + done.err


@pytest.fixture(params=roots.ROOTS, ids=str)
def release(request: pytest.FixtureRequest) -> Iterator[Release]:
    with roots.directory(request.param, "vm-ctl-release") as directory:
        yield Release(request.param, directory)


@pytest.mark.parametrize("more", CONFIGURATIONS.values(), ids=CONFIGURATIONS)
def test_crm_verify_is_silent_after_every_command(release: Release, more: str) -> None:
    host = release.host
    with host.conf.open("a", encoding="utf-8") as conf:
        conf.write(f"\n{more}")
    before = host.ids(".//*[@id]")
    assert release.verify() == (0, "")
    for arguments in (
        ("resource", "add", "guest1,", "guest2", "-a", "hostA", "-m", "on"),
        ("resource", "start", "guest1,guest2"),
        ("resource", "move", "guest1", "-n", "hostA", "--no-wait"),
        ("location", "move", "guest1"),
        ("resource", "unmove", "guest1"),
        ("resource", "stop", "guest2"),
        ("resource", "delete", "guest2"),
    ):
        text = host.cib.read_text(encoding="utf-8")
        done = release.vm_ctl(*arguments)
        assert done.rc == 0, (arguments, done)
        assert host.cib.read_text(encoding="utf-8") != text
        assert release.verify() == (0, ""), arguments
        if arguments[1] == "start":
            host.runs("guest1", "hostB")
    left = {each for each in host.ids(".//*[@id]") if "guest2" in each}
    assert left - before == set()
    listed = release.vm_ctl("resource", "list")
    assert listed.out.splitlines()[-1].split()[:5] == [
        *("guest1", "prmVMCTL_guest1", "on", "hostB", "hostB"),
    ]
