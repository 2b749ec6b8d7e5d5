# SPDX-License-Identifier: GPL-2.0-or-later
"""The bench runs on the lab: its fixtures and options are the lab's."""

from __future__ import annotations

from tests.lab.conftest import (
    clean_lab,
    cluster,
    guests,
    host1,
    host2,
    lab,
    new_guest,
    pair,
    pairs,
    pytest_addoption,
    pytest_configure,
)

__all__ = [
    "clean_lab",
    "cluster",
    "guests",
    "host1",
    "host2",
    "lab",
    "new_guest",
    "pair",
    "pairs",
    "pytest_addoption",
    "pytest_configure",
]
