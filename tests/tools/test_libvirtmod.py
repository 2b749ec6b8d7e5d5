# SPDX-License-Identifier: GPL-2.0-or-later
"""The libvirtmod of the unit tests against the distribution's, on libvirt's own test driver.

The test driver starts nothing paused and migrates nowhere: that much is for the lab.
"""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from agents.virtual_domain.migration.virsh_options import parse_options
from agents.virtual_domain.stopping.budget import METHODS
from pmkvm.virt.connection import ErrorCode, PausedReason, State
from tests import tree
from tests.tools.questions import URI, answers
from tests.unit.virtual_domain.fake_libvirtmod import RUNNING, FakeHypervisor, FakeLibvirt

if TYPE_CHECKING:
    from pathlib import Path

PYTHON = "/usr/bin/python3"


def ask_real(*arguments: str) -> str:
    done = subprocess.run(
        [PYTHON, "-B", *arguments], cwd=tree.ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    # Nothing on stderr: libvirt prints each error there if nobody handles it.
    assert done.stderr == ""
    return done.stdout


def test_the_played_libvirtmod_answers_as_the_real_one() -> None:
    libvirt = FakeLibvirt()
    hypervisor = libvirt.hypervisors[URI] = FakeHypervisor()
    hypervisor.add("test", "6695eb01-f6a4-8304-79aa-97f2502e193f", RUNNING)
    played = [[*answer] for answer in answers(libvirt.module())]
    libvirt.close()
    assert json.loads(json.dumps(played)) == json.loads(ask_real("-m", "tests.tools.questions"))


CONSTANTS = """\
import json, libvirt, sys
json.dump({name: getattr(libvirt, name) for name in dir(libvirt) if name.startswith("VIR_")
           and isinstance(getattr(libvirt, name), int)}, sys.stdout)
"""


@pytest.fixture(scope="module")
def constants() -> dict[str, int]:
    """libvirt's own numbers."""
    found: dict[str, int] = json.loads(ask_real("-c", CONSTANTS))
    return found


@pytest.mark.parametrize(
    ("ours", "name"),
    [
        (State.NO_STATE, "VIR_DOMAIN_NOSTATE"),
        (State.RUNNING, "VIR_DOMAIN_RUNNING"),
        (State.BLOCKED, "VIR_DOMAIN_BLOCKED"),
        (State.PAUSED, "VIR_DOMAIN_PAUSED"),
        (State.SHUTDOWN, "VIR_DOMAIN_SHUTDOWN"),
        (State.SHUTOFF, "VIR_DOMAIN_SHUTOFF"),
        (State.CRASHED, "VIR_DOMAIN_CRASHED"),
        (State.PM_SUSPENDED, "VIR_DOMAIN_PMSUSPENDED"),
        (ErrorCode.NO_SUPPORT, "VIR_ERR_NO_SUPPORT"),
        (ErrorCode.SYSTEM_ERROR, "VIR_ERR_SYSTEM_ERROR"),
        (ErrorCode.NO_DOMAIN, "VIR_ERR_NO_DOMAIN"),
        (ErrorCode.NO_NETWORK, "VIR_ERR_NO_NETWORK"),
        (ErrorCode.NO_STORAGE_POOL, "VIR_ERR_NO_STORAGE_POOL"),
        (ErrorCode.OPERATION_INVALID, "VIR_ERR_OPERATION_INVALID"),
        (PausedReason.DUMP, "VIR_DOMAIN_PAUSED_DUMP"),
        (ErrorCode.OPERATION_TIMEOUT, "VIR_ERR_OPERATION_TIMEOUT"),
        (PausedReason.IO_ERROR, "VIR_DOMAIN_PAUSED_IOERROR"),
        (PausedReason.WATCHDOG, "VIR_DOMAIN_PAUSED_WATCHDOG"),
        (PausedReason.CRASHED, "VIR_DOMAIN_PAUSED_CRASHED"),
        (PausedReason.POSTCOPY, "VIR_DOMAIN_PAUSED_POSTCOPY"),
        (PausedReason.POSTCOPY_FAILED, "VIR_DOMAIN_PAUSED_POSTCOPY_FAILED"),
        (METHODS["acpi"], "VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN"),
        (METHODS["agent"], "VIR_DOMAIN_SHUTDOWN_GUEST_AGENT"),
        (METHODS["initctl"], "VIR_DOMAIN_SHUTDOWN_INITCTL"),
        (METHODS["signal"], "VIR_DOMAIN_SHUTDOWN_SIGNAL"),
        (METHODS["paravirt"], "VIR_DOMAIN_SHUTDOWN_PARAVIRT"),
        (1, "VIR_DOMAIN_START_PAUSED"),
        (8, "VIR_DOMAIN_START_FORCE_BOOT"),
        (2, "VIR_DOMAIN_SAVE_RUNNING"),
        (4, "VIR_DOMAIN_SAVE_PAUSED"),
        (1, "VIR_DOMAIN_XML_SECURE"),
        (8, "VIR_DOMAIN_JOB_OPERATION_DUMP"),
        (2, "VIR_DOMAIN_XML_INACTIVE"),
    ],
)
def test_our_numbers_are_libvirts(constants: dict[str, int], ours: int, name: str) -> None:
    assert constants[name] == ours


@pytest.mark.parametrize(
    ("option", "name"),
    [
        ("--live", "LIVE"),
        ("--p2p", "PEER2PEER"),
        ("--tunnelled", "TUNNELLED"),
        ("--persistent", "PERSIST_DEST"),
        ("--undefinesource", "UNDEFINE_SOURCE"),
        ("--copy-storage-all", "NON_SHARED_DISK"),
        ("--copy-storage-inc", "NON_SHARED_INC"),
        ("--change-protection", "CHANGE_PROTECTION"),
        ("--unsafe", "UNSAFE"),
        ("--compressed", "COMPRESSED"),
        ("--abort-on-error", "ABORT_ON_ERROR"),
        ("--auto-converge", "AUTO_CONVERGE"),
        ("--rdma-pin-all", "RDMA_PIN_ALL"),
        ("--postcopy", "POSTCOPY"),
        ("--tls", "TLS"),
        ("--parallel", "PARALLEL"),
        ("--copy-storage-synchronous-writes", "NON_SHARED_SYNCHRONOUS_WRITES"),
        ("--zerocopy", "ZEROCOPY"),
    ],
)
def test_our_options_are_libvirts_flags(constants: dict[str, int], option: str, name: str) -> None:
    assert parse_options(option).flags == constants[f"VIR_MIGRATE_{name}"] | 1


PARAMETERS = """\
import json, libvirt, sys
json.dump([getattr(libvirt, "VIR_MIGRATE_PARAM_" + name) for name in sys.argv[1:]], sys.stdout)
"""


def test_our_typed_parameters_are_libvirts() -> None:
    options = (
        "--migrateuri a --dname a --graphicsuri a --listen-address a --bandwidth 1"
        " --parallel-connections 1 --disks-port 1 --disks-uri a --tls-destination a"
        " --migrate-disks a --comp-methods a --postcopy-bandwidth 1 --comp-mt-level 1"
        " --comp-mt-threads 1 --comp-mt-dthreads 1 --comp-xbzrle-cache 1"
        " --auto-converge-initial 1 --auto-converge-increment 1"
    )
    names = ["URI", "DEST_NAME", "GRAPHICS_URI", "LISTEN_ADDRESS", "BANDWIDTH"]
    names += ["PARALLEL_CONNECTIONS", "DISKS_PORT", "DISKS_URI", "TLS_DESTINATION"]
    names += ["MIGRATE_DISKS", "COMPRESSION", "BANDWIDTH_POSTCOPY", "COMPRESSION_MT_LEVEL"]
    names += ["COMPRESSION_MT_THREADS", "COMPRESSION_MT_DTHREADS", "COMPRESSION_XBZRLE_CACHE"]
    names += ["AUTO_CONVERGE_INITIAL", "AUTO_CONVERGE_INCREMENT"]
    assert list(parse_options(options).parameters) == json.loads(ask_real("-c", PARAMETERS, *names))


AGENT = """\
import sys
from pmkvm import settings
settings.RUN_DIR = sys.argv.pop()
from agents.virtual_domain.agent import main
main()
"""


def test_the_agent_tells_the_truth_about_libvirts_test_driver(tmp_path: Path) -> None:
    """Each process has a driver of its own: what one stops runs again for the next."""
    definition = f"{tmp_path}/test.xml"
    codes = []
    for name, action in [("test", "monitor"), ("nobody", "monitor"), ("test", "stop")]:
        with open(definition, "w", encoding="utf-8") as file:
            file.write(f"<domain type='test'><name>{name}</name></domain>")
        done = subprocess.run(
            [PYTHON, "-B", "-c", AGENT, action, f"{tmp_path}/run"],
            cwd=tree.ROOT,
            env={
                "OCF_RESKEY_config": definition,
                "OCF_RESKEY_hypervisor": URI,
                "OCF_RESKEY_CRM_meta_timeout": "20000",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        codes.append((name, action, done.returncode, done.stdout))
    assert codes == [
        ("test", "monitor", 0, ""),
        ("nobody", "monitor", 7, ""),
        ("test", "stop", 0, ""),
    ]
