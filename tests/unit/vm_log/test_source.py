# SPDX-License-Identifier: GPL-2.0-or-later
"""Files that grow, are rotated and cut; lines that have no end; journalctl."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from check.vm_log import source
from pmkvm import process, settings
from pmkvm.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def test_lines_are_put_together_and_a_long_one_is_cut() -> None:
    long = b"x" * (3 * source.LONGEST)
    pieces = [b"a\nb", b"c\n", long[:5], long, long, b"\n\xff\x1b\nend"]
    first, second, cut, odd, last = source.split(pieces)
    assert (first, second, odd, last) == ("a", "bc", "\\xff\x1b", "end")
    assert cut == "x" * source.LONGEST


def test_no_more_is_kept_of_a_line_than_is_looked_at() -> None:
    endless = (b"y" * source.PIECE for _ in range(200))
    (line,) = source.split(endless)
    assert len(line) == source.LONGEST


class EnoughError(Exception):
    """A follower has seen all that there is to see."""


def follow(path: Path, monkeypatch: pytest.MonkeyPatch, *then: Callable[[], object]) -> list[str]:
    """What a follower sees of a file to which one thing after the other happens."""
    waiting = list(then)

    def happen(_seconds: float) -> None:
        if not waiting:
            raise EnoughError
        waiting.pop(0)()

    def pieces() -> Iterator[bytes]:
        with contextlib.suppress(EnoughError):
            yield from source.file(str(path), is_followed=True)

    monkeypatch.setattr(source, "sleep", happen)
    return list(source.split(pieces()))


def add(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(text)


def test_a_file_that_grows_is_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "log"
    add(log, "one\ntw")
    assert follow(log, monkeypatch, lambda: add(log, "o\nthree\n")) == ["one", "two", "three"]


def test_a_rotation_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log, old = tmp_path / "log", tmp_path / "log.1"
    add(log, "one\n")

    def rotate() -> None:
        log.rename(old)
        add(old, "two\nbroken off")

    seen = follow(log, monkeypatch, rotate, lambda: add(log, "three\n"), lambda: add(log, "four\n"))
    assert seen == ["one", "two", "broken off", "three", "four"]


def test_a_file_that_is_cut_is_read_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "log"
    add(log, "one\ntwo\n")
    seen = follow(log, monkeypatch, lambda: log.write_text("3\n", encoding="utf-8"))
    assert seen == ["one", "two", "3"]


def test_a_file_that_is_not_followed_ends(tmp_path: Path) -> None:
    log = tmp_path / "log"
    add(log, "one\n")
    assert list(source.split(source.file(str(log), is_followed=False))) == ["one"]


@pytest.fixture
def journalctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    def install(script: str) -> None:
        program = tmp_path / "journalctl"
        program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        program.chmod(0o755)

    monkeypatch.setitem(settings.CHILD_ENVIRONMENT, "PATH", f"{tmp_path}:/usr/bin:/bin")
    return install


def test_the_journal_is_asked_for_our_programs(journalctl: Callable[[str], None]) -> None:
    journalctl('printf "%s\\n" "$@"')
    with source.journal(5.0, is_followed=True) as pieces:
        asked = set(source.split(pieces))
    assert {"--output=json", "--identifier=pacemaker-controld", "--identifier=vm-stonithd"} < asked
    assert {"--since=@5", "--follow", "--no-tail"} < asked


def test_a_journalctl_that_fails_is_no_empty_journal(journalctl: Callable[[str], None]) -> None:
    journalctl("exit 3")
    with (
        pytest.raises(CommandError, match="ended with 3"),
        source.journal(None, is_followed=False) as pieces,
    ):
        list(pieces)


def test_a_journalctl_that_goes_on_is_ended(journalctl: Callable[[str], None]) -> None:
    journalctl("echo $$; exec sleep 600")
    seen: list[str] = []

    def read_one() -> None:
        with source.journal(None, is_followed=True) as pieces:
            seen.append(next(pieces).decode())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read_one()
    assert process.life_of(int(seen[0])) is None
