# SPDX-License-Identifier: GPL-2.0-or-later
"""Which modules VirtualDomain's monitor, meta-data and usage load, seen in a child process.

The set is held, not the milliseconds: it is the same on every machine. A guest is faked from
outside: a process with QEMU's command line, and a libvirtmod that calls it running.
"""

from __future__ import annotations

import subprocess
import sys
import uuid
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests import tree

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Each costs a short-lived program between 4 and 60 ms.
NEVER = {
    "argparse",
    "asyncio",
    "cryptography",
    "dataclasses",
    "importlib.metadata",
    "inspect",
    "json",
    "libvirt",
    "logging",
    "lxml",
    "pathlib",
    "pkg_resources",
    "psutil",
    "socket",
    "subprocess",
    "tempfile",
    "traceback",
    "urllib",
    "xml.sax.saxutils",
}
# Only who talks to libvirt loads it.
NO_LIBVIRT = NEVER | {"libvirtmod"}
# A guest that is remembered needs no look into its definition.
NO_XML = NEVER | {"xml"}

# Modules beyond those of the bare interpreter. Raise it knowingly, with a measurement.
MONITOR_AT_MOST = 65

FAKE_LIBVIRTMOD = """\
def virRegisterErrorHandler(handler, context): return 0
def virConnectOpen(uri): return object()
def virConnectClose(handle): return 0
def virDomainLookupByUUIDString(connection, uuid): return object()
def virDomainLookupByName(connection, name): return object()
def virDomainGetState(domain, flags): return [1, 1]
"""

CHILD = """\
import sys
sys.dont_write_bytecode = True
sys.path[:0] = {paths!r}
from pmkvm import settings
settings.RUN_DIR = {run_dir!r}
sys.argv = ["VirtualDomain", {action!r}]
from agents.virtual_domain.agent import main
sys.exit(main())
"""


class Ended(NamedTuple):
    """A child's exit code and what it loaded, its output for a failing test's report."""

    rc: int
    loaded: frozenset[str]
    output: str


def python(code: str, environment: dict[str, str] | None = None) -> Ended:
    done = subprocess.run(
        [sys.executable, "-I", "-X", "importtime", "-c", code],
        env=environment or {},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    loaded = frozenset(line.rpartition("|")[2].strip() for line in lines)
    rest = "\n".join(line for line in done.stderr.splitlines() if line not in lines)
    return Ended(done.returncode, loaded, f"{done.stdout}{rest}")


class Host:
    """A host as the agent sees it: a directory under /run, a definition, perhaps a guest."""

    def __init__(self, directory: Path) -> None:
        self.uuid = str(uuid.uuid4())
        # The process table is this machine's: other runs of these tests have guests there, too.
        self._name = f"guest-{self.uuid}"
        self._run_dir = directory / "run"
        self._library = directory / "library"
        self._library.mkdir()
        (self._library / "libvirtmod.py").write_text(FAKE_LIBVIRTMOD, encoding="utf-8")
        self._config = directory / "guest.xml"
        self._config.write_text(
            f"<domain type='kvm'><name>{self._name}</name><uuid>{self.uuid}</uuid></domain>",
            encoding="utf-8",
        )

    def code(self, action: str) -> str:
        """A program that is the agent, called so."""
        paths = [str(tree.ROOT), str(self._library)]
        return CHILD.format(paths=paths, run_dir=str(self._run_dir), action=action)

    def environment(self) -> dict[str, str]:
        return {
            "OCF_RESOURCE_INSTANCE": "guest",
            "OCF_RESKEY_config": str(self._config),
            "OCF_RESKEY_CRM_meta_timeout": "20000",
            "HA_LOGFACILITY": "none",
        }

    def agent(self, action: str, **environment: str) -> Ended:
        return python(self.code(action), {**self.environment(), **environment})

    def start_qemu(self) -> subprocess.Popen[bytes]:
        name = f"guest={self._name},debug-threads=on"
        argv = ["qemu", "-c", "import time; time.sleep(60)", "-name", name, "-uuid", self.uuid]
        return subprocess.Popen(argv, executable=sys.executable, stdin=subprocess.DEVNULL)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


@pytest.fixture
def guest(host: Host) -> Iterator[None]:
    qemu = host.start_qemu()
    yield
    qemu.kill()
    qemu.wait()


def forbidden(loaded: frozenset[str], names: set[str]) -> set[str]:
    return {name for name in names if any(f"{one}.".startswith(f"{name}.") for one in loaded)}


@pytest.mark.usefixtures("guest")
def test_the_first_monitor_of_a_guest_loads_little(host: Host) -> None:
    ended = host.agent("monitor")
    assert ended.rc == 0, ended.output
    assert "libvirtmod" in ended.loaded
    assert forbidden(ended.loaded, NEVER) == set()


@pytest.mark.usefixtures("guest")
def test_a_recurring_monitor_loads_less(host: Host) -> None:
    first = host.agent("monitor")
    again = host.agent("monitor", OCF_RESKEY_CRM_meta_interval="10000")
    assert again.rc == 0, again.output
    assert forbidden(again.loaded, NO_XML) == set()
    bare = python("import sys").loaded
    assert len(again.loaded - bare) <= MONITOR_AT_MOST, sorted(again.loaded - bare)
    assert again.loaded < first.loaded


def test_a_monitor_of_no_guest_does_not_load_libvirt(host: Host) -> None:
    ended = host.agent("monitor", OCF_RESKEY_CRM_meta_interval="0")
    assert ended.rc == 7, ended.output
    assert forbidden(ended.loaded, NO_LIBVIRT) == set()


def test_parameters_are_validated_without_libvirt(host: Host) -> None:
    ended = host.agent("validate-all")
    assert ended.rc == 0, ended.output
    assert forbidden(ended.loaded, {"libvirtmod", "libvirt", "lxml"}) == set()


@pytest.mark.parametrize("action", ["meta-data", "usage"])
@pytest.mark.parametrize("minor", ["0", "1"])
def test_words_about_the_agent_need_no_libvirt(host: Host, action: str, minor: str) -> None:
    ended = host.agent(action, OCF_RA_VERSION_MAJOR="1", OCF_RA_VERSION_MINOR=minor)
    assert ended.rc == 0, ended.output
    assert forbidden(ended.loaded, NO_LIBVIRT) == set()


def test_a_loaded_module_is_seen(tmp_path: Path) -> None:
    (tmp_path / "planted.py").write_text("import logging.handlers", encoding="utf-8")
    ended = python(
        f"import os, sys\nsys.path.insert(0, {str(tmp_path)!r})\nimport planted\nos._exit(3)"
    )
    assert ended.rc == 3
    assert "logging" in forbidden(ended.loaded, NEVER)
