# SPDX-License-Identifier: GPL-2.0-or-later
"""diskd on block devices and file systems of the kernel's: stalled, vanished, full, read-only.

The process that waits for a stalled one is in the kernel's hands, and survives SIGKILL.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.tools.guest import needs_root
from tests.tools.stalling_disk import can_stall, mounted, stalling_disk, tool
from tests.unit.conftest import socket_dir
from tests.unit.diskd.conftest import world
from tests.unit.vm_anything.world import state_of
from tests.unit.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.tools.stalling_disk import StallingDisk
    from tests.unit.diskd.world import World

# Fixtures of all tests here.
__all__ = ["socket_dir", "world"]

NAME = "diskcheck_status"
PACE = {"name": NAME, "interval": "1", "options": "-t 1 -r 0"}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[StallingDisk]:
    if not can_stall():
        pytest.skip("this needs root, and qemu-storage-daemon")
    with stalling_disk(tmp_path) as made:
        yield made


def start(world: World, **what: str) -> dict[str, str]:
    """diskd of this, which is good. Returns its parameters."""
    parameters = {**PACE, **what}
    called = world.act("start", **parameters)
    assert called.rc == 0, called.err
    assert world.value(NAME) == "normal"
    return parameters


def becomes(world: World, value: str) -> None:
    eventually(f"it is {value}", lambda: world.value(NAME) == value)


def waiting(world: World) -> list[int]:
    """Processes of diskd that wait in the kernel, and for which no signal counts."""
    return [pid for pid in world.processes() if state_of(pid) == "D"]


def hanging(world: World) -> int | None:
    pid = world.status(NAME)["disks"][0]["hanging_process"]
    assert pid is None or isinstance(pid, int)
    return pid


def lives_through_a_stall(world: World, disk: StallingDisk, parameters: dict[str, str]) -> None:
    """The attribute is ERROR; monitor, stop and the next start wait for nobody; one process is
    left behind; all is well when the disk answers again."""
    with disk.stalled():
        becomes(world, "ERROR")
        eventually("it was killed and lives", lambda: hanging(world) is not None)
        assert waiting(world) == [hanging(world)]
        assert world.act("monitor", **parameters).rc == 0
        reasons = "it hangs: process "
        eventually("it says so", lambda: reasons in world.status(NAME)["reasons"])
        (left,) = waiting(world)
        assert world.act("stop", **parameters).rc == 0
        assert world.told()[-1] == f"--name={NAME} --delete"
        assert world.processes() == [left]
        again = world.act("start", **parameters)
        assert again.rc == 0, again.err
        assert world.value(NAME) == "ERROR"
        assert "an earlier check of it still hangs" in world.status(NAME)["reasons"]
        assert waiting(world) == [left]
        assert world.act("monitor", **parameters).rc == 0
    becomes(world, "normal")
    assert left not in world.processes()
    assert world.act("stop", **parameters).rc == 0
    eventually("nobody is left", lambda: not world.processes())


def test_a_disk_that_stalls_is_an_error_and_nobody_waits_for_it(
    world: World, disk: StallingDisk
) -> None:
    lives_through_a_stall(world, disk, start(world, device=disk.path))


def test_a_file_system_that_stalls_is_too(world: World, disk: StallingDisk, tmp_path: Path) -> None:
    tool("mkfs.ext4", "-q", disk.path)
    with mounted(tmp_path / "fs", disk.path) as directory:
        lives_through_a_stall(world, disk, start(world, write_dir=str(directory)))
        assert [each.name for each in directory.iterdir()] == ["lost+found"]


def test_a_disk_that_vanishes_is_an_error(world: World, disk: StallingDisk) -> None:
    parameters = start(world, device=disk.path)
    disk.vanish()
    becomes(world, "ERROR")
    assert "error" in world.status(NAME)["reasons"]
    assert world.act("monitor", **parameters).rc == 0


def test_one_stalled_disk_holds_no_check_of_another(world: World, disk: StallingDisk) -> None:
    start(world, device=f"{disk.path} {world.disk}")
    with disk.stalled():
        becomes(world, "ERROR")
        assert world.status(NAME)["disks"][1]["is_good"]
        world.disk.unlink()
        eventually("both are bad", lambda: not world.status(NAME)["disks"][1]["is_good"])


def test_oneshot_leaves_one_process_however_often_it_is_asked(
    world: World, disk: StallingDisk
) -> None:
    parameters = {**PACE, "device": disk.path, "oneshot": "1"}
    assert world.act("start", **parameters).rc == 0
    assert world.act("monitor", **parameters).rc == 0
    with disk.stalled():
        assert world.act("monitor", **parameters).names(1, "it hangs: no answer")
        eventually("only one is left", lambda: len(world.processes()) == 1)
        left = waiting(world)
        for _ in range(2):
            assert world.act("monitor", **parameters).names(1, "an earlier check of it still hangs")
        eventually("it is that one", lambda: world.processes() == left)
    eventually("it is gone", lambda: not world.processes())
    assert world.act("monitor", **parameters).rc == 0


@needs_root
@pytest.mark.parametrize("trouble", ["full", "read_only"])
def test_a_file_system_that_is_full_or_read_only_is_an_error(
    world: World, tmp_path: Path, trouble: str
) -> None:
    with mounted(tmp_path / "fs", "-t", "tmpfs", "-o", "size=64k", "tmpfs") as directory:
        parameters = start(world, write_dir=str(directory))
        filling = Path(directory, "filling")
        if trouble == "full":
            with pytest.raises(OSError, match="No space"):
                filling.write_bytes(b"0" * 100_000)
        else:
            tool("mount", "-o", "remount,ro", str(directory))
        becomes(world, "ERROR")
        said = "No space left on device" if trouble == "full" else "Read-only file system"
        assert said in world.status(NAME)["reasons"]
        if trouble == "full":
            filling.unlink()
        else:
            tool("mount", "-o", "remount,rw", str(directory))
        becomes(world, "normal")
        assert world.act("stop", **parameters).rc == 0
        eventually("nobody is left", lambda: not world.processes())
        assert list(directory.iterdir()) == []
