# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.unit.vm_connectd.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def world() -> Iterator[World]:
    # Not tmp_path: a unix socket's path has at most 107 characters.
    with tempfile.TemporaryDirectory(prefix="connectd-") as directory:
        made = World(Path(directory))
        yield made
        made.close()
