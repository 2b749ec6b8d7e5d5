# SPDX-License-Identifier: GPL-2.0-or-later
"""Real commands, as root writes them into standby_check_command."""

from __future__ import annotations

import io
import time

import pytest

from stonith.plugin.journal import Journal
from stonith.stonith_helper import look


@pytest.mark.parametrize(
    ("command", "is_active"),
    [
        ("true", True),
        ("false", False),
        ("echo resource guest_resource1 is running on: `uname -n` | grep -q `uname -n`", True),
        ("echo resource guest_resource1 is NOT running | grep -q `uname -n`", False),
        ("/nosuch/command", None),
        ("kill -KILL $$", None),
        ('test "$PATH" = /usr/sbin:/usr/bin:/sbin:/bin && test -z "$hostlist"', True),
    ],
)
def test_a_command_says_whether_this_node_is_active(
    monkeypatch: pytest.MonkeyPatch, command: str, is_active: bool | None
) -> None:
    monkeypatch.setenv("hostlist", "guest1")
    assert look.is_active(command, Journal("test", {"HA_LOGFACILITY": "none"}, io.StringIO())) is (
        is_active
    )


def test_a_command_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look, "COMMAND_S", 0.2)
    said = io.StringIO()
    began = time.monotonic()
    assert look.is_active("sleep 60", Journal("test", {"HA_LOGFACILITY": "none"}, said)) is None
    assert time.monotonic() - began < 30
    assert "did not end within 0.2 s" in said.getvalue()
