# SPDX-License-Identifier: GPL-2.0-or-later
"""doc/from-2011.md has a row for everything that the slides of 2011 print, in their order, and
names no test that is not there."""

from __future__ import annotations

import re
from typing import NamedTuple

from tests import tree

PAGE = (tree.ROOT / "doc" / "from-2011.md").read_text(encoding="utf-8")
# What the slides print; a line that begins with # and a blank is a comment.
LIST = tree.ROOT / "tests" / "unit" / "data" / "names-of-2011.txt"
VERDICTS = frozenset({"same", "renamed", "replaced", "gone"})
CODE = re.compile(r"`([^`]+)`")
PLACES = {"lab": "tests/lab/cases", "tools": "tests/tools", "unit": "tests/unit"}


class Row(NamedTuple):
    """A row of a table that begins with "on the slides"; tested is empty where it has no such
    column, or no test."""

    names: list[str]
    verdict: str
    today: str
    tested: str


def rows(page: str) -> list[Row]:
    found = []
    for table in re.findall(r"^\| on the slides .*\n\|[-|]+\n((?:\|.*\n)+)", page, re.MULTILINE):
        for line in table.splitlines():
            names, verdict, today, *tested = (cell.strip() for cell in line[1:-1].split("|"))
            found.append(Row(CODE.findall(names), verdict, today, "".join(tested)))
    return found


def names() -> list[str]:
    lines = LIST.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("# ")]


def first_row_of_each(page: str) -> dict[str, int]:
    places: dict[str, int] = {}
    for number, row in enumerate(rows(page)):
        for name in row.names:
            places.setdefault(name, number)
    return places


def missing(page: str) -> list[str]:
    places = first_row_of_each(page)
    return [name for name in names() if name not in places]


def out_of_order(page: str) -> list[str]:
    """Whose row stands before that of the name before it."""
    places = first_row_of_each(page)
    in_order = [name for name in names() if name in places]
    pairs = zip(in_order, in_order[1:])
    return [after for before, after in pairs if places[after] < places[before]]


def untold(page: str) -> list[str]:
    """Rows that leave the reader without an answer."""
    return [
        str(row)
        for row in rows(page)
        if not row.names
        or row.verdict not in VERDICTS
        or (row.verdict in {"renamed", "replaced"} and not row.today)
    ]


def unknown_tests(page: str) -> list[str]:
    return [row.tested for row in rows(page) if row.tested and not _is_a_test(row.tested)]


def _is_a_test(tested: str) -> bool:
    (name,) = CODE.findall(tested)
    kind, *folders, last = name.split("/")
    return tree.ROOT.joinpath(PLACES[kind], *folders, f"test_{last}.py").is_file()


def test_the_list_has_each_name_once() -> None:
    assert len(names()) > 180
    assert len(names()) == len(set(names()))


def test_everything_that_the_slides_print_has_its_row() -> None:
    assert missing(PAGE) == []


def test_the_rows_are_in_the_slides_order() -> None:
    assert out_of_order(PAGE) == []


def test_each_row_says_what_to_do() -> None:
    assert untold(PAGE) == []


def test_each_test_that_is_named_is_there() -> None:
    assert unknown_tests(PAGE) == []


def test_a_page_that_breaks_the_rules_is_found() -> None:
    head = "| on the slides | | today | tested by |\n|---|---|---|---|\n"
    page = (
        f"{head}| `vm-ctl`, `crm` | same | | `lab/nowhere` |\n"
        "| `primitive` | perhaps | | |\n| `yum` | replaced | | |\n"
    )
    assert missing(page) == [name for name in names() if name not in page.replace("`", " ").split()]
    assert out_of_order(f"{head}| `clone` | same | | |\n| `crm` | same | | |\n") == ["clone"]
    assert len(untold(page)) == 2
    assert unknown_tests(page) == ["`lab/nowhere`"]
