# SPDX-License-Identifier: GPL-2.0-or-later
"""The key file: read as it was written, refused for each thing that is wrong with it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from pmkvm.tokens import ring
from pmkvm.tokens.ring import NoRingError, Ring, RingError, State

if TYPE_CHECKING:
    from pathlib import Path

OLD = ring.new_key(State.OLD, bytes(range(32)))
SEALS = ring.new_key(State.SEALS, bytes(range(1, 33)))
RING = Ring((OLD, SEALS))


@pytest.fixture
def path(tmp_path: Path) -> str:
    made = str(tmp_path / "etc" / "stonith.key")
    ring.store(made, RING)
    return made


def test_comes_back_as_it_was_stored_for_its_owner_alone(path: str) -> None:
    assert ring.load(path) == RING
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert ring.load(path).sealing == SEALS


def test_an_id_follows_from_the_key() -> None:
    assert OLD.id == ring.new_key(State.NEW, OLD.secret).id != SEALS.id
    assert ring.new_key(State.NEW).secret != ring.new_key(State.NEW).secret


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(NoRingError, match="there is no key file"):
        ring.load(str(tmp_path / "none"))


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602, 0o700])
def test_a_file_that_others_could_use_is_refused(path: str, mode: int) -> None:
    os.chmod(path, mode)
    with pytest.raises(RingError, match=f"has mode {mode:04o}, allowed is 0600"):
        ring.load(path)


def test_somebody_elses_file_is_refused(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    with pytest.raises(RingError, match=f"belongs to uid {owner}, and must to {owner + 1}"):
        ring.load(path)


def test_what_is_no_file_is_refused(path: str, tmp_path: Path) -> None:
    link, pipe = str(tmp_path / "link"), str(tmp_path / "pipe")
    os.symlink(path, link)
    os.mkfifo(pipe, 0o600)
    for each in (link, pipe, str(tmp_path)):
        with pytest.raises(RingError):
            ring.load(each)


SOUND = ring.to_text(RING).splitlines()[2]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "not exactly one key has the state seals"),
        (ring.to_text(Ring((SEALS, OLD._replace(state=State.SEALS)))), "not exactly one"),
        (f"{SOUND}\n{SOUND.replace('seals', 'new')}\n", "a key is there twice"),
        (f"{SOUND[:-1]}\n", "line 1: not 'STATE KEYID KEY'"),
        (SOUND.replace("seals", "sealed"), "line 1: not 'STATE KEYID KEY'"),
        (SOUND[:20] + ("A" if SOUND[20] != "A" else "B") + SOUND[21:], "don't fit"),
    ],
)
def test_a_damaged_file_is_refused_without_a_word_of_it(text: str, complaint: str) -> None:
    with pytest.raises(RingError, match=complaint) as caught:
        ring.parse(text, "keys")
    assert not any(len(part) > 40 and part in text for part in str(caught.value).split())


def test_binary_is_no_key_file(path: str) -> None:
    with open(path, "wb") as file:
        file.write(b"\xff\x00")
    with pytest.raises(RingError, match="is no key file"):
        ring.load(path)


def test_nothing_shows_a_key() -> None:
    assert "***" in repr(RING)
    assert repr(OLD.secret) not in repr(RING)
