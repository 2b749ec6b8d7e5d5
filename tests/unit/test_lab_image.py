# SPDX-License-Identifier: GPL-2.0-or-later
"""What the lab's guests boot from is replaced as a whole, and nothing is left beside it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.lab.guests import full_image
from tests.lab.guests.full_image import OwnFile

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_that_is_linked_once_more_leaves_nothing_behind(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_text("root")
    for _ in range(2):
        # The second time both names are of one file, and a rename of one to the other does nothing.
        full_image._link(str(source), str(target))
        assert sorted(os.listdir(tmp_path)) == ["source", "target"]
        assert target.samefile(source)


def test_a_link_takes_the_place_of_another_file(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_text("new")
    target.write_text("old")
    (tmp_path / "target.new").write_text("of a run that was killed")
    full_image._link(str(source), str(target))
    assert target.read_text() == "new"
    assert sorted(os.listdir(tmp_path)) == ["source", "target"]


def test_what_can_not_be_finished_is_removed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("old")
    with pytest.raises(FileNotFoundError):
        full_image._link(str(tmp_path / "none"), str(target))
    with pytest.raises(TypeError):
        full_image.place_own(str(tmp_path), "guest", {"a": OwnFile("text", mode="644")})  # type: ignore[arg-type]
    assert os.listdir(tmp_path) == ["target"]
    assert target.read_text() == "old"


def test_a_guests_own_files_are_replaced(tmp_path: Path) -> None:
    for text in ("one", "two"):
        full_image.place_own(str(tmp_path), "guest", {"/etc/name": OwnFile(text)})
        assert os.listdir(tmp_path) == ["own-guest.tar"]
