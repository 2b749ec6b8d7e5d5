# SPDX-License-Identifier: GPL-2.0-or-later
"""What agents name by lazy() is an action's function: mypy does not follow a name in a string."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import pytest

from tests import tree
from tests.unit.test_house import OURS, planted

if TYPE_CHECKING:
    from pathlib import Path


def wrong_names(modules: dict[str, tree.Module]) -> list[str]:
    return [
        f"{module.name} names {ast.unparse(node.args[0])}"
        for module in modules.values()
        for node in ast.walk(module.syntax)
        if isinstance(node, ast.Call) and tree.called(node) == "lazy"
        if not leads_to_an_action(ast.literal_eval(node.args[0]), modules)
    ]


def leads_to_an_action(name: str, modules: dict[str, tree.Module]) -> bool:
    place, _, function = name.partition(":")
    return place in modules and any(
        isinstance(node, ast.FunctionDef)
        and (node.name, ast.unparse(node.args)) == (function, "context: Context")
        and node.returns is not None
        and ast.unparse(node.returns) == "OcfCode"
        for node in modules[place].syntax.body
    )


def test_each_name_is_that_of_an_action() -> None:
    assert wrong_names(OURS) == []


@pytest.mark.parametrize(
    "text",
    [
        "def stop(context: Context) -> OcfCode: ...",
        "def start(context: Context) -> int: ...",
        "def start() -> OcfCode: ...",
        "def start(context: Context): ...",
        "start = 1",
    ],
)
def test_a_name_of_anything_else_is_found(tmp_path: Path, text: str) -> None:
    files = {"agents/a.py": "_start = lazy('agents.b:start')", "agents/b.py": text}
    assert wrong_names(planted(tmp_path, files)) == ["agents.a names 'agents.b:start'"]
    files["agents/b.py"] = "def start(context: Context) -> OcfCode: ..."
    assert wrong_names(planted(tmp_path, files)) == []
