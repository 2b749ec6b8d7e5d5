# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests that change their provider run on, whatever goes wrong."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from agents.vm_adopt import adoption, main
from agents.vm_adopt.adoption import AdoptionError, plan
from pmkvm import process, settings
from pmkvm.deadline import Deadline
from pmkvm.pacemaker.errors import ToolError
from pmkvm.run import Completed
from pmkvm.virt import record
from pmkvm.virt.record import Record, Stage
from tests.unit.virtual_domain.world import G1, UUID

if TYPE_CHECKING:
    from pathlib import Path

    from pmkvm.pacemaker.cib import Change

CIB = """<cib admin_epoch="0" epoch="7" num_updates="3"><configuration><resources>
<primitive id="vm1" class="ocf" provider="heartbeat" type="VirtualDomain"/>
<group id="grp"><primitive id="vm2" class="ocf" provider="heartbeat" type="VirtualDomain"/>
<primitive id="ip" class="ocf" provider="heartbeat" type="IPaddr2"/></group>
<clone id="c"><primitive id="vm3" class="ocf" provider="heartbeat" type="VirtualDomain"/></clone>
</resources></configuration><status/></cib>"""


def planned(document: str, named: list[str], provider: str = "extra") -> Change:
    change = plan(document, named, provider)
    assert change is not None
    return change


def test_of_each_resource_only_the_provider_is_written() -> None:
    change = planned(CIB, ["vm2", "vm1"])
    assert change.removed == ()
    assert change.merged == (
        '<configuration><resources><primitive id="vm1" provider="extra" /><group id="grp">'
        '<primitive id="vm2" provider="extra" /></group></resources></configuration>'
    )


def test_what_is_done_is_not_done_again() -> None:
    done = CIB.replace(
        'id="vm1" class="ocf" provider="heartbeat"', 'id="vm1" class="ocf" provider="extra"'
    )
    assert plan(done, ["vm1"], "extra") is None
    assert "vm1" not in planned(done, ["vm1", "vm2"]).merged
    assert 'id="vm1" provider="heartbeat"' in planned(done, ["vm1"], "heartbeat").merged


@pytest.mark.parametrize(
    ("resource", "reason"),
    [
        ("ip", "ip is ocf:heartbeat:IPaddr2, and not ocf:heartbeat:VirtualDomain"),
        ("nobody", "there is no resource nobody"),
        ("vm3", "there is no resource vm3"),
        ("grp", "there is no resource grp"),
    ],
)
def test_what_is_no_guest_is_refused(resource: str, reason: str) -> None:
    with pytest.raises(AdoptionError, match=reason):
        plan(CIB, [resource], "extra")


TEMPLATE = """<template id="t" class="ocf" provider="heartbeat" type="VirtualDomain"/>
<primitive id="vm4" template="t"/><group id="g2"><primitive id="vm5" template="t"/></group>"""


def test_of_guests_with_a_template_the_templates_provider_is_written() -> None:
    document = CIB.replace("<resources>", f"<resources>{TEMPLATE}")
    assert planned(document, ["vm5", "vm1", "vm4"]).merged == (
        '<configuration><resources><template id="t" provider="extra" />'
        '<primitive id="vm1" provider="extra" /></resources></configuration>'
    )
    done = document.replace(
        '"t" class="ocf" provider="heartbeat"', '"t" class="ocf" provider="extra"'
    )
    assert plan(done, ["vm5", "vm4"], "extra") is None


@pytest.mark.parametrize("provider", ["extra", "heartbeat"])
def test_who_has_the_same_template_must_be_named_too(provider: str) -> None:
    """Its provider changes as well: without maintenance Pacemaker would restart it."""
    document = CIB.replace("<resources>", f"<resources>{TEMPLATE}")
    with pytest.raises(AdoptionError, match="vm4 has its template with vm5: name all of them"):
        plan(document, ["vm4"], provider)
    cloned = document.replace('<group id="g2">', '<clone id="g2">').replace(
        'template="t"/></group>', 'template="t"/></clone>'
    )
    with pytest.raises(AdoptionError, match="there is no resource vm5"):
        plan(cloned, ["vm4", "vm5"], provider)


class Cluster:
    """Pacemaker, as its tools tell of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.provider = "heartbeat"
        self.managed = True
        self.state = 'failed="false" blocked="false"'
        self.node = "node1"
        self.probed_on: str | None = "node1"
        self.ban = ""
        self.is_uuid_refused = False
        self.done: list[str] = []
        monkeypatch.setattr("pmkvm.run.run", self.run)
        monkeypatch.setattr(adoption, "_POLL_S", 0.001)

    def run(self, argv: list[str], **_more: object) -> Completed:
        command = " ".join(argv)
        if command == "cibadmin --query":
            return Completed(0, CIB.replace("heartbeat", self.provider), "")
        if "--local" in argv:
            return Completed(0 if self.ban else 105, self.ban, "")
        if argv[0] == "crm_mon":
            return Completed(0, self.crm_mon(), "")
        self.done.append(self.order(argv))
        return Completed(0, "", "")

    def order(self, argv: list[str]) -> str:
        if "vm-uuid" in argv:
            if self.is_uuid_refused:
                raise ToolError("crm_resource failed", 1)
            return f"uuid {argv[-1]}"
        if argv[0] == "cibadmin":
            self.provider = "extra" if self.provider == "heartbeat" else "heartbeat"
            return "provider"
        if "--refresh" in argv:
            if self.probed_on is not None:
                self.node = self.probed_on
            return "refresh"
        self.managed = "--delete-parameter" in argv
        return "maintenance off" if self.managed else "maintenance on"

    def crm_mon(self) -> str:
        managed = str(self.managed).lower()
        return (
            '<pacemaker-result><status code="0"/><summary/><nodes/><resources>'
            f'<resource id="vm1" resource_agent="ocf:{self.provider}:VirtualDomain" role="Started"'
            f' active="true" managed="{managed}" {self.state}><node name="{self.node}"/></resource>'
            "</resources></pacemaker-result>"
        )


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    return Cluster(monkeypatch)


def test_the_steps_are_in_the_one_order_that_restarts_nobody(cluster: Cluster) -> None:
    said: list[str] = []
    adoption.adopt(["vm1"], "extra", Deadline(5), said.append)
    assert cluster.done == ["maintenance on", "provider", "refresh", "maintenance off"]
    assert cluster.managed
    assert len(said) == 4


def remembered_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, lives: bool) -> None:
    """As the new provider's probe leaves it."""
    monkeypatch.setattr(settings, "RUN_DIR", str(tmp_path))
    life = process.life_of(os.getpid())
    assert life is not None
    life = life if lives else life._replace(start_time=1)
    record.store("vm1", Record(G1, Stage.RUNNING, life))


def test_of_a_guest_that_runs_here_the_uuid_is_written(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    remembered_here(monkeypatch, tmp_path, lives=True)
    adoption.adopt(["vm1"], "extra", Deadline(5), lambda _text: None)
    assert cluster.done[-3:] == ["refresh", f"uuid {UUID}", "maintenance off"]
    cluster.done.clear()
    adoption.adopt(["vm1"], "heartbeat", Deadline(5), lambda _text: None)
    assert cluster.done == ["maintenance on", "provider", "refresh", "maintenance off"]


def test_what_is_remembered_of_a_life_that_is_over_is_not_written(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    remembered_here(monkeypatch, tmp_path, lives=False)
    adoption.adopt(["vm1"], "extra", Deadline(5), lambda _text: None)
    assert cluster.done[-2:] == ["refresh", "maintenance off"]


def test_a_uuid_that_can_not_be_written_is_said_and_stops_nothing(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    remembered_here(monkeypatch, tmp_path, lives=True)
    cluster.is_uuid_refused = True
    said: list[str] = []
    adoption.adopt(["vm1"], "extra", Deadline(5), said.append)
    assert any(each.startswith("vm1: vm-uuid is not written") for each in said)
    assert cluster.managed


def test_the_way_back_is_the_same(cluster: Cluster) -> None:
    cluster.provider = "extra"
    assert main.main(["vm1", "--back"]) == 0
    assert cluster.provider == "heartbeat"


def test_a_guest_that_is_not_found_where_it_was_stays_in_maintenance(
    cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.probed_on = "node2"
    assert main.main(["vm1", "--timeout", "3"]) == 1
    assert cluster.done == ["maintenance on", "provider", "refresh"]
    said = capsys.readouterr().err
    assert "out of time while waiting for the probes" in said
    assert "The guests run on, in maintenance." in said
    assert len(said.splitlines()) == 1


def test_maintenance_that_was_on_stays_on(cluster: Cluster) -> None:
    cluster.managed = False
    adoption.adopt(["vm1"], "extra", Deadline(5), lambda _text: None)
    assert cluster.done == ["provider", "refresh"]
    assert not cluster.managed


@pytest.mark.parametrize("state", ['failed="true"', 'blocked="true"', 'pending="Migrating"'])
def test_a_guest_that_is_not_settled_is_refused_before_anything_is_done(
    cluster: Cluster, state: str
) -> None:
    cluster.state = state
    with pytest.raises(AdoptionError, match="vm1 is failed, blocked or on its way"):
        adoption.adopt(["vm1"], "extra", Deadline(5), lambda _text: None)
    assert cluster.done == []


def test_a_guest_that_is_being_fenced_is_refused(cluster: Cluster) -> None:
    ident = "vm-stonith-vm1"
    value = "reset:9c41d7e02b6f5a13:vm2:5be0cd19137e2179:host1:1f0c2b6e-5d5e-4c1b-9a53-0f8d7a3b9c10"
    cluster.ban = (
        f'<rsc_location id="{ident}" rsc="vm1"><rule id="{ident}-rule" score="-INFINITY"'
        f' boolean-op="and"><expression id="{ident}-request" attribute="#kind" operation="ne"'
        f' value="{value}"/><date_expression id="{ident}-lease" operation="lt"'
        ' end="2026-11-22T14:34:24Z"/></rule></rsc_location>'
    )
    with pytest.raises(AdoptionError, match="vm1 is being fenced"):
        adoption.adopt(["vm1"], "extra", Deadline(5), lambda _text: None)
    assert cluster.done == []


def test_a_dry_run_writes_nothing(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["vm1", "--dry-run"]) == 0
    assert 'id="vm1" provider="extra"' in capsys.readouterr().out
    assert cluster.done == []
