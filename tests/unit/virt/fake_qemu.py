# SPDX-License-Identifier: GPL-2.0-or-later
"""Real processes with QEMU's command line, in a process table that shows nobody else's.

The shell that plays QEMU reads from a pipe of ours: it ends when the tests do, however they do.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pmkvm import process, settings
from pmkvm.process import Life
from pmkvm.virt.identity import Identity
from tests import impostor

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pytest

UUID = "0123abcd-2222-3333-4444-555555555555"
OTHER_UUID = "99999999-2222-3333-4444-555555555555"
G1 = Identity("g1", UUID, is_qemu=True)

READY = b"ready\n"

# Its one thread has the name of a virtual CPU.
PLAIN = "echo 'CPU 0/KVM' >/proc/$$/comm; echo ready; read line"
DEAF = f"trap '' TERM; {PLAIN}; read line"
# A guest that has run for longer than it takes QEMU to come up paused.
RAN = f"i=0; while [ $i -lt 400000 ]; do i=$((i+1)); done; {PLAIN}"

# Its first thread ends, the second waits for the pipe: the kernel shows a zombie that lives.
HALF_DEAD = """\
import ctypes, os, sys, threading
def live():
    sys.stdout.write("ready\\n")
    sys.stdout.flush()
    os.read(0, 1)
    os._exit(0)
threading.Thread(target=live).start()
ctypes.CDLL(None).syscall({number}, 0)
"""
_SYS_EXIT = {"x86_64": 60}.get(os.uname().machine, 93)


class FakeQemu:
    """One process; the object that starts it also reaps it."""

    def __init__(
        self, argv: Sequence[str], executable: str, environment: Mapping[str, str] | None = None
    ) -> None:
        self._child = subprocess.Popen(
            argv,
            executable=executable,
            env=environment,
            # All its ids: a test may have taken one of ours away, or say that we are another.
            user=os.getresuid()[1],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._ending = threading.Lock()
        assert self._child.stdout is not None
        assert self._child.stdout.readline() == READY
        self.life = Life(self._child.pid, _start_time(self._child.pid))

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def lives(self) -> bool:
        """By wait(), so that a test's verdict does not rest on the code under test."""
        # poll() knows nothing while another thread reaps it.
        with self._ending:
            return self._child.poll() is None

    def say_line(self) -> None:
        """To one that waits for that; back when it is ready again."""
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._child.stdin.write(b"\n")
        self._child.stdin.flush()
        assert self._child.stdout.readline() == READY

    def exit_code(self) -> int:
        """Wait for its end, at most ten seconds."""
        return self._child.wait(10)

    def end(self) -> None:
        """Kill it, as destroy does, and reap it.

        A call that an action has abandoned may do so at the end of a test as well.
        """
        with self._ending:
            self._child.kill()
            self._child.wait()
            for pipe in (self._child.stdin, self._child.stdout):
                if pipe is not None:
                    pipe.close()


class FakeProcessTable:
    """A /proc that holds only what was started through it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._started: list[FakeQemu] = []

    def start_qemu(
        self,
        name: str,
        uuid: str,
        *,
        incoming: bool = False,
        deaf: bool = False,
        has_run: bool = False,
    ) -> FakeQemu:
        """deaf: it ignores SIGTERM. has_run: its virtual CPU has had more than an instant."""
        plays = RAN if has_run else DEAF if deaf else PLAIN
        arguments = ["-c", plays, *qemu_arguments(name, uuid, incoming=incoming)]
        return self._show(FakeQemu(["qemu-system-x86_64", *arguments], "/bin/sh"))

    def start_other(self, *arguments: str) -> FakeQemu:
        """Some other program with these arguments."""
        return self._show(FakeQemu(["other", "-c", PLAIN, *arguments], "/bin/sh"))

    def start_shell(self, name: str, uuid: str, *, executable: str) -> FakeQemu:
        """A shell of one's own with QEMU's arguments."""
        return self._show(
            FakeQemu(["q", "-p", "-c", PLAIN, *qemu_arguments(name, uuid)], executable)
        )

    def start_agent(self, action: str, resource: str, executable: str = "") -> FakeQemu:
        """An agent's action under way, as Pacemaker calls it."""
        code = "print('ready', flush=True); input()"
        argv = ["VirtualDomain", "-I", "-S", "-c", code, action]
        if executable:
            argv = ["VirtualDomain", "-c", PLAIN, action]
        environment = {"OTHER": "x", "OCF_RESOURCE_INSTANCE": resource}
        return self._show(FakeQemu(argv, executable or sys.executable, environment))

    def start_impostor(
        self, kind: str, name: str, uuid: str, *, user: int | None = None
    ) -> FakeQemu:
        """Somebody else's process; its command line is its own doing. user: None for our own."""
        arguments = [kind, name, uuid, "60", str(os.getuid() if user is None else user)]
        argv = [sys.executable, "-I", impostor.__file__, *arguments]
        return self._show(FakeQemu(argv, sys.executable))

    def start_qemu_that_rewrites(self, name: str, uuid: str) -> FakeQemu:
        """As a QEMU does that was taken over: its command line says nothing of a guest now."""
        qemu = self.start_impostor(impostor.REWRITING, name, uuid)
        qemu.say_line()
        return qemu

    def write_pid_file(self, domain: str, pid: int, *, age_s: float = 0.0) -> Path:
        """libvirt's, written so long ago."""
        path = Path(settings.LIBVIRT_PID_DIR, f"{domain}.pid")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{pid}\n", encoding="ascii")
        os.utime(path, (time.time() - age_s, time.time() - age_s))
        return path

    def start_half_dead_qemu(self, name: str, uuid: str) -> FakeQemu:
        """Returns when its first thread has ended; another one lives until it is killed."""
        code = HALF_DEAD.format(number=_SYS_EXIT)
        argv = [sys.executable, "-I", "-c", code, *qemu_arguments(name, uuid)]
        qemu = self._show(FakeQemu(argv, sys.executable))
        while not process.is_zombie(qemu.pid):
            time.sleep(0.001)
        return qemu

    def living(self) -> list[FakeQemu]:
        return [qemu for qemu in self._started if qemu.lives]

    def close(self) -> None:
        for qemu in self._started:
            qemu.end()

    def _show(self, qemu: FakeQemu) -> FakeQemu:
        self._started.append(qemu)
        (self.directory / str(qemu.pid)).symlink_to(f"/proc/{qemu.pid}")
        return qemu


@contextlib.contextmanager
def process_table(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeProcessTable]:
    """A host of the test's own: its process table and its directory under /run."""
    proc = directory / "proc"
    proc.mkdir()
    (proc / "self").symlink_to("/proc/self")
    monkeypatch.setattr(settings, "PROC", str(proc))
    monkeypatch.setattr(settings, "RUN_DIR", str(directory / "run"))
    monkeypatch.setattr(settings, "LIBVIRT_PID_DIR", str(directory / "libvirt"))
    monkeypatch.setattr(settings, "LIBVIRT_SAVE_DIR", str(directory / "save"))
    monkeypatch.setattr(settings, "QEMU_CONF", str(directory / "qemu.conf"))
    accounts = directory / "passwd"
    accounts.write_text("libvirt-qemu:x:64055:64055::/:/usr/sbin/nologin\n", encoding="ascii")
    monkeypatch.setattr(settings, "ACCOUNTS", str(accounts))
    table = FakeProcessTable(proc)
    yield table
    table.close()


def _start_time(pid: int) -> int:
    """proc(5): field 22, counted from the second, which ends with a bracket."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        return int(file.read().rpartition(")")[2].split()[22 - 3])


def qemu_arguments(name: str, uuid: str, *, incoming: bool = False) -> list[str]:
    """The arguments of libvirt's command line that matter."""
    doubled = name.replace(",", ",,")
    name_value = f"guest={doubled},debug-threads=on"
    arguments = ["-name", name_value, "-S", "-uuid", uuid, "-no-user-config"]
    return [*arguments, "-incoming", "defer"] if incoming else arguments
