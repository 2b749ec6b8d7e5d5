# SPDX-License-Identifier: GPL-2.0-or-later
"""The manual pages as man(1) reads them: without a warning, and with a line for apropos(1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pmkvm.run import run
from tests import tree

if TYPE_CHECKING:
    from pathlib import Path

PAGES = sorted((tree.ROOT / "doc" / "man").iterdir())


def warnings(page: Path) -> str:
    done = run(
        ["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", str(page)],
        timeout_s=60,
        environment={"MANROFFSEQ": "", "MANWIDTH": "80"},
    )
    assert done.rc == 0, done.err
    return done.err


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_is_read_without_a_warning(page: Path) -> None:
    assert warnings(page) == ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_apropos_finds_a_page_by_its_name(page: Path) -> None:
    done = run(["lexgrog", str(page)], timeout_s=60)
    assert done.rc == 0, done.out
    assert f'"{page.stem} - ' in done.out


def test_a_warning_is_seen(tmp_path: Path) -> None:
    page = tmp_path / "bad.8"
    page.write_text('.TH BAD 8 "" "" ""\n.SH NAME\nbad \\- bad\n.nosuch macro\n', encoding="utf-8")
    assert "nosuch" in warnings(page)
