# SPDX-License-Identifier: GPL-2.0-or-later
"""Our files on a disk that is full or read-only: a small one, in a mount namespace of its own.

Each scene is a function that runs there, in a process of its own.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agents.vm_anything.agent import AGENT
from daemons.vm_stonithd.host.pending_stop_files import PendingStopFiles
from daemons.vm_stonithd.model.actions import RemovePendingStop
from pmkvm import files, settings
from pmkvm.deadline import Deadline
from pmkvm.fencing import pending_stop as pending_stops
from pmkvm.fencing.pending_stop import PendingStop
from pmkvm.process import Life
from pmkvm.virt import record, starting
from pmkvm.virt.identity import Identity
from pmkvm.virt.record import Record, Stage
from tests import tree
from tests.tools.guest import needs_root
from tests.unit.ocf.sample import call

if TYPE_CHECKING:
    from collections.abc import Iterator

MOUNT = 'mount -t tmpfs -o size=64k,nr_inodes=40 tmpfs "$1" && shift && exec "$@"'
CODE = """\
import sys
from pmkvm import settings
settings.RUN_DIR = sys.argv[1]
from tests.tools import test_full_and_read_only as here
getattr(here, sys.argv[2])()
"""
RUNNING = Record(Identity("g1", "", is_qemu=True), Stage.RUNNING, Life(1, 1))
NO_LIFE = PendingStop("9c41", "aaaa", None, round(time.monotonic(), 3))


@contextlib.contextmanager
def read_only() -> Iterator[None]:
    _remount("ro")
    yield
    _remount("rw")


@contextlib.contextmanager
def full() -> Iterator[None]:
    filling = Path(settings.RUN_DIR, "filling")
    with contextlib.suppress(OSError):
        filling.write_bytes(b"0" * 100_000)
    yield
    filling.unlink()


@contextlib.contextmanager
def without_inodes() -> Iterator[None]:
    made = [Path(settings.RUN_DIR, f"filling-{number}") for number in range(100)]
    with contextlib.suppress(OSError):
        for path in made:
            path.touch()
    yield
    for path in made:
        path.unlink(missing_ok=True)


TROUBLES = {"read_only": read_only, "full": full, "without_inodes": without_inodes}


def fails(what: str) -> contextlib.AbstractContextManager[object]:
    return pytest.raises(OSError, match=what)


# --- scenes


def read_only_files() -> None:
    record.store("vm1", RUNNING)
    pending_stops.store("vm1", NO_LIFE)
    with record.lock("vm1", Deadline(0)):
        pass
    with read_only():
        # Who has no file there has nothing to remove.
        record.forget("vm2")
        pending_stops.remove("vm2")
        files.remove(f"{settings.RUN_DIR}/none/none")
        with fails("Read-only.*vm1"):
            record.forget("vm1")
        with fails("Read-only.*vm1"):
            record.store("vm1", RUNNING)
        assert record.load("vm1") == RUNNING
        with record.lock("vm1", Deadline(0)), pytest.raises(Exception, match="held by another"):
            record.lock("vm1", Deadline(0)).__enter__()
        with starting.held_off("vm1"), starting.held_off("vm2"), fails("Read-only.*vm2"):
            record.lock("vm2", Deadline(0)).__enter__()


def full_files() -> None:
    record.store("vm1", RUNNING)
    with full():
        with fails(r"No space.*vm1'"):
            record.store("vm1", RUNNING._replace(stage=Stage.CREATING))
        assert record.load("vm1") == RUNNING
        with record.lock("vm2", Deadline(0)):
            pass
        record.forget("vm1")
    assert sorted(os.listdir(settings.domain_run_dir())) == ["vm2%lock"]


def pending_stops_in_trouble() -> None:
    for name, trouble in TROUBLES.items():
        pending_stop_files = PendingStopFiles()
        with trouble():
            pending_stop_files.owe("vm1", NO_LIFE)
            assert pending_stop_files.read() == {"vm1": (NO_LIFE, ())}, name
            assert "kept in memory alone" in pending_stop_files.troubles[-1], name
        assert pending_stop_files.read() == {"vm1": (NO_LIFE, ())}, name
        assert pending_stops.load("vm1") == NO_LIFE, name
        assert pending_stop_files.troubles == [], name
        pending_stops.remove("vm1")


def pending_stops_that_stay() -> None:
    pending_stop_files = PendingStopFiles()
    pending_stop_files.owe("vm1", NO_LIFE)
    with read_only():
        pending_stop_files.change(RemovePendingStop("vm1", NO_LIFE))
        for _ in range(2):
            assert pending_stop_files.read() == {}
        assert pending_stops.load("vm1") == NO_LIFE
        assert [
            "is settled and can't be removed" in each for each in pending_stop_files.troubles
        ] == [True]
    assert pending_stop_files.read() == {}
    assert pending_stops.load("vm1") is None
    assert pending_stop_files.troubles == []


def program_without_a_log() -> None:
    for name, trouble in {"read_only": read_only, "without_inodes": without_inodes}.items():
        log = f"{settings.RUN_DIR}/logs-{name}"
        environment = {
            "OCF_RESOURCE_INSTANCE": "p1",
            "OCF_RESKEY_binfile": "/bin/sleep",
            "OCF_RESKEY_cmdline_options": "60",
            "OCF_RESKEY_pidfile": f"/tmp/{os.getpid()}.pid",
            "OCF_RESKEY_logfile": log,
        }
        with trouble():
            started = call(AGENT, "start", env=environment)
            try:
                assert started.rc == 0, started.err
                assert f"{log}: " in started.err, name
                assert "what the program says is lost" in started.err, name
                assert not os.path.exists(log), name
            finally:
                stopped = call(AGENT, "stop", env=environment)
            assert stopped.rc == 0, stopped.err


def _remount(mode: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{mode}", settings.RUN_DIR], check=True)


@needs_root
@pytest.mark.parametrize(
    "scene",
    [
        read_only_files,
        full_files,
        pending_stops_in_trouble,
        pending_stops_that_stay,
        program_without_a_log,
    ],
)
def test_scene(scene: object, tmp_path: Path) -> None:
    name = getattr(scene, "__name__", "")
    python = [sys.executable, "-B", "-c", CODE, str(tmp_path), name]
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", MOUNT, "sh", str(tmp_path), *python],
        cwd=tree.ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
