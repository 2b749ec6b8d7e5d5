# SPDX-License-Identifier: GPL-2.0-or-later
"""Loads what a program has put off, so that an upgrade may remove its modules meanwhile.

Many functions of ours import a module when they are called, since a monitor must not pay for it.
A program that may outlive an upgrade calls load() before it begins: afterwards it needs no file of
its version any more. Libraries of others are left to who needs them: an upgrade of ours does not
touch them.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType, ModuleType

OURS = ("agents.", "daemons.", "pmkvm.", "stonith.", "vmctl.")

_looked_at: set[str] = set()


def load() -> None:
    """Import all that functions of the modules loaded so far name, and what those name in turn.

    Never raises: a host that lacks memory, or a guest that lacks a library, meets its error when
    the code needs the module, and knows there what to do about it.
    """
    try:
        while new := {name for name in sys.modules if name.startswith(OURS)} - _looked_at:
            for name in sorted(new):
                _load_for(name, sys.modules[name])
                _looked_at.add(name)
    except (MemoryError, OSError):
        return


def _load_for(name: str, module: ModuleType) -> None:
    loader = getattr(module.__spec__, "loader", None)
    code = loader.get_code(name) if loader and hasattr(loader, "get_code") else None
    for function in () if code is None else _within(code):
        # "from package import module": Python ignores those that are no modules.
        names = [name for name in function.co_names if "." not in name]
        for wanted in function.co_names:
            if f"{wanted}.".startswith(OURS):
                try:
                    __import__(wanted, fromlist=names)
                except ImportError:
                    continue


def _within(code: CodeType) -> Iterator[CodeType]:
    """The functions in it. Its own imports are done, or are for a type checker alone."""
    for constant in code.co_consts:
        if isinstance(constant, type(code)):
            yield constant
            yield from _within(constant)
