# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs that actions call, played by scripts that write down how they were called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pmkvm import settings

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


class Programs:
    """A directory that is all of PATH but for the shell's own tools."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._bin = directory / "bin"
        self._bin.mkdir()
        self._log = directory / "called"
        path = f"{self._bin}:/usr/bin:/bin"
        monkeypatch.setattr(settings, "CHILD_ENVIRONMENT", {"PATH": path, "LC_ALL": "C.UTF-8"})

    def play(self, name: str, script: str = "exit 0") -> None:
        program = self._bin / name
        log = f'echo "{name} $*" >>{self._log}'
        program.write_text(f"#!/bin/sh\n{log}\n{script}\n", encoding="utf-8")
        program.chmod(0o755)

    def calls(self) -> list[str]:
        return self._log.read_text(encoding="utf-8").splitlines() if self._log.exists() else []
