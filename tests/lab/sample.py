# SPDX-License-Identifier: GPL-2.0-or-later
"""What of the lab's tests an everyday run takes: another part for each commit, the same for one."""

from __future__ import annotations

import contextlib
import json

from pmkvm.run import run
from tests.lab.hosts.process import CHECKOUT

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


def held(record: str) -> set[str]:
    """The cells that held when they were last run, by the file that has a row for each."""
    found = {}
    with contextlib.suppress(FileNotFoundError), open(record, encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            found[row["cell"]] = not row["broken"]
    return {name for name, was_kept in found.items() if was_kept}


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
