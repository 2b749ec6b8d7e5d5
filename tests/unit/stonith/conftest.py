# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest's side of the channel, below tmp_path."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pmkvm import settings

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def run_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "run"
    monkeypatch.setattr(settings, "RUN_DIR", str(directory))
    return directory
