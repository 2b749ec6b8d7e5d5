# SPDX-License-Identifier: GPL-2.0-or-later
"""The rules of 2011: which attributes guests may see, and as which words."""

from __future__ import annotations

import pytest

from daemons.vm_managerd.rules import RulesError, parse
from tests import tree

SHIPPED = tree.ROOT / "daemons" / "vm_managerd" / "vm-manager.conf"


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("default_ping_set", "0", "red"),
        ("default_ping_set", "50", "yellow"),
        ("default_ping_set", "100", "green"),
        ("default_ping_set", "200", "200"),
        ("diskcheck_status", "ERROR", "red"),
        ("diskcheck_status", "normal", "green"),
        ("diskcheck_status_internal", "error", "red"),
        ("operator_check_status", "Normal", "green"),
        ("operator_check_status", "under repair", "under repair"),
        ("operator_check_status", "", ""),
        ("anything_else", "100", ""),
    ],
)
def test_what_is_shipped_tells_the_words_of_2011(name: str, value: str, told: str) -> None:
    assert parse(SHIPPED.read_text(encoding="utf-8")).told(name, value) == told


@pytest.mark.parametrize(
    ("rule", "value", "fits"),
    [
        ("eq x", "X", True),
        ("eq x y", "x y", True),
        ("ne x", "y", True),
        ("ne x", "X", False),
        ("lt 5", "4", True),
        ("lt 5", "5", False),
        ("lte 5", "5", True),
        ("gt -5", "-4", True),
        ("gte 5", "+5", True),
        ("gte 5", "4", False),
        # Neither is compared with what is no number.
        ("lt 5", "INFINITY", False),
        ("gt x", "4", False),
        ("gt 1", "9" * 30, False),
    ],
)
def test_operators(rule: str, value: str, fits: bool) -> None:
    told = parse(f"[a]\nword = {rule}\n").told("a", value)
    assert told == ("word" if fits else value)


def test_the_first_line_that_fits_counts() -> None:
    rules = parse("# comment\n; another\n[a]\nlow=lt 5\nHigh = gte 0\n\n[b]\n")
    assert [rules.told("a", value) for value in ("4", "5", "-x")] == ["low", "High", "-x"]
    assert rules.names == ("a", "b")
    assert rules.told("b", "as, it is") == "as, it is"


@pytest.mark.parametrize(
    "text",
    [
        "red = eq 0\n",
        "[a]\nred\n",
        "[a]\nred = eq\n",
        "[a]\nred = is 0\n",
        "[a]\nred = eq 0\nred = eq 1\n",
        "[a]\n[a]\n",
        "[a b]\n",
        "[a']\n",
        "[a]\nred = eq 0\n  1\n",
        f"[a]\n{'x' * 300} = eq 0\n",
    ],
)
def test_what_is_not_understood_is_said_in_one_line(text: str) -> None:
    with pytest.raises(RulesError) as error:
        parse(text)
    assert str(error.value).isprintable()


def test_a_section_is_never_for_all_others() -> None:
    rules = parse("[DEFAULT]\nx = eq 1\n[a]\n")
    assert rules.told("a", "1") == "1"
    assert rules.names == ("DEFAULT", "a")
