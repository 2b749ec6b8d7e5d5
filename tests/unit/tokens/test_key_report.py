# SPDX-License-Identifier: GPL-2.0-or-later
"""What hosts say of their keys: vm-stonithd's words, read by vm-stonith-key."""

from __future__ import annotations

import pytest

from daemons.vm_stonithd.model import host_report
from daemons.vm_stonithd.model.host_report import Done, HostReport
from pmkvm.pacemaker import attributes
from pmkvm.tokens import key_report
from pmkvm.tokens.key_report import KeyReport, Said

KEYS = (
    KeyReport("3f9a01c2", 1_795_360_000, 1_795_369_800),
    KeyReport("8be10000", 1_795_360_000, 0),
)
REPORT = HostReport(
    1_795_370_042.25, {}, (Done("b1", True, "guest1", "h1", "guest2", "off"),), KEYS
)


def test_what_vm_stonithd_says_both_understand() -> None:
    text = host_report.encode(REPORT)
    assert host_report.decode(text) == REPORT
    assert key_report.parse(text) == Said(REPORT.up, KEYS)
    line = f'name="vm-stonith" host="host1" value="{text}"'
    assert attributes.parse(f"{line}\nother", "vm-stonith") == {"host1": text}


def test_a_word_of_a_later_release_is_passed_over() -> None:
    text = "up=1.000; key=3f9a01c2 since=5 used=0 made=3; colour=red"
    assert key_report.parse(text) == Said(1.0, (KeyReport("3f9a01c2", 5, 0),))


@pytest.mark.parametrize(
    "item", ["key=", "key=3f9a01c2", "key=3F9A01C2 since=1 used=0", "key=3f9a01c2 since=x used=0"]
)
def test_what_can_t_be_read_says_nothing(item: str) -> None:
    assert key_report.parse(f"up=1.000; {item}") == Said(1.0, ())


@pytest.mark.parametrize("text", ["", "down=1", "up=nan", "up=x"])
def test_a_host_without_its_time_says_nothing(text: str) -> None:
    assert key_report.parse(text) is None


def test_use_is_remembered_over_a_restart() -> None:
    now = (KeyReport("3f9a01c2", 900, 0), KeyReport("8be10000", 900, 1000))
    before = (KeyReport("3f9a01c2", 100, 800), KeyReport("deadbeef", 100, 0))
    assert key_report.merge(now, before) == (
        KeyReport("3f9a01c2", 100, 800),
        KeyReport("8be10000", 900, 1000),
    )
