# SPDX-License-Identifier: GPL-2.0-or-later
"""Which definition vm-stonithd reads on its host, and who it takes for the same guest."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from daemons.vm_stonithd.host import domain_uuids, qemu_processes
from daemons.vm_stonithd.host.domain_uuids import DomainUuids
from daemons.vm_stonithd.intake.desk import Desk
from daemons.vm_stonithd.intake.grant import Grant
from daemons.vm_stonithd.intake.key_file import Keys
from daemons.vm_stonithd.intake.token_readers import Readers
from daemons.vm_stonithd.model.facts import REFUSED
from pmkvm import run
from pmkvm.errors import HaError
from pmkvm.pacemaker.parameter import Parameter
from pmkvm.run import Completed
from pmkvm.service.far_files import FarFiles
from pmkvm.service.thread_calls import ThreadCalls
from pmkvm.wire.message import Forwarded, Sender
from tests.unit.hanging import Mount, mount
from tests.unit.vm_stonithd.unread_cib import UnreadCib

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from daemons.vm_stonithd.model.facts import Request

__all__ = ["mount"]

UUID, OTHER = "1f0c2b6e-5d5e-4c1b-9a53-0f8d7a3b9c10", "2f0c2b6e-5d5e-4c1b-9a53-0f8d7a3b9c10"
ANSWER = (
    '<pacemaker-result><digests><digest type="all"><parameters config="{}"/></digest></digests>'
    "</pacemaker-result>"
)
UNCLEAR, VARIES = "a rule decides", "start may be given another config"


class Here:
    """This host: its definitions, and a Pacemaker that says what it gives to agents here."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.configs: dict[str, Parameter] = {}
        self.gives: dict[str, str] = {}
        self.asked: list[str] = []
        self.domain_uuids = DomainUuids(lambda: self.configs)
        self._directory = directory
        monkeypatch.setattr(run, "run", self._run)

    def file(self, name: str, uuid: str) -> str:
        path = self._directory / f"{name}.xml"
        path.write_text(f"<domain type='kvm'><name>{name}</name><uuid>{uuid}</uuid></domain>")
        return str(path)

    def _run(self, argv: Sequence[str], **_more: object) -> Completed:
        if argv[0] == "crm_node":
            return Completed(0, "host1\n", "")
        resource, node = argv[argv.index("--resource") + 1], argv[argv.index("--node") + 1]
        assert node == "host1"
        self.asked.append(resource)
        if resource not in self.gives:
            return Completed(105, "", f"Resource '{resource}' not found")
        return Completed(0, ANSWER.format(self.gives[resource]), "")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Here:
    return Here(tmp_path, monkeypatch)


def test_a_plain_config_is_read_without_a_question(here: Here) -> None:
    here.configs = {"guest": Parameter((here.file("guest", UUID),)), "none": Parameter()}
    assert here.domain_uuids.uuid("guest") == UUID
    assert here.domain_uuids.path("none") == ""
    assert here.domain_uuids.uuid("none") == ""
    assert here.domain_uuids.uuid("stranger") is None
    assert here.domain_uuids.of(UUID) == ["guest"]
    assert here.asked == []


def test_where_the_cib_does_not_tell_pacemaker_is_asked_each_time(here: Here) -> None:
    one, two = here.file("one", UUID), here.file("two", OTHER)
    here.configs = {"guest": Parameter((one, two), UNCLEAR)}
    here.gives["guest"] = two
    assert (here.domain_uuids.path("guest"), here.domain_uuids.uuid("guest")) == (two, OTHER)
    here.gives["guest"] = one
    assert here.domain_uuids.uuid("guest") == UUID
    assert here.asked == ["guest"] * 3


def test_what_can_not_be_told_is_an_error_with_its_reason(here: Here) -> None:
    here.configs = {"unclear": Parameter((), UNCLEAR), "varies": Parameter((), "", VARIES)}
    with pytest.raises(HaError, match=f"{UNCLEAR}, and Pacemaker does not say: .*not found"):
        here.domain_uuids.path("unclear")
    with pytest.raises(HaError, match=f"varies can't be told: {VARIES}"):
        here.domain_uuids.uuid("varies")
    with pytest.raises(HaError, match="stranger is no VirtualDomain"):
        here.domain_uuids.path("stranger")


def test_who_has_the_same_uuid_is_found_among_all_that_may_have_it(here: Here) -> None:
    mine, twin, else_ = here.file("m", UUID), here.file("t", UUID), here.file("e", OTHER)
    here.configs = {
        "guest": Parameter((mine,)),
        "twin": Parameter((else_, twin), UNCLEAR),
        "other": Parameter((else_,), UNCLEAR),
    }
    here.gives["twin"] = twin
    assert here.domain_uuids.of(UUID) == ["guest", "twin"]
    here.gives["twin"] = else_
    assert here.domain_uuids.of(UUID) == ["guest"]
    # The one that can't have it was asked for nothing.
    assert here.asked == ["twin"] * 2
    del here.gives["twin"]
    with pytest.raises(HaError, match="the definition of twin can't be told"):
        here.domain_uuids.of(UUID)
    assert here.domain_uuids.of("") == []


class Tokens:
    def read(self, token: str) -> Grant:
        return Grant(token)


def asked(here: Here, target: str) -> Request:
    readers = Readers(Keys("/nowhere"), Tokens())
    desk = Desk(readers, UnreadCib(), here.domain_uuids, ThreadCalls(1), lambda _event: None)
    sender = Sender("0000-1", 42, 4711, "guest1", "prmVMCTL_guest1")
    return desk._read(1, Forwarded(7, sender, "stonith", "id", 19.5, f"reset {target}"))


def test_a_legal_form_is_not_refused(here: Here) -> None:
    here.configs = {"guest": Parameter((here.file("guest", UUID),), UNCLEAR)}
    here.gives["guest"] = here.configs["guest"].possible[0]
    made = asked(here, "guest")
    assert (made.refusal, made.uuid) == ("", UUID)


def test_a_token_is_refused_with_the_reason_in_the_hosts_log_alone(here: Here) -> None:
    here.configs = {"guest": Parameter((), "", VARIES)}
    made = asked(here, "guest")
    assert (made.refusal, made.why) == (
        REFUSED,
        f"the definition of guest can't be told: {VARIES}",
    )


# Definitions on a mount that hangs.


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qemu_processes, "DEFINITIONS", FarFiles())
    monkeypatch.setattr(qemu_processes, "ANSWER_S", 0.2)
    # The others' are read by a busy machine, too.
    monkeypatch.setattr(domain_uuids, "LEAST_S", 2.0)


@pytest.mark.usefixtures("impatient")
def test_a_definition_that_does_not_answer_is_one_that_tells_nothing(
    here: Here, mount: Mount
) -> None:
    far, near = here.file("far", UUID), here.file("near", OTHER)
    here.configs = {"far": Parameter((far,)), "near": Parameter((near,))}
    mount.paths.add(far)
    for _ in range(3):
        assert here.domain_uuids.uuid("far") == ""
        assert qemu_processes.identity_of(far) is None
        assert here.domain_uuids.of(UUID) == []
        assert here.domain_uuids.of(OTHER) == ["near"]
    # One thread, for all that asked.
    assert mount.in_it == [far]
    assert qemu_processes.DEFINITIONS.hanging == [far]
    mount.come_back()
    while qemu_processes.DEFINITIONS.hanging:
        time.sleep(0.01)
    assert here.domain_uuids.of(UUID) == ["far"]


@pytest.mark.usefixtures("impatient")
def test_a_request_for_another_guest_is_read_beside_it(here: Here, mount: Mount) -> None:
    far, near = here.file("far", OTHER), here.file("near", UUID)
    here.configs = {"far": Parameter((far,)), "near": Parameter((near,))}
    mount.paths.add(far)
    made = asked(here, "near")
    assert (made.refusal, made.uuid) == ("", UUID)
