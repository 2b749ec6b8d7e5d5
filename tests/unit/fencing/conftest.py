# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.fencing import cibs

if TYPE_CHECKING:
    from lxml import etree


@pytest.fixture(params=cibs.VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def cib(version: str) -> etree._Element:
    return cibs.load(version)
