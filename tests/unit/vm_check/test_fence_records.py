# SPDX-License-Identifier: GPL-2.0-or-later
"""The last fence of each guest, by what vm-stonithd has recorded."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from check.vm_check import fence_records, prometheus
from pmkvm import settings
from pmkvm.fencing import record
from pmkvm.fencing.record import COORDINATOR, NG, OK, PARTICIPANT, Record
from tests.unit.vm_check import world

if TYPE_CHECKING:
    from pathlib import Path

GUEST, OTHER = "prmguest1", "prmguest2"


def one(at: float, part: str = PARTICIPANT, target: str = GUEST, **more: object) -> Record:
    plain = Record(at, "host1", part, "reset", target, OK, "dead", ban="b1")
    return plain._replace(stages={"kill": 7, "dead": 90})._replace(**more)  # type: ignore[arg-type]


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    found = tmp_path / "fences.jsonl"
    monkeypatch.setattr(settings, "FENCE_RECORDS", str(found))
    monkeypatch.setattr(settings, "FENCE_RECORDS_BEFORE", f"{found}.1")
    return found


def test_the_last_one_counts_by_guest_and_part() -> None:
    young, old = one(20.0), one(10.0, outcome=NG)
    led, other = one(15.0, COORDINATOR), one(12.0, target=OTHER)
    refused = one(30.0, COORDINATOR, ban="", outcome=NG)
    assert fence_records.last([young, old, led, other, refused]) == {
        (GUEST, PARTICIPANT): young,
        (GUEST, COORDINATOR): led,
        (OTHER, PARTICIPANT): other,
    }


def test_the_file_before_the_rotation_is_read_too(path: Path) -> None:
    path.with_name(f"{path.name}.1").write_text(record.encode(one(10.0)))
    assert fence_records.read() == {(GUEST, PARTICIPANT): one(10.0)}
    path.write_text(record.encode(one(20.0)))
    assert fence_records.read() == {(GUEST, PARTICIPANT): one(20.0)}


def test_of_a_long_file_its_end_is_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line = record.encode(one(20.0))
    monkeypatch.setattr(fence_records, "_LONGEST", len(line) + 5)
    path.write_text(record.encode(one(10.0, target=OTHER)) + line)
    assert fence_records.read() == {(GUEST, PARTICIPANT): one(20.0)}


def test_without_a_file_nothing_is_known(path: Path) -> None:
    assert fence_records.read() == {}
    os.mkfifo(path)
    assert fence_records.read() == {}


def test_prometheus_is_told_when_and_how_long() -> None:
    records = fence_records.last([one(20.0), one(21.0, target="prmelse")])
    facts = world.facts()._replace(fence_records=records)
    lines = prometheus.render(world.told(facts)).splitlines()
    said = [each for each in lines if "guest_last_fence" in each and not each.startswith("#")]
    labels = 'guest="guest1",part="participant"'
    assert said == [
        f'pm_kvm_guest_last_fence_timestamp_seconds{{{labels},operation="reset",outcome="OK"}} 20',
        f'pm_kvm_guest_last_fence_milliseconds{{{labels},stage="kill"}} 7',
        f'pm_kvm_guest_last_fence_milliseconds{{{labels},stage="dead"}} 90',
    ]
