# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.fencing.cibs import cib, version
from tests.unit.virt.fake_qemu import process_table
from tests.unit.vm_stonithd.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.unit.virt.fake_qemu import FakeProcessTable

__all__ = ["cib", "host", "table", "version"]


@pytest.fixture
def table() -> Table:
    return Table()


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeProcessTable]:
    with process_table(tmp_path, monkeypatch) as made:
        yield made
