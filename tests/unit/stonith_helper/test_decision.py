# SPDX-License-Identifier: GPL-2.0-or-later
"""Every combination of what may be seen: what is not known waits, and is no death. And real
commands, as root writes them into standby_check_command.
"""

from __future__ import annotations

import io
import time
from itertools import product

import pytest

from stonith.plugin.journal import Journal
from stonith.stonith_helper import decision, look

KNOWN_OR_NOT = (True, False, None)


# Who was not asked is not silent.
@pytest.mark.parametrize("replies", [*product(KNOWN_OR_NOT, repeat=3), ()])
def test_a_target_is_silent_only_if_every_address_was_asked_in_vain(
    replies: tuple[bool | None, ...],
) -> None:
    assert decision.is_silent(replies) is (replies == (False, False, False))


@pytest.mark.parametrize("is_active", KNOWN_OR_NOT)
@pytest.mark.parametrize("is_member", KNOWN_OR_NOT)
def test_only_what_is_known_shortens_the_standbys_wait(
    is_active: bool | None, is_member: bool | None
) -> None:
    wait = decision.standby(is_active, is_member=is_member, wait_s=25.0)
    assert (wait.seconds == 0.0) is (is_active is True or is_member is True)
    assert wait.seconds in (0.0, 25.0)


@pytest.mark.parametrize(("has_quorum", "seconds"), [(True, 0.0), (False, 25.0), (None, 25.0)])
def test_without_quorum_a_side_waits(has_quorum: bool | None, seconds: float) -> None:
    assert decision.quorum(has_quorum, wait_s=25.0).seconds == seconds


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
