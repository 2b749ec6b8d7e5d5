# SPDX-License-Identifier: GPL-2.0-or-later
"""All unit tests: a user who is another, a process runner that follows a script, and hypothesis, to
which a busy machine is no failure.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

from tests.impostor import NOBODY
from tests.unit.pacemaker.script import play

__all__ = ["nobody", "play"]

settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> int:
    """A user who is neither us nor QEMU's: where we can't be another, we count as another."""
    if os.geteuid() == 0:
        return NOBODY
    monkeypatch.setattr(os, "geteuid", lambda: NOBODY)
    return os.getuid()
