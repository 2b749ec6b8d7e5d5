# SPDX-License-Identifier: GPL-2.0-or-later
"""Pages say what the programs' tables say."""

from __future__ import annotations

import pytest

from tests import reference
from tests.reference import PAGES, Page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.path.name)
def test_a_page_is_as_its_table_is(page: Page) -> None:
    text = page.path.read_text(encoding="utf-8")
    assert text == reference.renewed(page, text), "run python3 -m tests.reference"


def test_a_page_that_is_behind_is_found() -> None:
    page = next(page for page in PAGES if page.path.name == "virtualdomain.md")
    text = page.path.read_text(encoding="utf-8")
    behind = text.replace("- `shutdown_mode` (string", "- `shutdown_way` (string")
    assert behind != text
    assert reference.renewed(page, behind) == text


def test_a_page_without_a_place_for_it_is_refused() -> None:
    with pytest.raises(ValueError, match="no place"):
        reference.renewed(PAGES[0], "a page\n")
