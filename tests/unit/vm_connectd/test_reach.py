# SPDX-License-Identifier: GPL-2.0-or-later
"""Sockets are reached inside the allowed directories, whatever is done to names on the way."""

from __future__ import annotations

import contextlib
import os
import socket
from typing import TYPE_CHECKING

import pytest

from daemons.vm_connectd import reach

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def top(socket_dir: Path) -> Iterator[Path]:
    """With the allowed directory "in", and "out" beside it; a socket "s" in each place."""
    with contextlib.ExitStack() as stack:
        for name in ("in", "in/below", "out"):
            (socket_dir / name).mkdir()
            listening = stack.enter_context(socket.socket(socket.AF_UNIX))
            listening.bind(f"{socket_dir}/{name}/s")
            listening.listen(5)
        (socket_dir / "in" / "file").touch()
        yield socket_dir


@pytest.mark.parametrize("path", ["in/s", "in/below/s", "in/below/../s", "alias/s", "in/link"])
def test_what_is_inside_is_connected_to(top: Path, path: str) -> None:
    (top / "alias").symlink_to("in")
    (top / "in" / "link").symlink_to("below/s")
    with reach.connect(str(top / path), [str(top / "in")]) as connection:
        assert not connection.getblocking()
        assert os.path.realpath(connection.getpeername()) in {
            str(top / "in" / "s"),
            str(top / "in" / "below" / "s"),
        }


@pytest.mark.parametrize("path", ["out/s", "in/../out/s", "in/way/s", "in/s2", "in", "in/file"])
def test_what_is_outside_or_no_socket_is_not(top: Path, path: str) -> None:
    (top / "in" / "way").symlink_to(top / "out")
    (top / "in" / "s2").symlink_to(top / "out" / "s")
    with pytest.raises(PermissionError):
        reach.connect(str(top / path), [str(top / "in")])


@pytest.mark.parametrize("turned", ["in/below", "in/below/s"])
def test_a_way_that_was_turned_after_the_look_is_not_gone(top: Path, turned: str) -> None:
    """The look is that of realpath(); what it has found is turned into a link to the outside."""
    path = top / "in" / "below" / "s"

    def look_and_turn(name: str) -> str:
        found = os.path.realpath(name)
        if name == str(path):
            (top / turned).rename(top / "gone")
            (top / turned).symlink_to(top / "out" if turned == "in/below" else top / "out" / "s")
        return found

    place = reach.inside(str(path), [str(top / "in")], look_and_turn)
    assert place is not None
    with socket.socket(socket.AF_UNIX) as careless:
        careless.connect(str(path))
    with pytest.raises(OSError, match=r"Not a directory|it is no socket"):
        reach.to(place)


def test_no_descriptor_is_left(top: Path) -> None:
    before = os.listdir("/proc/self/fd")
    reach.connect(str(top / "in" / "below" / "s"), [str(top / "in")]).close()
    for path in ("in/file", "in/nothing", "out/s"):
        with pytest.raises((PermissionError, FileNotFoundError)):
            reach.connect(str(top / path), [str(top / "in")])
    assert os.listdir("/proc/self/fd") == before
