# SPDX-License-Identifier: GPL-2.0-or-later
"""A process runner that follows a script: what it does not expect, and what is left over, fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from pmkvm import run
from pmkvm.run import Completed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


class Step(NamedTuple):
    """Words that the command line begins with, and how it ends."""

    begins: tuple[str, ...]
    rc: int = 0
    out: str = ""
    err: str = ""


class Script:
    def __init__(self, *steps: Step) -> None:
        self.left = list(steps)
        self.calls: list[tuple[tuple[str, ...], str | None, dict[str, str]]] = []

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float,
        stdin: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Completed:
        assert timeout_s > 0
        assert self.left, f"not in the script: {argv}"
        step = self.left.pop(0)
        assert tuple(argv)[: len(step.begins)] == step.begins
        self.calls.append((tuple(argv), stdin, dict(environment or {})))
        return Completed(step.rc, step.out, step.err)


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Script]:
    """Begins a script of these steps in the place of the process runner."""

    def begin(*steps: Step) -> Script:
        script = Script(*steps)
        monkeypatch.setattr(run, "run", script.run)
        return script

    return begin
