# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pmkvm import settings
from tests.unit.virt.fake_qemu import FakeProcessTable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeProcessTable]:
    """A host of the test's own: its process table and its directory under /run."""
    (tmp_path / "proc").mkdir()
    monkeypatch.setattr(settings, "PROC", str(tmp_path / "proc"))
    monkeypatch.setattr(settings, "RUN_DIR", str(tmp_path / "run"))
    table = FakeProcessTable(tmp_path / "proc")
    yield table
    table.close()
