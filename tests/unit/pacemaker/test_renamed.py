# SPDX-License-Identifier: GPL-2.0-or-later
"""Options with two names: the new one wins, and each Pacemaker is told the one it prefers."""

from __future__ import annotations

import pytest

from pmkvm.pacemaker.renamed import FENCING_ENABLED, FENCING_TIMEOUT


@pytest.mark.parametrize(
    ("options", "value"),
    [
        ({}, None),
        ({"maintenance-mode": "true"}, None),
        ({"stonith-enabled": "false"}, "false"),
        ({"fencing-enabled": "false"}, "false"),
        ({"fencing-enabled": "true", "stonith-enabled": "false"}, "true"),
        ({"stonith-enabled": "true", "fencing-enabled": "false"}, "false"),
        # Pacemaker then takes the default, and not the old name's value.
        ({"fencing-enabled": "", "stonith-enabled": "false"}, ""),
    ],
)
def test_the_new_name_wins(options: dict[str, str], value: str | None) -> None:
    assert FENCING_ENABLED.value(options) == value


@pytest.mark.parametrize(
    ("feature_set", "is_new"),
    [
        ("3.16.1", False),
        ("3.20.0", False),
        ("3.20.1", False),
        ("3.20.5", True),
        ("3.20.10", True),
        ("3.21.0", True),
        ("4.0", True),
        ("", False),
        ("x", False),
        ("3.20.5b", False),
        ("-3.20.5", False),
    ],
)
def test_the_name_is_that_of_the_version(feature_set: str, *, is_new: bool) -> None:
    for option, name in ((FENCING_ENABLED, "enabled"), (FENCING_TIMEOUT, "timeout")):
        expected = f"fencing-{name}" if is_new else f"stonith-{name}"
        assert option.name(feature_set) == expected
