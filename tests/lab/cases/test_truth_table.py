# SPDX-License-Identifier: GPL-2.0-or-later
"""The table of truth for VirtualDomain, beside what ocf:heartbeat:VirtualDomain makes of it.

The peer is shown and not judged: nothing fails because of it.
"""

from __future__ import annotations

import pytest

from tests.lab.truth.truth import observe
from tests.lab.truth.truth_rows import ROWS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lab.lab import Lab
    from tests.lab.truth.truth import Row


pytestmark = pytest.mark.rotating(parts=16)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """All rows, or those that take no long time."""
    is_full = metafunc.config.getoption("--lab-full")
    chosen = [row for row in ROWS if is_full or not row.is_long]
    metafunc.parametrize("row", chosen, ids=[row.name for row in chosen])


@pytest.fixture(scope="module")
def bare(lab: Lab) -> Lab:
    """A bare cluster, which the rows share: Pacemaker takes no part in them."""
    lab.clean()
    return lab


def test_truth(
    bare: Lab, row: Row, is_full: bool, record_property: Callable[[str, object], None]
) -> None:
    ours = observe(bare, row, "extra")
    peers = str(observe(bare, row, "heartbeat")) if is_full else "not asked"
    record_property("truth", f"| {row.situation} | {row.action} | {peers} | {ours} |")
    assert ours.wrong == "", (ours.called.err, ours.called.out)
