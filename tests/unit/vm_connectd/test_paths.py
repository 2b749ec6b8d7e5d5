# SPDX-License-Identifier: GPL-2.0-or-later
"""Which definition vm-connectd knows a guest by, and how rarely it asks Pacemaker for that."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from daemons.vm_connectd import guests, paths
from daemons.vm_connectd.guests import Guests
from daemons.vm_connectd.paths import Paths
from pmkvm import run, settings
from pmkvm.pacemaker import targets
from pmkvm.pacemaker.parameter import Parameter
from pmkvm.pacemaker.targets import Guest
from pmkvm.run import Completed
from pmkvm.service.thread_calls import ThreadCalls
from pmkvm.virt import record
from pmkvm.virt.identity import Identity
from pmkvm.virt.record import Record, Stage
from tests.unit.hanging import Mount, mount

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["mount"]

ANSWER = (
    '<pacemaker-result><digests><digest type="all"><parameters config="{}"/></digest></digests>'
    "</pacemaker-result>"
)


def guest(name: str, *possible: str, unclear: str = "") -> Guest:
    return Guest(name, targets.OURS, Parameter(possible, unclear), is_alone=True)


class Pacemaker:
    """gives: the config of each guest on this host."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.gives: dict[str, str] = {}
        self.asked: list[str] = []
        self.now = 1000.0
        # What a question takes of the time for all of them.
        self.takes = 0.0
        monkeypatch.setattr(run, "run", self._run)
        monkeypatch.setattr("time.monotonic", lambda: self.now)

    def _run(self, argv: Sequence[str], **_more: object) -> Completed:
        if argv[0] == "crm_node":
            return Completed(0, "host1\n", "")
        resource = argv[argv.index("--resource") + 1]
        self.asked.append(resource)
        self.now += self.takes
        if resource not in self.gives:
            return Completed(102, "", "")
        return Completed(0, ANSWER.format(self.gives[resource]), "")


@pytest.fixture
def pacemaker(monkeypatch: pytest.MonkeyPatch) -> Pacemaker:
    return Pacemaker(monkeypatch)


def test_plain_guests_cost_no_question_however_many_they_are(pacemaker: Pacemaker) -> None:
    found = Paths().look([guest(f"g{n}", f"/{n}.xml") for n in range(300)])
    assert found == {f"g{n}": f"/{n}.xml" for n in range(300)}
    assert pacemaker.asked == []


def test_of_another_pacemaker_is_asked_now_and_then(pacemaker: Pacemaker) -> None:
    known, guests = Paths(), [guest("a", "/1.xml", "/2.xml", unclear="a rule decides")]
    pacemaker.gives["a"] = "/1.xml"
    assert [known.look(guests) for _ in range(3)] == [{"a": "/1.xml"}] * 3
    assert pacemaker.asked == ["a"]
    pacemaker.gives["a"] = "/2.xml"
    pacemaker.now += paths.FRESH_S
    assert known.look(guests) == {"a": "/2.xml"}
    # A config that reads otherwise is another question.
    assert known.look([guest("a", "/1.xml", unclear="a rule decides")]) == {"a": "/2.xml"}
    assert pacemaker.asked == ["a"] * 3


def test_what_was_known_stays_while_pacemaker_does_not_answer(
    pacemaker: Pacemaker, caplog: pytest.LogCaptureFixture
) -> None:
    known, guests = Paths(), [guest("a", "/1.xml", unclear="a rule decides")]
    assert known.look(guests) == {"a": ""}
    pacemaker.gives["a"] = "/1.xml"
    pacemaker.now += paths.FRESH_S
    assert known.look(guests) == {"a": "/1.xml"}
    del pacemaker.gives["a"]
    for _ in range(3):
        pacemaker.now += paths.FRESH_S
        assert known.look(guests) == {"a": "/1.xml"}
    said = [record.message for record in caplog.records]
    assert len(said) == 2
    assert said[0] == said[1]
    assert said[0].startswith("the definition of a can't be told: a rule decides, and Pacemaker")


def test_a_look_has_an_end_and_the_next_one_begins_where_it_ended(pacemaker: Pacemaker) -> None:
    known = Paths()
    guests = [guest(f"g{n}", f"/{n}.xml", unclear="a rule decides") for n in range(6)]
    pacemaker.gives = {each.id: f"/{each.id}.xml" for each in guests}
    pacemaker.takes = paths.ASKING_S / 2
    for _ in range(3):
        known.look(guests)
    assert pacemaker.asked == [each.id for each in guests]
    assert known.look(guests) == pacemaker.gives


def test_a_guest_is_known_by_what_pacemaker_gives_else_as_it_was_started(
    pacemaker: Pacemaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "RUN_DIR", str(tmp_path / "run"))
    uuids = [f"{n}f0c2b6e-5d5e-4c1b-9a53-0f8d7a3b9c10" for n in (1, 2)]
    both = [str(tmp_path / f"{uuid}.xml") for uuid in uuids]
    for path, uuid in zip(both, uuids):
        text = f"<domain type='kvm'><name>n</name><uuid>{uuid}</uuid></domain>"
        Path(path).write_text(text, encoding="utf-8")
    pacemaker.gives["a"] = both[1]
    record.store("b", Record(Identity("n", uuids[0], is_qemu=True), Stage.RUNNING))
    found = tuple(guest(each, *both, unclear="config is given 2 times") for each in "abc")
    drawn = Guests(ThreadCalls(1), [])._draw_up(found, [])
    assert [known.uuid for _, known in drawn.pairs] == [uuids[1], uuids[0], ""]


def test_a_guest_whose_definition_does_not_answer_is_known_as_it_was_started(
    mount: Mount, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nobody else is kept waiting: one thread hangs for it."""
    monkeypatch.setattr(settings, "RUN_DIR", str(tmp_path / "run"))
    monkeypatch.setattr(guests, "ANSWER_S", 0.2)
    monkeypatch.setattr(guests, "LEAST_S", 2.0)
    uuids = [f"{n}f0c2b6e-5d5e-4c1b-9a53-0f8d7a3b9c10" for n in (1, 2)]
    both = [str(tmp_path / f"{uuid}.xml") for uuid in uuids]
    for path, uuid in zip(both, uuids):
        text = f"<domain type='kvm'><name>n</name><uuid>{uuid}</uuid></domain>"
        Path(path).write_text(text, encoding="utf-8")
    record.store("a", Record(Identity("n", uuids[0], is_qemu=True), Stage.RUNNING))
    mount.paths.add(both[0])
    found = tuple(guest(each, path) for each, path in zip("ab", both))
    known = Guests(ThreadCalls(1), [])
    for _ in range(2):
        drawn = known._draw_up(found, [])
        assert [identity.uuid for _, identity in drawn.pairs] == uuids
    assert mount.in_it == [both[0]]
