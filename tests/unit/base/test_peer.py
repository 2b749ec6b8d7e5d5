# SPDX-License-Identifier: GPL-2.0-or-later
"""Who is at the other end: with real sockets and processes, in both ways that kernels offer.

A kernel before 6.5 has the second way only; this one may have both.
"""

from __future__ import annotations

import array
import errno
import os
import socket
import struct
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Callable, Optional

import pytest

from pmkvm import peer, process, socket_diag
from pmkvm.process import Life

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Way = Callable[[socket.socket], Optional[Life]]


def _ways() -> list[Way]:
    """Those of this kernel."""
    one, other = socket.socketpair(socket.AF_UNIX)
    with one, other:
        try:
            peer.life_by_pidfd(one)
        except OSError as error:
            if error.errno != errno.ENOPROTOOPT:
                raise
            return [peer.life_by_descriptor]
    return [peer.life_by_pidfd, peer.life_by_descriptor, peer.life_at]


# Connects to its first argument, and sends the connection itself to its second, as a process does
# that leaves a socket to another one.
CONNECTS = """\
import array, socket, sys
one = socket.socket(socket.AF_UNIX)
one.connect(sys.argv[1])
if sys.argv[2:]:
    other = socket.socket(socket.AF_UNIX)
    other.connect(sys.argv[2])
    rights = array.array("i", [one.fileno()])
    other.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
print("ready", flush=True)
sys.stdin.read()
"""
# Listens there; accepts when it reads a line.
LISTENS = """\
import socket, sys
one = socket.socket(socket.AF_UNIX)
one.bind(sys.argv[1].replace("@", chr(0)))
one.listen(5)
print("ready", flush=True)
sys.stdin.readline()
kept = one.accept()
print("accepted", flush=True)
sys.stdin.read()
"""


@pytest.fixture(params=_ways(), ids=lambda way: way.__name__)
def way(request: pytest.FixtureRequest) -> Way:
    chosen: Way = request.param
    return chosen


class Child:
    def __init__(self, code: str, *arguments: object) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-IS", "-c", code, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.hear(b"ready\n")
        self.pid = self.process.pid

    def hear(self, line: bytes) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == line

    def accept(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()
        self.hear(b"accepted\n")

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def child() -> Iterator[Callable[..., Child]]:
    started: list[Child] = []

    def start(code: str, *arguments: object) -> Child:
        started.append(Child(code, *arguments))
        return started[-1]

    yield start
    for each in started:
        each.end()


def listening(path: Path) -> socket.socket:
    one = socket.socket(socket.AF_UNIX)
    one.settimeout(10)
    one.bind(str(path))
    one.listen(5)
    return one


def test_the_kernel_names_the_user_a_number_and_a_label_if_it_has_any() -> None:
    one, other = socket.socketpair(socket.AF_UNIX)
    with one, other:
        assert peer.peer_of(one) == (os.getpid(), os.geteuid(), os.getegid())
        assert isinstance(peer.label_of(one), str)


def test_who_connected_is_named(way: Way, socket_dir: Path, child: Callable[..., Child]) -> None:
    with listening(socket_dir / "s") as door:
        caller = child(CONNECTS, socket_dir / "s")
        with door.accept()[0] as connection:
            assert way(connection) == process.life_of(caller.pid)


def test_who_listens_is_named_once_it_has_accepted(
    way: Way, socket_dir: Path, child: Callable[..., Child]
) -> None:
    server = child(LISTENS, socket_dir / "s")
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(socket_dir / "s"))
        if way is peer.life_by_descriptor:
            with pytest.raises(BlockingIOError, match="has not accepted"):
                way(connection)
        server.accept()
        assert way(connection) == process.life_of(server.pid)


def test_who_listens_at_an_abstract_name_is_named_at_once(
    way: Way, child: Callable[..., Child]
) -> None:
    name = f"@peer-{os.getpid()}"
    server = child(LISTENS, name)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(name.replace("@", "\0"))
        assert way(connection) == process.life_of(server.pid)


@pytest.mark.parametrize("is_reaped", [True, False])
def test_a_socket_that_outlives_its_maker_is_nobodys(
    way: Way, socket_dir: Path, child: Callable[..., Child], is_reaped: bool
) -> None:
    """Its number says the dead one; anybody may get that number next."""
    with listening(socket_dir / "s") as door, listening(socket_dir / "t") as keeper:
        maker = child(CONNECTS, socket_dir / "s", socket_dir / "t")
        with door.accept()[0] as connection, keeper.accept()[0] as bringing:
            _data, rights, _flags, _name = bringing.recvmsg(1, socket.CMSG_SPACE(4))
            (held,) = array.array("i", rights[0][2])
            if is_reaped:
                maker.end()
            else:
                maker.process.kill()
                while not process.is_zombie(maker.pid):
                    time.sleep(0.001)
            assert peer.peer_of(connection).pid == maker.pid
            assert way(connection) is None
            os.write(held, b"x")
            assert connection.recv(1) == b"x", "and it works still"
            os.close(held)


# Its child holds the connection; it has closed its own.
GIVES_AWAY = """\
import os, socket, sys
one = socket.socket(socket.AF_UNIX)
one.connect(sys.argv[1])
if os.fork() == 0:
    sys.stdin.read()
    os._exit(0)
one.close()
print("ready", flush=True)
os.wait()
"""


def test_who_lives_and_has_given_the_socket_away_is_not_the_other_end(
    socket_dir: Path, child: Callable[..., Child]
) -> None:
    """As it looks when another process has got the number."""
    with listening(socket_dir / "s") as door:
        maker = child(GIVES_AWAY, socket_dir / "s")
        with door.accept()[0] as connection:
            assert peer.peer_of(connection).pid == maker.pid
            assert peer.life_by_descriptor(connection) is None


def test_an_end_that_was_closed_looks_like_one_that_was_not_accepted() -> None:
    one, other = socket.socketpair(socket.AF_UNIX)
    other.close()
    with one:
        assert peer.is_hung_up(one)
        assert socket_diag.peer_inode(one) == socket_diag.NOT_ACCEPTED


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        # So says a kernel whose unix_diag is missing, as in a guest with few modules.
        (errno.ENOENT, errno.ENOTSUP),
        (errno.EPERM, errno.EPERM),
    ],
)
def test_an_error_of_the_kernels_is_an_error(said: int, meant: int) -> None:
    header = struct.pack("=IHHII", 36, 2, 0, 1, 0)
    with pytest.raises(OSError) as failed:  # noqa: PT011 - its number is looked at
        socket_diag.parse(header + struct.pack("=i", -said) + bytes(16))
    assert failed.value.errno == meant


@pytest.mark.parametrize("size", [0, 3, 65535])
def test_an_answer_without_sense_has_an_end(size: int) -> None:
    answer = struct.pack("=IHHII", 40, 20, 0, 1, 0) + bytes(16) + struct.pack("=HHI", size, 9, 0)
    assert socket_diag.parse(answer) is None
