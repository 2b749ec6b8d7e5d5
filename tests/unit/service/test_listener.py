# SPDX-License-Identifier: GPL-2.0-or-later
"""A daemon's local socket, and that there is one daemon of a kind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pmkvm.service import listener, sole
from pmkvm.service.listener import Listener
from pmkvm.service.sole import AnotherDaemonError, Sole
from tests.unit.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

NOBODY = 65534
# Takes the name in some way, as some user, and says so.
HOLDER = """\
import os, socket, sys, time
if sys.argv[3]:
    os.setresuid(*[int(sys.argv[3])] * 3)
one = socket.socket(socket.AF_UNIX)
one.bind(chr(0) + sys.argv[1])
if sys.argv[2] != "deaf":
    one.listen(0 if sys.argv[2] == "full" else 100)
waiting = []
if sys.argv[2] == "full":
    for _ in range(3):
        other = socket.socket(socket.AF_UNIX)
        other.setblocking(False)
        try:
            other.connect(chr(0) + sys.argv[1])
        except BlockingIOError:
            pass
        waiting.append(other)
print("holds", flush=True)
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "LOOK_S", 0.05)
    monkeypatch.setattr(sole, "WAIT_S", 0.2)


@pytest.fixture
def path(socket_dir: Path) -> str:
    return f"{socket_dir}/made/socket"


@contextlib.contextmanager
def holder(path: str, how: str = "listens", *prefix: str, user: int | None = None) -> Iterator[int]:
    """A process that has the name of the daemon that serves this path; gives its number."""
    who = "" if user is None else str(user)
    argv = [*prefix, sys.executable, "-c", HOLDER, f"pm_kvm_tools{path}", how, who]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, start_new_session=True) as child:
        assert child.stdout is not None
        try:
            assert child.stdout.readline() == b"holds\n"
            yield child.pid
        finally:
            os.killpg(child.pid, signal.SIGKILL)


@pytest.fixture
def stranger(monkeypatch: pytest.MonkeyPatch) -> int | None:
    """The user of a process that is not ours; of an ordinary user's tests it is us who differ."""
    if os.geteuid() == 0:
        return NOBODY
    monkeypatch.setattr(os, "geteuid", lambda: NOBODY + 1)
    return None


# --- the socket


def test_the_local_socket_is_roots_and_there_is_one(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:  # S13
    monkeypatch.setattr(listener, "LOCK_S", 0.05)
    before = os.umask(0)
    try:
        os.mkdir(os.path.dirname(path))
        Path(path).write_text("of one that was killed", encoding="utf-8")
        with Listener(path):
            assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
            with pytest.raises(AnotherDaemonError, match="another daemon runs here"):
                Listener(path).__enter__()
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(path)
        assert not os.path.exists(path)
    finally:
        os.umask(before)


@pytest.mark.parametrize("name", ["{path}.{pid}.new", "{path}.new"])
def test_what_others_have_put_beside_the_path_is_left_alone(path: str, name: str) -> None:
    os.mkdir(os.path.dirname(path))
    other = Path(name.format(path=path, pid=os.getpid()))
    other.write_text("somebody's", encoding="utf-8")
    with Listener(path):
        assert other.read_text(encoding="utf-8") == "somebody's"
        assert len(os.listdir(os.path.dirname(path))) == 3, "socket, lock, and the other's"


class Served:
    """A listener at work, each of whose connections says which it is."""

    def __init__(self, path: str) -> None:
        self._listener = Listener(path)
        self._path = path
        self._count = 0
        self.ready = 0
        self._loop = asyncio.new_event_loop()
        self._task: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> Served:
        self._listener.__enter__()
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._loop.call_soon_threadsafe(lambda: self._task and self._task.cancel())
        self._thread.join()
        self._listener.__exit__()

    def connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(10)
        try:
            connection.connect(self._path)
        except OSError:
            connection.close()
            raise
        return connection

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """It does nothing meanwhile, so that it sees what is done here as one thing."""
        stands, goes_on = threading.Event(), threading.Event()

        def stand() -> None:
            stands.set()
            goes_on.wait()

        self._loop.call_soon_threadsafe(stand)
        try:
            assert stands.wait(30)
            yield
        finally:
            goes_on.set()

    def is_found(self) -> bool:
        with contextlib.suppress(OSError), self.connect() as connection:
            return connection.recv(10) == b"welcome"
        return False

    def _work(self) -> None:
        async def run() -> None:
            self._task = asyncio.current_task()
            await self._listener.run(Echo, self._is_ready)

        with contextlib.closing(self._loop), contextlib.suppress(asyncio.CancelledError):
            self._loop.run_until_complete(run())

    def _is_ready(self) -> None:
        self.ready += 1


class Echo(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport
        transport.write(b"welcome")

    def data_received(self, data: bytes) -> None:
        self._transport.write(data)


def test_connections_go_on_while_the_path_is_made_anew(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    with Served(path) as served, served.connect() as old:
        assert old.recv(10) == b"welcome"
        for _time in range(3):
            with served.paused():
                shutil.rmtree(os.path.dirname(path))
            eventually("it is found", served.is_found)
        old.sendall(b"still there")
        assert old.recv(20) == b"still there"
    assert served.ready == 1
    assert caplog.text.count("was missing, and is there now") == 3
    assert not os.path.exists(path)


@pytest.mark.parametrize("instead", ["file", "link", "directory"])
def test_what_has_taken_its_place_is_replaced_when_it_can_be(
    path: str, caplog: pytest.LogCaptureFixture, instead: str
) -> None:
    with Served(path) as served:
        other = Path(path)
        with served.paused():
            other.unlink()
            if instead == "file":
                other.write_text("of somebody", encoding="utf-8")
            elif instead == "link":
                other.symlink_to("/nowhere")
            else:
                other.mkdir()
        if instead == "directory":
            eventually("it is told", lambda: "socket: Is a directory" in caplog.text)
            time.sleep(0.2)
            assert caplog.text.count("Is a directory") == 1, "said once, not at each look"
            with served.paused():
                assert sorted(os.listdir(other.parent)) == ["socket", "socket.lock"]
            other.rmdir()
        eventually("it is found", served.is_found)


@pytest.mark.parametrize("is_directory", [True, False])
def test_a_path_that_can_t_be_had_is_had_later(
    path: str, caplog: pytest.LogCaptureFixture, is_directory: bool
) -> None:
    directory = Path(path).parent
    if is_directory:
        Path(path).mkdir(parents=True)
    else:
        directory.write_text("no directory", encoding="utf-8")
    with Served(path) as served:
        assert f"{path}: " in caplog.text
        time.sleep(0.2)
        assert served.ready == 0
        if is_directory:
            Path(path).rmdir()
        else:
            directory.unlink()
        eventually("it is found", served.is_found)
        assert served.ready == 1


def test_a_lock_that_was_deleted_is_taken_again(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "LOCK_S", 0.0)
    with Served(path) as served:
        os.unlink(f"{path}.lock")
        eventually("it is there", lambda: os.path.exists(f"{path}.lock"))
        # Made and held by then.
        with served.paused(), pytest.raises(AnotherDaemonError, match="holds"):
            Listener(path).__enter__()
        assert served.is_found()


def test_who_has_the_lock_has_the_path(path: str, caplog: pytest.LogCaptureFixture) -> None:
    """Two of them do not take it from each other each second."""
    with Served(path) as served, contextlib.ExitStack() as stack:
        with served.paused():
            shutil.rmtree(os.path.dirname(path))
            other = stack.enter_context(Listener(path))
        file = os.lstat(path).st_ino
        eventually("it is told", lambda: "is held by another process" in caplog.text)
        time.sleep(0.2)
        assert os.lstat(path).st_ino == file
        assert caplog.text.count("is held by another process") == 1
        assert other.path == path
    assert not os.path.exists(path)


# --- one of a kind


def test_another_one_of_ours_is_named(path: str) -> None:
    with holder(path) as pid:
        with pytest.raises(AnotherDaemonError, match=f"another daemon runs here: process {pid} "):
            Sole(path).__enter__()
        with Sole(f"{path}2"):
            pass


def test_the_one_before_is_waited_for(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sole, "WAIT_S", 10.0)
    with contextlib.ExitStack() as stack:
        pid = stack.enter_context(holder(path))
        threading.Timer(0.3, os.kill, (pid, signal.SIGKILL)).start()
        with Sole(path):
            assert len(_having(path)) == 1


@pytest.mark.parametrize("how", ["listens", "deaf", "full"])
def test_no_stranger_keeps_a_daemon_from_starting(
    path: str, caplog: pytest.LogCaptureFixture, stranger: int | None, how: str
) -> None:
    with holder(path, how, user=stranger) as pid:
        # The child's user is the tests' own where that is not root.
        uid = stranger if stranger is not None else os.getuid()
        with Sole(path):
            pass
    named = f"process {pid} of user {uid} has" if how == "listens" else "can't be identified"
    assert named in caplog.text
    assert "only the lock on its socket's path" in caplog.text


def test_a_container_s_root_is_a_stranger(path: str, caplog: pytest.LogCaptureFixture) -> None:
    """One that shares this host's network, and so its names."""
    own = ["--user", "--map-root-user"] if os.geteuid() != 0 else []
    with holder(path, "listens", "unshare", *own, "--pid", "--fork", "--kill-child"), Sole(path):
        pass
    assert f"of user {os.geteuid()} has" in caplog.text


def test_the_name_is_handed_to_what_is_executed_and_to_no_child(path: str) -> None:
    code = (
        "import sys; sys.path.insert(0, %r)\n"
        "from pmkvm import run\nfrom pmkvm.service.sole import Sole\n"
        "with Sole(%r):\n"
        "    if len(sys.argv) < 3:\n"
        "        run.replace([sys.executable, sys.argv[0], 'x', 'again'])\n"
        "    done = run.run(['/bin/ls', '-l', '/proc/self/fd'], timeout_s=10)\n"
        "    print(done.out.count('socket:'), flush=True)\n"
        "    sys.stdin.read()\n"
    )
    with tempfile.NamedTemporaryFile("w", suffix=".py") as file:
        file.write(code % (str(Path(listener.__file__).parents[2]), path))
        file.flush()
        argv = [sys.executable, file.name, "x"]
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == b"0\n"
            assert len(_having(path)) == 1
            child.communicate(b"")
            assert child.returncode == 0
    assert _having(path) == []


def _having(path: str) -> list[str]:
    """Lines of unix(7)'s table: who listens under the name."""
    lines = Path("/proc/net/unix").read_text(encoding="utf-8").splitlines()
    name = f"@pm_kvm_tools{path}"
    return [line for line in lines if line.split()[-1] == name and line.split()[3] == "00010000"]
