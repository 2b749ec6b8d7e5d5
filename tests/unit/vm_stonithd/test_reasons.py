# SPDX-License-Identifier: GPL-2.0-or-later
"""Each reason of an NG that the code can give has its row in the manual, and each row is one."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import pytest

from tests import tree

if TYPE_CHECKING:
    from collections.abc import Iterator

DAEMON = tree.ROOT / "daemons" / "vm_stonithd"
DOCUMENT = tree.ROOT / "doc" / "fencing.md"
# Functions that answer with what is wrong, empty if nothing is.
COMPLAINING = {
    "machine/proof": {"obstacle", "unfit", "lack", "_unproven"},
    "machine/clocks": {"disagreement"},
    "machine/coordinator": {"_obstacle"},
    "machine/on_status_list": {"_obstacle"},
    "machine/replies": {"refusal"},
    "intake/requests": {"complaint"},
}
# Modules in which a reason is set otherwise: fence.reason, told, REFUSED, "NG ...".
SETTING = (
    "machine/coordinator",
    "machine/replies",
    "machine/on_status_list",
    "machine/fence",
    "machine/proof",
    "intake/desk",
    "intake/requests",
    "model/facts",
)
NAMES = ("reason", "told", "REFUSED")
# Functions that are given one, and tables of them.
TAKING, TABLES = ("ng", "fail"), ("_LAST_REASON", "_OBJECTIONS")


def reasons() -> set[str]:
    found: set[str] = set()
    for module in {*COMPLAINING, *SETTING}:
        syntax = ast.parse((DAEMON / f"{module}.py").read_text(encoding="utf-8"))
        remarks = {id(n.value) for n in ast.walk(syntax) if isinstance(n, ast.Expr)}
        for node in ast.walk(syntax):
            if isinstance(node, ast.FunctionDef) and node.name in COMPLAINING.get(module, ()):
                found.update(returned(node))
            elif isinstance(node, (ast.Constant, ast.JoinedStr)) and id(node) not in remarks:
                found.update(t[len("NG ") :] for t in texts(node) if t.startswith("NG "))
            else:
                found.update(given(node))
    # Made of other ones.
    return {each for each in found - {"not proven on …: …", "banned; …"} if each.strip("… ")}


def returned(function: ast.FunctionDef) -> Iterator[str]:
    for node in ast.walk(function):
        if isinstance(node, ast.Return) and node.value is not None:
            yield from texts(node.value)


def given(node: ast.AST) -> Iterator[str]:
    """Assigned to what holds a reason, or handed to what takes one."""
    if isinstance(node, ast.Assign) and any(map(is_reason, node.targets)):
        yield from texts(node.value)
    elif isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in TABLES:
        assert isinstance(node.value, ast.Dict)
        for value in node.value.values:
            yield from texts(value)
    elif isinstance(node, ast.Call) and called(node) in TAKING:
        for value in node.args:
            yield from texts(value)


def is_reason(target: ast.expr) -> bool:
    name = target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", "")
    return name in NAMES


def called(node: ast.Call) -> str:
    function = node.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def texts(node: ast.expr) -> Iterator[str]:
    """The texts that an expression can be, with … for what is put into them."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        parts = [p.value if isinstance(p, ast.Constant) else "…" for p in node.values]
        yield "".join(map(str, parts))
    elif isinstance(node, ast.IfExp):
        yield from texts(node.body)
        yield from texts(node.orelse)
    elif isinstance(node, ast.BoolOp):
        for value in node.values:
            yield from texts(value)


def rows() -> set[str]:
    """The first cells of the document's table of reasons."""
    text = DOCUMENT.read_text(encoding="utf-8").partition("## What an NG says")[2]
    table = text.partition("\n## ")[0]
    lines = (line for line in table.splitlines() if line.startswith("| `"))
    return {
        re.sub(r"^NG ", "", cell)
        for line in lines
        for cell in re.findall(r"`([^`]*)`", line.split("|")[1])
    }


def test_every_reason_has_a_row() -> None:
    assert len(reasons()) > 25
    assert sorted(reasons() - rows()) == []


def test_every_row_has_a_reason() -> None:
    assert sorted(rows() - reasons()) == []


@pytest.mark.parametrize("known", ["no quorum", "the token is refused", "… is unmanaged"])
def test_known_ones_are_found(known: str) -> None:
    assert known in reasons()
