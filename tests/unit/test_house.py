# SPDX-License-Identifier: GPL-2.0-or-later
"""The house rules, held by this tree, and each seen to fail on a planted violation."""

from __future__ import annotations

import ast
import sys
from typing import TYPE_CHECKING

import pytest

from tests import tree, tree_files

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OURS = tree.read(tree.ROOT)

# sys.stdlib_module_names is not there before 3.10; the other Pythons hold the rule.
STANDARD = frozenset(getattr(sys, "stdlib_module_names", ()))


def planted(root: Path, files: dict[str, str]) -> dict[str, tree.Module]:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tree.read(root)


def test_the_tree_is_read_at_all() -> None:
    assert "pmkvm.run" in OURS
    assert "agents.virtual_domain.agent" in OURS
    imports = OURS["agents.virtual_domain.agent"].imports
    assert {"pmkvm.ocf.agent", "agents.virtual_domain.actions.stop"} <= imports


@pytest.mark.parametrize(
    "rule",
    [
        tree.broken_borders,
        tree.cycles,
        tree.upward_arrows,
        tree.impure,
        tree.process_starters,
        tree.file_makers,
        tree.banned_calls,
        tree.shells,
    ],
)
def test_every_module_keeps_the_rule(rule: Callable[[dict[str, tree.Module]], list[str]]) -> None:
    assert rule(OURS) == []


@pytest.mark.parametrize(
    ("file", "text", "complaint"),
    [
        ("agents/a.py", "import vmctl.main", "agents.a imports vmctl.main"),
        ("vmctl/main.py", "from agents import a", "vmctl.main imports agents"),
        ("daemons/d.py", "def f():\n    import stonith", "daemons.d imports stonith"),
        ("daemons/d.py", "importlib.import_module('stonith.a')", "daemons.d imports stonith.a"),
        ("agents/a.py", "_start = lazy('stonith.a:start')", "agents.a imports stonith.a"),
        ("pmkvm/base.py", "from agents.a import b", "pmkvm.base imports agents.a"),
        ("pmkvm/base.py", "from pmkvm import ocf", "pmkvm.base imports pmkvm.ocf"),
        ("pmkvm/virt/v.py", "from pmkvm.ocf import codes", "pmkvm.virt.v imports pmkvm.ocf.codes"),
        ("pmkvm/virt/v.py", "from pmkvm.ocf.codes import X", "imports pmkvm.ocf.codes"),
    ],
)
def test_an_import_across_a_border_is_found(
    tmp_path: Path, file: str, text: str, complaint: str
) -> None:
    packages = {"pmkvm/ocf/__init__.py": "", "pmkvm/virt/__init__.py": "", "pmkvm/ocf/codes.py": ""}
    (found,) = tree.broken_borders(planted(tmp_path, {**packages, file: text}))
    assert complaint in found


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("agents/a.py", "from pmkvm.ocf import codes\nimport agents.b"),
        ("pmkvm/ocf/a.py", "from pmkvm import base\nfrom pmkvm.ocf import codes"),
        ("pmkvm/virt/v.py", "if TYPE_CHECKING:\n    from pmkvm.ocf.codes import X"),
    ],
)
def test_an_import_inside_the_borders_is_not_complained_of(
    tmp_path: Path, file: str, text: str
) -> None:
    files = {"pmkvm/ocf/__init__.py": "", "pmkvm/ocf/codes.py": "", "pmkvm/base.py": ""}
    files |= {"pmkvm/virt/__init__.py": "", "agents/b.py": ""}
    assert tree.broken_borders(planted(tmp_path, {**files, file: text})) == []


def test_a_cycle_is_found_through_a_function_but_not_through_types(tmp_path: Path) -> None:
    files = {
        "pmkvm/a.py": "from pmkvm import b",
        "pmkvm/b.py": "def f():\n    from pmkvm.c import x",
        "pmkvm/c.py": "import pmkvm.a",
        "pmkvm/d.py": "from pmkvm import a\nif TYPE_CHECKING:\n    from pmkvm import e",
        "pmkvm/e.py": "from pmkvm import d",
    }
    assert tree.cycles(planted(tmp_path, files)) == ["pmkvm.a -> pmkvm.b -> pmkvm.c -> pmkvm.a"]


def test_what_a_rule_names_is_there() -> None:
    assert set(OURS) > tree.RUNS_A_SHELL
    for program, floors in tree.ROOMS.items():
        for room in (room for floor in floors for room in floor):
            assert f"{program}.{room}" in OURS
    pure = [name for name, module in OURS.items() if "Pure." in ast.unparse(module.syntax)]
    assert len(pure) > 40


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("model/facts", "from daemons.vm_stonithd.machine import fence"),
        ("machine/fence", "from daemons.vm_stonithd.host.look import Look"),
        ("host/look", "if TYPE_CHECKING:\n    from daemons.vm_stonithd.intake.desk import Desk"),
    ],
)
def test_an_arrow_upwards_is_found(tmp_path: Path, name: str, text: str) -> None:
    rooms = ("model/facts", "machine/fence", "host/look", "intake/desk")
    files = {f"daemons/vm_stonithd/{room}.py": "" for room in rooms}
    files[f"daemons/vm_stonithd/{name}.py"] = text
    (found,) = tree.upward_arrows(planted(tmp_path, files))
    assert found.startswith(f"daemons.vm_stonithd.{name.replace('/', '.')} imports ")
    above = "from daemons.vm_stonithd.model import facts\nfrom daemons.vm_stonithd.host import look"
    files |= {f"daemons/vm_stonithd/{name}.py": "", "daemons/vm_stonithd/intake/desk.py": above}
    assert tree.upward_arrows(planted(tmp_path, files)) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("vmctl/plan.py", '"""What changes. Pure."""\nimport time'),
        ("vmctl/plan.py", '"""Pure. What changes."""\ndef f():\n    from os import path'),
        ("daemons/vm_stonithd/machine/fence.py", "import asyncio"),
        ("daemons/vm_stonithd/model/facts.py", "from datetime import datetime"),
    ],
)
def test_a_clock_in_what_is_called_pure_is_found(tmp_path: Path, name: str, text: str) -> None:
    assert len(tree.impure(planted(tmp_path, {name: text}))) == 1


@pytest.mark.parametrize("said", ["What changes.", "What is not Pure", "Of a Purely plain text."])
def test_a_clock_where_nothing_is_called_pure_is_not_complained_of(
    tmp_path: Path, said: str
) -> None:
    files = {"vmctl/plan.py": f'"""{said}"""\nimport time', "daemons/d.py": "import os"}
    assert tree.impure(planted(tmp_path, files)) == []


@pytest.mark.skipif(not STANDARD, reason="Python 3.9 has no list of its own modules")
def test_each_library_is_imported_in_its_place_only() -> None:
    assert tree.misplaced_libraries(OURS, STANDARD) == []


def test_a_library_out_of_its_place_is_found(tmp_path: Path) -> None:
    files = {
        "agents/a.py": "import os\nfrom lxml import etree",
        "pmkvm/virt/b.py": "import libvirt",
        "pmkvm/virtual.py": "import libvirt",
        "check/c.py": "import lxml.etree\nimport requests",
    }
    assert tree.misplaced_libraries(planted(tmp_path, files), frozenset({"os"})) == [
        "pmkvm.virtual imports libvirt",
        "agents.a imports lxml",
        "check.c imports requests",
    ]


def test_a_second_starter_of_processes_is_found(tmp_path: Path) -> None:
    files = {
        "pmkvm/run.py": "import subprocess",
        "vmctl/main.py": "def f():\n    from subprocess import run",
    }
    assert tree.process_starters(planted(tmp_path, files)) == ["vmctl.main imports subprocess"]


@pytest.mark.parametrize(
    "text",
    [
        "os.open(path, os.O_WRONLY | os.O_TRUNC)",
        "os.open(path, os.O_RDWR | os.O_CREAT)",
        "open(path, 'w')",
        "open(path, mode='ab')",
        "path.write_text(text)",
    ],
)
def test_a_file_that_is_made_elsewhere_is_found(tmp_path: Path, text: str) -> None:
    assert len(tree.file_makers(planted(tmp_path, {"daemons/d.py": f"{text}\n"}))) == 1
    assert tree.file_makers(planted(tmp_path, {"daemons/d.py": "open(path, 'rb')\n"})) == []


@pytest.mark.parametrize(
    "text",
    [
        "run('ls', shell=True)",
        "run('ls', shell=flag)",
        "import os\nos.system('ls')",
        "from os import popen",
        "import os\nos.execv('/bin/sh', [])",
        "eval('1')",
        "exec('1')",
        "import importlib\nimportlib.import_module(name)",
        "from importlib import import_module\nimport_module(name)",
        "lazy(f'agents.{name}:start')",
        "table.lazy(name)",
        "__import__('agents.b')",
        "asyncio.create_subprocess_shell('ls')",
    ],
)
def test_text_that_is_run_is_found(tmp_path: Path, text: str) -> None:
    assert len(tree.banned_calls(planted(tmp_path, {"agents/a.py": text}))) == 1


@pytest.mark.parametrize("argv", ["['/bin/sh', '-c', text]", "('bash', '-c', text)", "['dash']"])
def test_a_shell_elsewhere_is_found(tmp_path: Path, argv: str) -> None:
    found = tree.shells(planted(tmp_path, {"agents/a.py": f"run({argv}, timeout_s=1)"}))
    assert found == ["agents.a:1 runs a shell"]


# As sources name the repository's root; written so that this file names nothing.
ROOT, BELOW_PROJECT = "ROOT", "{PROJECT}/"
LICENSED = f"{tree_files.SPDX}\n"


@pytest.mark.parametrize(
    "rule",
    [
        tree_files.without_licence,
        tree_files.too_long,
        tree_files.too_wide,
        tree_files.named_for_nothing,
        tree_files.leads_to_nothing,
    ],
)
def test_every_file_keeps_the_rule(rule: Callable[[Path], list[Path]]) -> None:
    assert rule(tree.ROOT) == []


@pytest.mark.parametrize(
    ("rule", "name", "text"),
    [
        (tree_files.without_licence, "tests/unit/test_a.py", '"""No licence."""\n'),
        (tree_files.without_licence, "stubs/a.pyi", f"\n{LICENSED}"),
        (tree_files.without_licence, "tests/program.py", f"#!/usr/bin/python3\n\n{LICENSED}"),
        (tree_files.too_long, "pmkvm/a.py", LICENSED + "x = 1\n" * tree_files.MAX_LINES),
        (tree_files.too_wide, "doc/measurements/a.md", f"| {'x' * tree_files.MAX_COLUMNS} |\n"),
        (tree_files.named_for_nothing, "tests/utils.py", LICENSED),
        (tree_files.named_for_nothing, "pmkvm/common/a.py", LICENSED),
        (
            tree_files.leads_to_nothing,
            "tests/a.py",
            f'{LICENSED}A = {ROOT} / "pmkvm" / "gone.py"\n',
        ),
        (
            tree_files.leads_to_nothing,
            "tests/b.py",
            f'{LICENSED}A = f"{BELOW_PROJECT}pmkvm/no.py"\n',
        ),
    ],
)
def test_a_file_that_breaks_the_rule_is_found(
    tmp_path: Path, rule: Callable[[Path], list[Path]], name: str, text: str
) -> None:
    good = tmp_path / "pmkvm/empty/__init__.py"
    good.parent.mkdir(parents=True)
    good.touch()
    bad = tmp_path / name
    bad.parent.mkdir(parents=True, exist_ok=True)
    bad.write_text(text, encoding="utf-8")
    assert rule(tmp_path) == [bad]
