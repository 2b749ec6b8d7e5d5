# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a figure comes from: the day, our commit and version, the machine, and what runs on it.

Every record that a run writes carries one, so that a figure can be told from another and repeated.
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import NamedTuple

from pmkvm.errors import CommandMissingError
from pmkvm.run import run
from pmkvm.version import VERSION
from tests import tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.lab.hosts.machine import Machine

_GIB = 1 << 30
_DESCRIBE = ("describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")


class Origin(NamedTuple):
    """Empty text and 0 mean that the run did not keep it."""

    date: str = ""
    commit: str = ""
    version: str = ""
    pacemaker: str = ""
    libvirt: str = ""
    cores: int = 0
    memory_gib: int = 0
    cpu: str = ""
    # What else is to be known of a run: what ran beside it, or who has kept the figure.
    note: str = ""

    def kept(self) -> dict[str, str | int]:
        """As a record has it: what is not known is left out."""
        return {name: value for name, value in self._asdict().items() if value}

    @property
    def platform(self) -> tuple[str, str]:
        """What a run replaces an older one by: both on the same release series."""
        return self.pacemaker, ".".join(self.libvirt.split(".")[:2])

    def sentence(self) -> str:
        """One line below a figure."""
        parts = [
            self.note,
            self.date,
            self.version and f"version {self.version}",
            self.commit and f"commit {self.commit}",
            self.pacemaker and f"Pacemaker {self.pacemaker}",
            self.libvirt and f"libvirt {self.libvirt}",
            self.cores and f"{self.cores} cores",
            self.memory_gib and f"{self.memory_gib} GiB",
            self.cpu,
        ]
        return ", ".join(str(part) for part in parts if part)


def of_record(record: Mapping[str, str | int]) -> Origin:
    """Fields that a later version has added are not looked at."""
    known = {name: value for name, value in record.items() if name in Origin._fields}
    return Origin(**known)  # type: ignore[arg-type]


def here(host: Machine | None = None) -> dict[str, str | int]:
    """Of this machine and commit, and of that host's cluster and hypervisor."""
    pacemaker = host.must(["pacemakerd", "--version"]).split("\n")[0] if host else ""
    libvirt = host.must(["libvirtd", "--version"]).split()[-1] if host else ""
    return Origin(
        date=time.strftime("%Y-%m-%d", time.gmtime()),
        commit=_commit(),
        version=VERSION,
        pacemaker=pacemaker.replace("Pacemaker ", ""),
        libvirt=libvirt,
        cores=len(os.sched_getaffinity(0)),
        memory_gib=_memory_gib(),
        cpu=cpu_model(Path("/proc/cpuinfo").read_text(encoding="utf-8")),
    ).kept()


def _commit() -> str:
    """Empty where a package is built: from an archive, and maybe without git."""
    try:
        return run(["git", "-C", str(tree.ROOT), *_DESCRIBE], timeout_s=10).out.strip()
    except CommandMissingError:
        return ""


def cpu_model(cpuinfo: str) -> str:
    """As the kernel names it; empty where it names none."""
    found = re.search(r"^model name\s*: (.+)$", cpuinfo, re.MULTILINE)
    return found[1].strip() if found else ""


def _memory_gib() -> int:
    """As bought: the kernel keeps some of it for itself."""
    return -(-os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // _GIB)
