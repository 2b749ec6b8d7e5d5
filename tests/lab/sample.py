# SPDX-License-Identifier: GPL-2.0-or-later
"""What of the lab's tests an everyday run takes: another part for each commit, the same for one."""

from __future__ import annotations

from pmkvm.run import run
from tests.lab.process import CHECKOUT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

MARKER = "rotating(parts): an everyday run takes one part of this module's tests, by the commit"


def seed(config: pytest.Config) -> int:
    """What --lab-seed says, or else the commit."""
    given: int | None = config.getoption("--lab-seed")
    if given is not None:
        return given
    done = run(["git", "-C", CHECKOUT, "rev-parse", "--short=8", "HEAD"], timeout_s=10)
    return int(done.out.strip() or "0", 16)


def left_out(items: Sequence[pytest.Item], number: int) -> list[pytest.Item]:
    """Of each module marked as rotating, the tests of the other parts. Pure."""
    found = []
    counts: dict[str, int] = {}
    for item in items:
        marker = item.get_closest_marker("rotating")
        if marker is not None:
            module = item.nodeid.partition("::")[0]
            at = counts[module] = counts.get(module, -1) + 1
            if at % marker.kwargs["parts"] != number % marker.kwargs["parts"]:
                found.append(item)
    return found
