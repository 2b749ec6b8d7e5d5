# SPDX-License-Identifier: GPL-2.0-or-later
"""Rules for every file of the source tree, whatever is in it: any tree, as in tree.py."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_LINES = 400
# Of a line of a document.
MAX_COLUMNS = 120
SPDX = "# SPDX-License-Identifier: GPL-2.0-or-later"
NAMES_OF_NOTHING = frozenset({"utils", "util", "helpers", "helper", "misc", "common"})


def sources(root: Path) -> list[Path]:
    """Every Python file of the repository, typing stubs included."""
    tops = (top for top in root.iterdir() if not top.name.startswith(".") and top.name != "build")
    paths = (path for top in tops for path in top.rglob("*.py*"))
    return sorted(path for path in paths if path.suffix in (".py", ".pyi"))


def without_licence(root: Path) -> list[Path]:
    """Files without the licence in their first line, or in the second behind a program's #!."""
    return [path for path in sources(root) if path.stat().st_size and not _is_licensed(path)]


def _is_licensed(path: Path) -> bool:
    lines = path.read_text(encoding="utf-8").splitlines()
    return SPDX in (lines[1:2] if lines[0].startswith("#!") else lines[:1])


def too_long(root: Path) -> list[Path]:
    return [
        path
        for path in sources(root)
        if len(path.read_text(encoding="utf-8").splitlines()) > MAX_LINES
    ]


def too_wide(root: Path) -> list[Path]:
    """Documents with a line that a terminal or a side by side view would break."""
    documents = [*root.glob("*.md"), *root.glob("doc/**/*.md")]
    return sorted(path for path in documents if _is_wide(path))


def _is_wide(path: Path) -> bool:
    lines = path.read_text(encoding="utf-8").splitlines()
    return any(len(line) > MAX_COLUMNS for line in lines)


def named_for_nothing(root: Path) -> list[Path]:
    return [
        path
        for path in sources(root)
        if path.stem in NAMES_OF_NOTHING or path.parent.name in NAMES_OF_NOTHING
    ]


# Of a path below the root, what the sources say literally; what is made there is another thing.
_PATHS = re.compile(r"""\bROOT((?: / "[^"{}*]+")+)|\{(?:PROJECT|CHECKOUT)\}(/[\w./-]*\w)""")
_MADE = ("build", ".venv", ".cache", "dist")


def leads_to_nothing(root: Path) -> list[Path]:
    """Files that name a path of the repository where nothing is: what was moved is missed so."""
    return [path for path in sources(root) if not all(map(Path.exists, _paths_in(path, root)))]


def _paths_in(path: Path, root: Path) -> Iterator[Path]:
    for chain, joined in _PATHS.findall(path.read_text(encoding="utf-8")):
        parts = re.findall(r'"([^"]+)"', chain) or joined.strip("/").split("/")
        if parts[0] not in _MADE:
            yield root.joinpath(*parts)
