# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

import pytest

from tests.unit.vm_stonithd.table import Table


@pytest.fixture
def table() -> Table:
    return Table()
