# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from lxml import etree

from check.vm_check import corosync, of_times, sums
from check.vm_check.facts import Operation
from pmkvm import run
from pmkvm.deadline import Deadline
from pmkvm.run import Completed
from tests.unit.vm_check import fenced

if TYPE_CHECKING:
    from pathlib import Path

CONF = """totem {
  version: 2
  # token: 1
  token: 5000
  interface {
    token: 9
  }
}
quorum {
  consensus: 3
}
"""
MAP = """runtime.config.totem.consensus (u32) = 3600
runtime.config.totem.token (u32) = 3000
runtime.config.totem.token_retransmit (u32) = 714
"""


def took(name: str, seconds: float, rc: int = 0) -> dict[str, list[Operation]]:
    return {"prmguest2": [Operation("prmguest2", "host1", name, 0.0, rc, seconds, fenced.NOW)]}


def test_a_healthy_cluster_has_none() -> None:
    assert fenced.found(of_times, fenced.facts()) == []


def test_an_operation_without_a_timeout_is_found_once_a_guest() -> None:
    (found,) = of_times.findings(fenced.guest(operations={"stop": {"timeout": "90s"}}))
    assert found.kind.id == "timeout-missing"
    assert found.sentence.startswith("its start, migrate_to and migrate_from have no timeout")
    assert "op start timeout=120s op migrate_to timeout=300s" in found.cure
    made = fenced.guest(operations={}, meta={})
    section = made.cib.find("configuration/op_defaults")
    assert section is not None
    pair = '<meta_attributes><nvpair name="timeout" value="60s"/></meta_attributes>'
    section.append(etree.fromstring(pair))
    assert fenced.found(of_times, made) == []


@pytest.mark.parametrize(
    ("name", "seconds", "is_found"),
    [("start", 100, True), ("start", 90, False), ("stop", 80, False), ("migrate_to", 250, True)],
)
def test_what_took_nearly_its_timeout_is_found(name: str, seconds: float, is_found: bool) -> None:
    made = fenced.facts(measured=took(name, seconds))
    kind = f"{name.replace('migrate_to', 'migration')}-short"
    assert fenced.found(of_times, made) == [(kind, "guest2")] * is_found
    assert fenced.found(of_times, fenced.facts(measured=took(name, seconds, rc=1))) == []


def test_a_few_seconds_are_too_few_whatever_was_measured() -> None:
    operations = {each: {"timeout": text} for each, text in fenced.TIMEOUTS.items()}
    operations["stop"] = {"timeout": "5s"}
    (found,) = of_times.findings(fenced.guest(operations=operations))
    assert (found.kind.id, found.sentence) == ("stop-short", "its stop may take 5 s")
    assert found.cure == "`pcs resource update prmguest2 op stop timeout=90s`"


@pytest.mark.parametrize(
    ("parameters", "is_found"),
    [
        ({"migration_speed": "10"}, True),
        ({"migration_speed": "100"}, False),
        ({"migration_speed": "10", "migrate_options": "--p2p --bandwidth 100"}, False),
        ({"migrate_options": "--bandwidth=10"}, True),
        ({"migrate_options": "'"}, False),
    ],
)
def test_a_memory_that_can_not_be_sent_in_time_is_found(
    parameters: dict[str, str], is_found: bool
) -> None:
    made = fenced.guest(parameters=parameters)
    assert fenced.found(of_times, made) == [("migration-slow", "guest2")] * is_found


def test_the_sums_are_those_of_the_document() -> None:
    told = {"token": "3000", "consensus": "3600"}
    made = fenced.option("stonith-timeout", "20s")._replace(corosync=told)
    found = {each.what.partition(",")[0]: each for each in sums.of(made, made.guests["guest2"])}
    assert [each.seconds for each in found.values()] == [6.6, 20.0, 26.6, 31.6, 33.6, 146.6, 250.0]
    assert found["H"].how == "6.6 + 20"
    assert str(found["a lost host is noticed"]).endswith("token + consensus, 3 + 3.6)")


def test_delays_of_the_fence_count() -> None:
    made = fenced.option("priority-fencing-delay", "15s")
    assert sums.of(made, made.guests["guest2"])[1].seconds == 75.0


def test_corosyncs_times_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert corosync.of_map(MAP) == {"consensus": "3600", "token": "3000"}
    assert corosync.of_file(CONF) == {"token": "5000"}
    assert corosync.of_file("}\n}\ntotem {\n") == {}
    conf = tmp_path / "corosync.conf"
    conf.write_text(CONF)
    monkeypatch.setattr(run, "run", lambda *_argv, timeout_s: Completed(1, "", f"{timeout_s}"))
    assert corosync.read(Deadline(1.0), str(conf)) == {"token": "5000"}
    assert corosync.read(Deadline(1.0), str(tmp_path / "none")) == {}
    monkeypatch.setattr(run, "run", lambda *_argv, timeout_s: Completed(0, MAP, f"{timeout_s}"))
    assert corosync.read(Deadline(1.0), str(conf)) == corosync.of_map(MAP)
