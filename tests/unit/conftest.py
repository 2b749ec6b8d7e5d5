# SPDX-License-Identifier: GPL-2.0-or-later
"""All unit tests: a loop for each that needs one, a user who is another, a process runner that
follows a script, and hypothesis, to which a busy machine is no failure.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import resource
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests.impostor import NOBODY
from tests.unit import threads
from tests.unit.pacemaker.script import play

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["nobody", "play"]

settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")

# No test waits longer for what never comes.
LONGEST_S = 150.0
# A test that takes more fails with a MemoryError, which names its place.
MOST_MEMORY = 3 << 30


def pytest_sessionstart() -> None:
    resource.setrlimit(
        resource.RLIMIT_DATA, (MOST_MEMORY, resource.getrlimit(resource.RLIMIT_DATA)[1])
    )


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """A test that is a coroutine runs in a loop of its own."""
    test = pyfuncitem.obj
    if not inspect.iscoroutinefunction(test):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in inspect.signature(test).parameters}
    asyncio.run(asyncio.wait_for(test(**arguments), LONGEST_S))
    return True


@pytest.fixture(autouse=True)
def _ends_its_threads() -> Iterator[None]:
    before = threads.running()
    yield
    threads.require_ended(before)


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> int:
    """A user who is neither us nor QEMU's: where we can't be another, we count as another."""
    if os.geteuid() == 0:
        return NOBODY
    monkeypatch.setattr(os, "geteuid", lambda: NOBODY)
    return os.getuid()


@pytest.fixture
def socket_dir() -> Iterator[Path]:
    """For sockets instead of tmp_path: a unix socket's path has at most 107 characters."""
    with tempfile.TemporaryDirectory(prefix="unit-") as made:
        yield Path(made)
