# SPDX-License-Identifier: GPL-2.0-or-later
"""A block device that stalls as a dead disk does: a loop device on a file that another process
serves (FUSE, by qemu-storage-daemon) and may stop serving.

Whoever reads it then waits in the kernel, and not even SIGKILL ends him before the server goes on.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from typing import TYPE_CHECKING

from pmkvm.run import run
from tests.unit.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SERVER = "qemu-storage-daemon"
SIZE = 16 << 20


def can_stall() -> bool:
    return os.geteuid() == 0 and shutil.which(SERVER) is not None


def tool(*argv: str) -> str:
    done = run(argv, timeout_s=60)
    assert done.rc == 0, f"{argv}: {done.err}"
    return done.out.strip()


class StallingDisk:
    """path: of the block device."""

    def __init__(self, server: subprocess.Popen[bytes], path: str) -> None:
        self._server = server
        self.path = path

    @contextlib.contextmanager
    def stalled(self) -> Iterator[None]:
        self._server.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._server.send_signal(signal.SIGCONT)

    def vanish(self) -> None:
        """What is behind the device is gone for good: errors from now on."""
        self._server.kill()
        self._server.wait()


@contextlib.contextmanager
def stalling_disk(directory: Path) -> Iterator[StallingDisk]:
    image, served = directory / "image", directory / "served"
    with open(image, "wb") as file:
        file.truncate(SIZE)
    served.touch()
    argv = [SERVER, "--blockdev", f"driver=file,node-name=n,filename={image}", "--export"]
    argv.append(f"type=fuse,id=e,node-name=n,mountpoint={served},writable=on")
    server = subprocess.Popen(argv, stdin=subprocess.DEVNULL)
    try:
        eventually("it is served", lambda: server.poll() is not None or served.stat().st_size)
        assert server.poll() is None, "the kernel has no FUSE here"
        path = tool("losetup", "--find", "--show", str(served))
        try:
            yield StallingDisk(server, path)
        finally:
            tool("losetup", "--detach", path)
    finally:
        server.terminate()
        try:
            server.wait(60)
        finally:
            server.kill()
            # One that was killed leaves its mount.
            run(["umount", "--lazy", str(served)], timeout_s=60)


@contextlib.contextmanager
def mounted(directory: Path, *argv: str) -> Iterator[Path]:
    """A file system, mounted there by mount's arguments."""
    directory.mkdir()
    tool("mount", *argv, str(directory))
    try:
        yield directory
    finally:
        tool("umount", str(directory))
