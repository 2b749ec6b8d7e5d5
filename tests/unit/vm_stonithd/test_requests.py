# SPDX-License-Identifier: GPL-2.0-or-later
"""From what a guest sends to what the machine is told, and from attrd's lines to words."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from daemons.vm_stonithd.cluster import report_exchange
from daemons.vm_stonithd.host.domain_uuids import DomainUuids
from daemons.vm_stonithd.intake import requests
from daemons.vm_stonithd.intake.grant import Grant
from daemons.vm_stonithd.intake.requests import Place
from daemons.vm_stonithd.model import host_report
from daemons.vm_stonithd.model.facts import REFUSED, Operation, Request
from daemons.vm_stonithd.model.host_report import BanReport, Done, HostReport, Stage
from pmkvm.pacemaker import attributes
from pmkvm.pacemaker.parameter import Parameter
from pmkvm.process import Life
from pmkvm.tokens.key_report import ATTRIBUTE
from pmkvm.wire.message import Forwarded, Sender

if TYPE_CHECKING:
    from pathlib import Path

TARGET, UUID = "prmVMCTL_guest2", "1f0c2b6e-5d5e-4c1b-9a53-0f8d7a3b9c10"
CLUSTER = "hosts"
SENDER = Sender("0000-1", 42, 4711, "guest1", "prmVMCTL_guest1")
FORWARDED = Forwarded(7, SENDER, "stonith", "an id", 19.5, "reset U2FsdGVk")


def allowed(operation: Operation, grant: Grant, uuid: str | None = UUID) -> Request:
    return requests.allowed(3, FORWARDED, operation, grant, Place(CLUSTER, lambda _resource: uuid))


@pytest.mark.parametrize(
    ("body", "operation", "token"),
    [
        ("reset U2FsdGVk", Operation.RESET, "U2FsdGVk"),
        ("reboot U2FsdGVk\n", Operation.RESET, "U2FsdGVk"),
        ("off  a b ", Operation.OFF, "a b"),
        ("timeout x", None, "x"),
        ("", None, ""),
    ],
)
def test_text(body: str, operation: Operation | None, token: str) -> None:
    assert requests.split(body) == (operation, token)


@pytest.mark.parametrize("body", ["", "status", "RESET x", "timeout x"])
def test_text_that_is_refused(body: str) -> None:
    assert requests.complaint(requests.split(body))


def test_request_is_the_stamps_sender_and_the_tokens_target() -> None:
    made = allowed(Operation.RESET, Grant(TARGET))
    assert (made.number, made.requester) == (3, "prmVMCTL_guest1")
    assert (made.target, made.uuid) == (TARGET, UUID)
    assert made.sender == ("0000-1", Life(42, 4711))
    assert made.hash == hashlib.sha256(b"an id").hexdigest()[:16]
    assert (made.seconds, made.refusal, made.allowed) == (19.5, "", (TARGET, "off,on,reset"))


@pytest.mark.parametrize(
    ("grant", "uuid", "reason"),
    [
        (Grant(TARGET), "", "not defined on this host"),
        (Grant(TARGET, uuid=SENDER.uuid), "", "of itself"),
        (Grant(TARGET, uuid="another"), UUID, "another domain than when"),
        (Grant(TARGET, requesters=frozenset({"0000-2"})), UUID, "not for this guest"),
        (Grant(TARGET, operations=frozenset({"status"})), UUID, "does not allow reset"),
        (Grant(TARGET, cluster="others"), UUID, 'is for the cluster "others", this is "hosts"'),
        (Grant(TARGET), "0000-1", "of itself"),
    ],
)
def test_refusals(grant: Grant, uuid: str, reason: str) -> None:
    made = allowed(Operation.RESET, grant._replace(key_id="0badcafe"), uuid)
    assert reason in made.why
    assert (made.refusal, made.allowed, made.key_id) == (REFUSED, (), "0badcafe")


@pytest.mark.parametrize("operation", [Operation.RESET, Operation.STATUS, Operation.LIST])
def test_whoever_may_fence_may_ask(operation: Operation) -> None:
    grant = Grant(TARGET, UUID, frozenset({"0000-1"}), frozenset({"reset"}))
    assert allowed(operation, grant).refusal == ""


def test_two_domains_of_one_uuid_are_refused(tmp_path: Path) -> None:
    """Who kills one of them kills the other."""
    configs: dict[str, Parameter] = {}
    for name, uuid in (("guest2", UUID), ("copy", UUID), ("guest3", UUID[:-1] + "1")):
        path = tmp_path / f"{name}.xml"
        path.write_text(f"<domain type='kvm'><name>{name}</name><uuid>{uuid}</uuid></domain>")
        configs[f"prmVMCTL_{name}"] = Parameter((str(path),))
    known = DomainUuids(lambda: configs)

    def made(resource: str) -> Request:
        place = Place(CLUSTER, known.uuid, known.of)
        return requests.allowed(3, FORWARDED, Operation.RESET, Grant(resource), place)

    assert "prmVMCTL_guest2 and prmVMCTL_copy have the same uuid" in made("prmVMCTL_guest2").why
    assert made("prmVMCTL_guest3").why == ""
    (tmp_path / "copy.xml").write_text(
        f"<domain type='kvm'><name>copy</name><uuid>{UUID[:-1]}2</uuid></domain>\n"
    )
    assert made("prmVMCTL_guest2").why == ""
    (tmp_path / "guest2.xml").unlink()
    assert "is not defined on this host" in made("prmVMCTL_guest2").why


@pytest.mark.parametrize("operation", [Operation.STATUS, Operation.LIST])
def test_a_guest_may_ask_how_it_is_itself(operation: Operation) -> None:
    grant = Grant(TARGET, "0000-1", frozenset({"0000-1"}), frozenset({"off", "reset"}))
    assert allowed(operation, grant, "0000-1").refusal == ""


@pytest.mark.parametrize("operation", list(Operation))
@pytest.mark.parametrize("grant", [Grant("prmOther"), Grant("prmOther", UUID)])
def test_what_is_no_resource_is_refused_for_everything(grant: Grant, operation: Operation) -> None:
    """A list of it too: that would tell what a token of 2011 decrypts to."""
    made = allowed(operation, grant, None)
    assert (made.refusal, made.allowed) == (REFUSED, ())
    assert "prmOther is no VirtualDomain of this cluster" in made.why


@pytest.mark.parametrize(
    ("grant", "reason"),
    [
        (Grant(TARGET, requesters=frozenset({"0000-2"})), "not for this guest"),
        (Grant(TARGET, operations=frozenset({"on"})), "does not allow reset"),
        (Grant(TARGET, cluster="others"), "is for the cluster"),
        (Grant(SENDER.resource), "of itself"),
    ],
)
def test_nothing_is_looked_up_for_whom_a_token_is_not_for(grant: Grant, reason: str) -> None:
    """How long that takes would tell whether the target is there."""
    looked_up = []

    def look(what: str) -> str:
        looked_up.append(what)
        return UUID

    place = Place(CLUSTER, look, lambda uuid: [look(uuid)], look)
    made = requests.allowed(3, FORWARDED, Operation.RESET, grant, place)
    assert reason in made.why
    assert made.refusal == REFUSED
    assert looked_up == []


def test_a_report_comes_back_from_attrd() -> None:
    said = HostReport(
        1795370042.25,
        {"9c41": BanReport(Stage.DEAD, frozenset({"host1", "host2"}))},
        (Done("9c41", True, "prmVMCTL_guest1", "5be0", TARGET, "reset"),),
    )
    text = host_report.encode(said)
    answer = (
        f'name="vm-stonith" host="host1" value="{text}"\nname="vm-stonith" host="host2" value=""\n'
    )
    assert report_exchange.decoded(attributes.parse(answer, ATTRIBUTE)) == {"host1": said}


@pytest.mark.parametrize(
    "line",
    [
        'name="other" host="host1" value="up=1.000"',
        'name="vm-stonith" host="host1" value="down=1"',
        'name="vm-stonith" host="host1" value="up=1.000" more',
        "Could not query value of vm-stonith: attribute does not exist",
    ],
)
def test_other_lines_say_nothing(line: str) -> None:
    assert report_exchange.decoded(attributes.parse(line, ATTRIBUTE)) == {}


def test_a_definition_that_this_host_alone_lacks_refuses_no_fence() -> None:
    """A sealed token has the uuid, and every host compares it with its own definition."""
    sealed = allowed(Operation.RESET, Grant(TARGET, uuid=UUID), "")
    assert (sealed.uuid, sealed.refusal) == (UUID, "")
    remembered = Place(CLUSTER, lambda _resource: "", remembered_uuid=lambda _resource: UUID)
    made = requests.allowed(3, FORWARDED, Operation.RESET, Grant(TARGET), remembered)
    assert (made.uuid, made.refusal) == (UUID, "")


def test_without_a_fence_no_uuid_is_needed() -> None:
    assert allowed(Operation.STATUS, Grant(TARGET), "").refusal == ""
