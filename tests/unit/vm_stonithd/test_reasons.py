# SPDX-License-Identifier: GPL-2.0-or-later
"""Each reason of an NG that a test comes upon has its row in the manual, and each row is one."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import pytest

from daemons.vm_stonithd.model import events
from daemons.vm_stonithd.model.facts import REFUSED, told
from tests import tree
from tests.unit.vm_stonithd.reasons import ROWS, is_explained
from tests.unit.vm_stonithd.table import request

if TYPE_CHECKING:
    from tests.unit.vm_stonithd.table import Table

# They are put together in pmkvm: test_desk.py has them said.
PUT_TOGETHER = {
    told(REFUSED, "…"),
    "no thread can be started for reading a request",
    "out of time while reading a request",
}


def texts() -> set[str]:
    """All that vm-stonithd's source has between quotes, with … for what is put into them."""
    found = set()
    for path in (tree.ROOT / "daemons" / "vm_stonithd").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            parts: list[ast.AST] = [*node.values] if isinstance(node, ast.JoinedStr) else [node]
            said = (str(p.value) if isinstance(p, ast.Constant) else "…" for p in parts)
            found.add("".join(said).removeprefix("NG "))
    return found


def test_every_row_is_said() -> None:
    assert len(ROWS) > 40
    assert ROWS - texts() == PUT_TOGETHER


def test_a_reason_without_a_row_is_noticed(table: Table) -> None:
    table.tell(events.Arrived(request(refusal="you are being fenced")))
    with pytest.raises(AssertionError, match="has no row: NG you are fenced"):
        table.tell(events.Arrived(request(refusal="you are fenced")))


@pytest.mark.parametrize(
    ("answer", "is_known"),
    [
        ("OK off", True),
        ("NG no quorum", True),
        ("NG banned; not proven on host1: its clock is apart", True),
        ("NG", False),
        ("NG banned", False),
        ("NG no quorum at all", False),
        ("no quorum", False),
    ],
)
def test_what_is_explained(answer: str, is_known: bool) -> None:
    assert is_explained(answer) == is_known
