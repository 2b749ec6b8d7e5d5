# SPDX-License-Identifier: GPL-2.0-or-later
"""The source tree as data: its modules and who imports whom, read from the syntax alone.

The house rules below take any tree, so that tests can plant a violation and see it found.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent

LIBRARY = "pmkvm"
PROGRAMS = ("agents", "stonith", "daemons", "vmctl", "check")


# Where each library may be imported; what is not here must be the standard library's.
# The base modules of the library need none of them.
THIRD_PARTY = {
    "libvirt": ("pmkvm.virt", "daemons"),
    "libvirtmod": ("pmkvm.virt",),
    "libvirtmod_qemu": ("pmkvm.virt",),
    "lxml": ("check",),
    "cryptography": ("daemons", "pmkvm.tokens"),
}

# What starts a process; a module of ours that does is pmkvm.run.
STARTERS = frozenset({"subprocess", "multiprocessing", "pty", "asyncio.subprocess"})
STARTER = "pmkvm.run"

# Calls that run text as a program, or start one behind pmkvm.run's back.
BANNED_CALLS = frozenset({"eval", "exec", "__import__"})
BANNED_ATTRIBUTES = {
    "os": ("system", "popen", "fork", "forkpty", "posix_spawn", "posix_spawnp"),
    "asyncio": ("create_subprocess_exec", "create_subprocess_shell"),
}
BANNED_PREFIXES = ("os.exec", "os.spawn")
# What imports by a name, which must be a literal: importlib's, and that of agents' actions.
BY_NAME = ("import_module", "lazy")
# Who may do what else is banned: run a program in the place of its child, send a child that may
# never come back (a monitor can't load pmkvm.run, and that waits for its children), be lazy(),
# load what was put off.
NOT_BANNED = frozenset(
    {
        (STARTER, "uses os.execv"),
        ("pmkvm.knock", "uses os.posix_spawn"),
        ("pmkvm.ocf.table", "uses __import__"),
        ("pmkvm.whole", "uses __import__"),
    }
)

# Who makes files: under a new name, to be renamed, and logs, which are added to.
MAKES_FILES = frozenset(
    {
        "pmkvm.files",
        "pmkvm.ocf.log",
        "agents.vm_anything.output",
        "daemons.vm_stonithd.host.record_file",
        "stonith.plugin.journal",
    }
)

# Who gives text to a shell: root's own, from a parameter that says so.
SHELLS = frozenset({"sh", "bash", "dash"})
RUNS_A_SHELL = frozenset(
    {"agents.vm_anything.monitor", "pmkvm.shell_text", "stonith.stonith_helper.look"}
)

# Rooms of a program, from the lowest on: each imports those below it alone. What lies in no room
# is above all of them.
ROOMS = {
    "daemons.vm_stonithd": (("model",), ("machine", "host"), ("cluster",), ("intake",)),
    "agents.virtual_domain": (
        ("guest",),
        ("options", "migration", "stopping"),
        ("starting",),
        ("actions",),
    ),
}
# Rooms in which all is pure, besides every module whose docstring says so.
PURE_ROOMS = ("daemons.vm_stonithd.model", "daemons.vm_stonithd.machine")
# Which program may foretell what another one would decide: by that one's own pure modules alone.
FORETELLS = {"check": "daemons.vm_stonithd"}
CLOCKS_AND_EFFECTS = frozenset(
    {
        *("asyncio", "datetime", "os", "random", "secrets", "select", "signal", "socket"),
        *("subprocess", "tempfile", "threading", "time", "uuid"),
    }
)


class Module(NamedTuple):
    """One source file of the library or of a program."""

    name: str
    path: Path
    syntax: ast.Module
    # Dotted names that it imports when it runs, inside functions too.
    imports: frozenset[str]

    @property
    def folder(self) -> str:
        return self.name.partition(".")[0]


def read(root: Path) -> dict[str, Module]:
    """The modules of the library and the programs, by dotted name."""
    paths = {}
    for folder in (LIBRARY, *PROGRAMS):
        for path in sorted((root / folder).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            paths[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    modules = {}
    for name, path in paths.items():
        syntax = ast.parse(path.read_text(encoding="utf-8"))
        modules[name] = Module(name, path, syntax, frozenset(_imports(syntax, set(paths))))
    return modules


def _imports(syntax: ast.Module, ours: set[str]) -> Iterator[str]:
    for node in _running(syntax):
        yield from _imported_by_name(node) if isinstance(node, ast.Call) else _imported(node, ours)


def _imported(node: ast.AST, ours: set[str]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        source = node.module or ""
        for alias in node.names:
            submodule = f"{source}.{alias.name}"
            yield submodule if submodule in ours else source


def _imported_by_name(call: ast.Call) -> Iterator[str]:
    """importlib.import_module("module") and lazy("module:function") are imports like any other."""
    if called(call) in BY_NAME and call.args:
        name = call.args[0]
        if isinstance(name, ast.Constant) and isinstance(name.value, str):
            yield name.value.partition(":")[0]


def called(call: ast.Call) -> str:
    """Its name, whatever it is called through."""
    return ast.unparse(call.func).rpartition(".")[2]


def _running(syntax: ast.Module) -> Iterator[ast.AST]:
    """All nodes but those that only a type checker sees."""
    waiting: list[ast.AST] = [syntax]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.If) and _asks_for_type_checking(node.test):
            waiting += node.orelse
        else:
            waiting += ast.iter_child_nodes(node)


def _asks_for_type_checking(test: ast.expr) -> bool:
    return ast.unparse(test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def broken_borders(modules: dict[str, Module]) -> list[str]:
    """Imports across a border: program to program, library to program, package to package."""
    return [
        f"{module.name} imports {name}"
        for module in modules.values()
        for name in sorted(module.imports)
        if name.partition(".")[0] in (LIBRARY, *PROGRAMS) and not _is_allowed(module, name, modules)
    ]


def _is_allowed(module: Module, imported: str, modules: dict[str, Module]) -> bool:
    folder = imported.partition(".")[0]
    if module.folder != LIBRARY:
        return folder in (LIBRARY, module.folder) or _is_foretold(module, imported, modules)
    if folder != LIBRARY:
        return False
    package = _library_package(imported, modules)
    return not package or package == _library_package(module.name, modules)


def _is_foretold(module: Module, imported: str, modules: dict[str, Module]) -> bool:
    """Whether that is a pure module of the program whose decisions it may foretell."""
    program = FORETELLS.get(module.folder)
    if program is None or not imported.startswith(f"{program}.") or imported not in modules:
        return False
    is_in_room = imported.startswith(tuple(f"{room}." for room in PURE_ROOMS))
    return is_in_room or _says_pure(modules[imported])


def _library_package(name: str, modules: dict[str, Module]) -> str:
    """The package below pmkvm that a module belongs to, empty for a base module."""
    parts = name.split(".")
    top = ".".join(parts[:2])
    is_package = top in modules and modules[top].path.name == "__init__.py"
    return parts[1] if len(parts) > 1 and is_package else ""


def cycles(modules: dict[str, Module]) -> list[str]:
    """Each import cycle once, as the way around it."""
    graph = {
        name: sorted(target for target in module.imports if target in modules)
        for name, module in modules.items()
    }
    found: list[str] = []
    done: set[str] = set()

    def visit(name: str, way: list[str]) -> None:
        if name in way:
            found.append(" -> ".join([*way[way.index(name) :], name]))
        elif name not in done:
            for target in graph[name]:
                visit(target, [*way, name])
            done.add(name)

    for name in graph:
        visit(name, [])
    return found


def upward_arrows(modules: dict[str, Module]) -> list[str]:
    """Imports of a room by another one that is not above it, also those for types alone."""
    return [
        f"{module.name} imports {name}"
        for module in modules.values()
        for program, floors in ROOMS.items()
        for name in sorted(_named(module, modules))
        if _floor(name, program, floors) >= _floor(module.name, program, floors)
        and _room(name, program) != _room(module.name, program)
        and _room(module.name, program)
        and _room(name, program)
    ]


def _room(name: str, program: str) -> str:
    """Empty for what is in no room of this program."""
    rest = name[len(program) + 1 :] if name.startswith(f"{program}.") else ""
    room = rest.partition(".")[0]
    return room if any(room in floor for floor in ROOMS[program]) else ""


def _floor(name: str, program: str, floors: tuple[tuple[str, ...], ...]) -> int:
    room = _room(name, program)
    return next((number for number, floor in enumerate(floors) if room in floor), len(floors))


def _named(module: Module, modules: dict[str, Module]) -> set[str]:
    """Of ours, all that it imports, for a type checker too."""
    ours = set(modules)
    return {name for node in ast.walk(module.syntax) for name in _imported(node, ours)} & ours


def impure(modules: dict[str, Module]) -> list[str]:
    """Modules that are pure by their room or their own word, and import a clock or an effect."""
    return [
        f"{module.name} imports {name}"
        for module in modules.values()
        if module.name.startswith(tuple(f"{room}." for room in PURE_ROOMS)) or _says_pure(module)
        for name in sorted({name.partition(".")[0] for name in module.imports})
        if name in CLOCKS_AND_EFFECTS
    ]


def _says_pure(module: Module) -> bool:
    said = ast.get_docstring(module.syntax) or ""
    return re.search(r"(^|[.:] )Pure\b", said) is not None


def misplaced_libraries(modules: dict[str, Module], standard: frozenset[str]) -> list[str]:
    """Imports of what is neither ours nor the standard library's, outside its place."""
    wrong = []
    for module in modules.values():
        for name in sorted({name.partition(".")[0] for name in module.imports}):
            if name in (LIBRARY, *PROGRAMS) or name in standard:
                continue
            places = THIRD_PARTY.get(name, ())
            if not any(f"{module.name}.".startswith(f"{place}.") for place in places):
                wrong.append(f"{module.name} imports {name}")
    return wrong


def process_starters(modules: dict[str, Module]) -> list[str]:
    return [
        f"{module.name} imports {name}"
        for module in modules.values()
        for name in sorted(module.imports & STARTERS)
        if module.name != STARTER
    ]


def file_makers(modules: dict[str, Module]) -> list[str]:
    """Files that are made or emptied by another module than those which are meant to."""
    return [
        f"{module.name}:{node.lineno} uses {what}"
        for module in modules.values()
        if module.name not in MAKES_FILES
        for node in ast.walk(module.syntax)
        if isinstance(node, (ast.Call, ast.Attribute))
        for what in _made_by(node)
    ]


def _made_by(node: ast.Call | ast.Attribute) -> Iterator[str]:
    if isinstance(node, ast.Attribute):
        if node.attr in ("O_CREAT", "O_TRUNC", "write_text", "write_bytes"):
            yield node.attr
    elif ast.unparse(node.func) == "open":
        modes = [*node.args[1:2], *(each.value for each in node.keywords if each.arg == "mode")]
        yield from (f"open {mode}" for mode in map(ast.unparse, modes) if set(mode) & set("wax+"))


def banned_calls(modules: dict[str, Module]) -> list[str]:
    """Calls that run text, with their lines."""
    return [
        f"{module.name}:{node.lineno} {complaint}"
        for module in modules.values()
        for node in ast.walk(module.syntax)
        if isinstance(node, (ast.Call, ast.ImportFrom))
        for complaint in _complaints(node)
        if (module.name, complaint) not in NOT_BANNED
    ]


def shells(modules: dict[str, Module]) -> list[str]:
    """Command lines that begin with a shell, but for those that are meant to."""
    return [
        f"{module.name}:{node.lineno} runs a shell"
        for module in modules.values()
        if module.name not in RUNS_A_SHELL
        for node in ast.walk(module.syntax)
        if isinstance(node, (ast.List, ast.Tuple)) and node.elts and _is_shell(node.elts[0])
    ]


def _is_shell(program: ast.expr) -> bool:
    return (
        isinstance(program, ast.Constant)
        and isinstance(program.value, str)
        and program.value.rpartition("/")[2] in SHELLS
    )


def _complaints(node: ast.Call | ast.ImportFrom) -> Iterator[str]:
    if isinstance(node, ast.ImportFrom):
        names = [f"{node.module}.{alias.name}" for alias in node.names]
    else:
        names = [ast.unparse(node.func)]
        if called(node) in BY_NAME and not list(_imported_by_name(node)):
            yield "imports what no rule can see"
        for keyword in node.keywords:
            if keyword.arg == "shell" and ast.unparse(keyword.value) != "False":
                yield "gives a shell"
    banned = {f"{owner}.{name}" for owner, names in BANNED_ATTRIBUTES.items() for name in names}
    for name in names:
        if name in BANNED_CALLS or name in banned or name.startswith(BANNED_PREFIXES):
            yield f"uses {name}"
