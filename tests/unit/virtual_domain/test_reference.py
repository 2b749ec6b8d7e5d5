# SPDX-License-Identifier: GPL-2.0-or-later
"""The page about VirtualDomain says what the agent's table says."""

from __future__ import annotations

from agents.virtual_domain.agent import AGENT
from tests import reference


def test_the_page_is_as_the_table_is() -> None:
    page = reference.PAGE.read_text(encoding="utf-8")
    assert page == reference.renewed(page, AGENT), "run python3 -m tests.reference"


def test_a_page_that_is_behind_is_found() -> None:
    page = reference.PAGE.read_text(encoding="utf-8")
    behind = page.replace("| `shutdown_mode` | string", "| `shutdown_way` | string")
    assert behind != page
    assert reference.renewed(behind, AGENT) == page
