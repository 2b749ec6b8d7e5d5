# SPDX-License-Identifier: GPL-2.0-or-later
"""Checks before a move, waiting, and the constraint that is gone whatever happens."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest
from lxml import etree

from pmkvm import run, settings
from pmkvm.fencing import instant
from pmkvm.pacemaker import waiting
from pmkvm.pacemaker.document import CibDocument
from pmkvm.pacemaker.errors import ClusterDownError
from pmkvm.pacemaker.resource import INFINITY
from tests.unit.vmctl.world import MIGRATE, REMOTES, cib, cluster, crm_mon, guest, running
from vmctl import move, plan
from vmctl.command_line import Request
from vmctl.messages import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    Begin = Callable[..., "FakeCluster"]

ON_A = running("g1", "hostA")
OPS = (
    '<operations><op id="a" name="migrate_to" timeout="300s"/>'
    '<op id="b" name="migrate_from" timeout="2min"/></operations>'
)


def check(
    resources: str = ON_A, target: str | None = None, *, online: str = "true", inner: str = ""
) -> move.Move:
    found = cluster(resources, online=online, nodes=REMOTES.replace('"true"', f'"{online}"'))
    return move.check("g1", target, CibDocument(cib(guest("g1", inner))), found)


def numbers(function: Callable[[], object]) -> list[int]:
    with pytest.raises(RefusedError) as caught:
        function()
    return [problem.number for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("resources", "target", "online", "expected"),
    [
        (running("g1"), None, "true", [18]),
        (running("g1", "hostA", "hostB"), None, "true", [38]),
        (ON_A, "hostX", "true", [16]),
        (ON_A, "box-0", "true", [75]),
        (ON_A, "hostB", "false", [14, 26]),
        (ON_A, None, "false", [14, 26]),
        (running("g1", "hostA", more='managed="false"'), "hostB", "true", [25, 26]),
    ],
)
def test_a_move_that_cannot_work_is_not_begun(
    resources: str, target: str | None, online: str, expected: list[int]
) -> None:
    assert numbers(lambda: check(resources, target, online=online)) == expected


def test_a_remote_node_is_a_place_to_go_to() -> None:
    assert check(target="remote1").target == "remote1"
    assert numbers(lambda: check(target="remote1", online="false")) == [14, 26]


def test_what_is_not_registered() -> None:
    assert numbers(lambda: move.check("g2", None, CibDocument(cib()), cluster())) == [15]


def test_where_it_runs_already_is_no_move_and_no_error() -> None:
    assert check(target="hostA", online="false").origin == "hostA"


def test_the_bound_is_that_of_the_operations() -> None:
    assert check(inner=MIGRATE + OPS).bound_s == 300 + 120 + 2 * 20 + waiting.SLACK_S
    assert check(inner=OPS).bound_s == 2 * 20 + waiting.SLACK_S
    assert check().lifetime_s() > check().bound_s


@pytest.mark.parametrize(
    ("target", "scores", "expected"),
    [
        ("hostB", {"hostA": 0, "hostB": -INFINITY}, [19, 26]),
        (None, {"hostA": 0, "hostB": -INFINITY}, [20, 26]),
    ],
)
def test_scores_that_bar_the_way(
    target: str | None, scores: dict[str, int], expected: list[int]
) -> None:
    intended = check(target=target)
    known = CibDocument(cib(guest("g1"))), cluster()
    assert numbers(lambda: move.check_scores(intended, scores, *known)) == expected


@pytest.mark.parametrize(
    ("target", "scores"),
    [
        ("hostB", {"hostB": -100}),
        ("hostB", {}),
        (None, {}),
        (None, {"hostB": -5, "hostC": -INFINITY}),
    ],
)
def test_scores_that_do_not(target: str | None, scores: dict[str, int]) -> None:
    move.check_scores(check(target=target), scores, CibDocument(cib(guest("g1"))), cluster())


SCORE = '<node_weight function="pcmk__primitive_assign" node="{}" score="{}" id="prmVMCTL_g1"/>'


class FakeCluster:
    """The CIB, the scheduler, and crm_mon: the guest is where `places` says, look after look."""

    def __init__(self, *places: str) -> None:
        self.places = list(places)
        self.document = cib(guest("g1"))
        # Of each reading; the last one stays.
        self.statuses = [""]
        self.written: list[str] = []
        self.scores = {"hostA": 0, "hostB": 0}
        self.on_look: Callable[[], object] = lambda: None
        self.rc = 0

    def run(self, argv: Sequence[str], stdin: str | None = None, **_more: object) -> run.Completed:
        if argv[0] == "crm_mon":
            self.on_look()
            place = self.places.pop(0) if len(self.places) > 1 else self.places[0]
            return run.Completed(self.rc, crm_mon(place), "")
        if argv[0] == "crm_simulate":
            assert stdin is not None
            assert "cli-" not in stdin
            weights = "".join(SCORE.format(*each) for each in self.scores.items())
            return run.Completed(0, f"<r>{weights}</r>", "")
        return run.Completed(*self.cibadmin(argv, stdin), "")

    def cibadmin(self, argv: Sequence[str], stdin: str | None) -> tuple[int, str]:
        if argv[1] == "--query":
            # With an XPath it is asked whether a removal has left anything.
            if len(argv) > 2:
                return 105, ""
            status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
            return self.rc, self.document.replace("<status></status>", f"<status>{status}</status>")
        self.written.append(argv[1])
        if argv[1] == "--modify":
            constraints = etree.fromstring((stdin or "").encode()).findall("constraints/*")
            texts = "".join(etree.tostring(each, encoding="unicode") for each in constraints)
            self.document = cib(guest("g1"), texts)
        else:
            self.document = cib(guest("g1"))
        return self.rc, ""


@pytest.fixture
def begin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Begin:
    monkeypatch.setattr(waiting, "POLL_S", 0.0)
    monkeypatch.setattr(settings, "RUN_DIR", str(tmp_path))
    monkeypatch.delenv("CIB_file", raising=False)

    def fake(*places: str) -> FakeCluster:
        found = FakeCluster(*places)
        monkeypatch.setattr(run, "run", found.run)
        return found

    return fake


MIGRATING = running("g1", "hostA", role="Migrating")
ON_B = running("g1", "hostB")
REQUEST = Request("resource", "move", ("g1",))


def carry_out(target: str | None = "hostB", bound_s: float = 5.0) -> None:
    cib_document = CibDocument(cib(guest("g1")))
    moved = move.Move("g1", "hostA", target, bound_s)
    move.carry_out(moved, REQUEST, cib_document, lambda: "")


@pytest.mark.parametrize("target", ["hostB", None])
def test_a_move_ends_when_the_guest_is_there_and_takes_its_constraints_along(
    begin: Begin, target: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = begin(ON_A, MIGRATING, running("g1", "hostB", role="Starting"), ON_B)
    seen: list[str] = []
    fake.on_look = lambda: seen.append(fake.document)
    carry_out(target)
    assert fake.written == ["--modify", "--delete-all"]
    assert fake.places == [ON_B]
    assert capsys.readouterr().err == ""
    ends = etree.fromstring(seen[0].encode()).findall(".//date_expression")
    assert len(ends) == (2 if target else 1)
    for end in ends:
        assert 5 < instant.from_text(str(end.get("end"))) - time.time() <= 65


def test_scores_that_will_pull_the_guest_back_are_said_with_the_command_that_keeps_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    intended = check(target="hostB")
    move.look_ahead(intended, {"hostA": 200, "hostB": 100}, CibDocument(cib(guest("g1"))))
    assert capsys.readouterr().err == (
        "vm-ctl: MSG51 g1: its scores will move it back to hostA; to keep it,"
        " move it with --no-wait, and run vm-ctl location move g1 when it is there\n"
    )


@pytest.mark.parametrize(
    ("stickiness", "is_told"), [("0", True), ("60", True), ("120", False), ("INFINITY", False)]
)
def test_a_guest_that_sticks_to_where_it_is_stays(
    stickiness: str, is_told: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    meta = MIGRATE.replace("allow-migrate", "resource-stickiness").replace("true", stickiness)
    own = 0 if stickiness == "INFINITY" else int(stickiness)
    scores = {"hostA": 200 + own, "hostB": 100}
    move.look_ahead(check(target="hostB"), scores, CibDocument(cib(guest("g1", meta))))
    assert ("MSG51" in capsys.readouterr().err) is is_told


OFF = running("g1", role="Stopped", more='target_role="Stopped"')
UNMANAGED = running("g1", "hostA", more='managed="false"')


@pytest.mark.parametrize(
    ("places", "bound_s", "reason"),
    [
        pytest.param([ON_A], 0.05, "MSG27 g1: the move failed: not there after", id="late"),
        pytest.param([ON_A, OFF], 5, "MSG27 g1: the move failed: stopped meanwhile", id="stopped"),
        pytest.param([UNMANAGED], 5, "MSG25", id="unmanaged half way"),
    ],
)
def test_a_move_that_does_not_happen_is_an_error_with_its_reason(
    begin: Begin, places: list[str], bound_s: float, reason: str
) -> None:
    fake = begin(ON_A, *places)
    with pytest.raises(RefusedError, match=reason):
        carry_out(bound_s=bound_s)
    assert fake.written == ["--modify", "--delete-all"]


@pytest.fixture
def heard() -> Iterator[None]:
    """Under nohup, and in a shell's background, some are ignored from the beginning."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in move.SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("heard")
@pytest.mark.parametrize("number", move.SIGNALS)
def test_a_signal_ends_the_move_once_the_guest_is_there(
    begin: Begin, number: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(number)
    fake = begin(ON_A, MIGRATING, MIGRATING, ON_B)

    def interrupt() -> None:
        if len(fake.places) == 3:
            os.kill(os.getpid(), number)

    fake.on_look = interrupt
    with pytest.raises(KeyboardInterrupt):
        carry_out()
    assert fake.places == [ON_B]
    assert fake.written == ["--modify", "--delete-all"]
    assert capsys.readouterr().err == (
        "vm-ctl: MSG56 g1: it is on its way, and vm-ctl ends when it has arrived; interrupt"
        " vm-ctl again to end it now: the move goes on, and its constraints end by"
        " themselves within 65 s\n"
    )
    assert signal.getsignal(number) is before


def test_a_second_signal_leaves_the_constraints_to_their_end(begin: Begin) -> None:
    fake = begin(ON_A, MIGRATING)
    fake.on_look = lambda: os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        carry_out()
    assert fake.written == ["--modify"]


def test_a_migration_that_takes_too_long_keeps_its_constraints(
    begin: Begin, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = begin(ON_A, MIGRATING)
    fake.statuses = [ON_ITS_WAY]
    with pytest.raises(RefusedError, match="MSG27"):
        carry_out(bound_s=0.05)
    assert fake.written == ["--modify"]
    said = capsys.readouterr().err.splitlines()
    assert [line[:16] for line in said] == ["vm-ctl: MSG58 g1", "vm-ctl: MSG54 g1"]
    assert "stay, 60 s at most: MSG55 g1: is being migrated" in said[1]


def test_a_move_that_fails_in_a_migration_takes_its_constraints_away_after_it(
    begin: Begin, capsys: pytest.CaptureFixture[str]
) -> None:
    """As when somebody sets maintenance-mode meanwhile."""
    fake = begin(ON_A, running("g1", "hostA", role="Migrating", more='managed="false"'))
    fake.statuses = ["", ON_ITS_WAY, ON_ITS_WAY, ""]
    with pytest.raises(RefusedError, match="MSG25"):
        carry_out()
    assert fake.written == ["--modify", "--delete-all"]
    assert capsys.readouterr().err.startswith("vm-ctl: MSG58 g1: Pacemaker still migrates it;")


@pytest.mark.usefixtures("heard")
def test_a_signal_ends_the_wait_behind_a_move_that_has_failed(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = begin(ON_A, running("g1", "hostA", role="Migrating", more='managed="false"'))
    fake.statuses = ["", ON_ITS_WAY]
    # As soon as the user is told.
    monkeypatch.setattr(move, "say", lambda _lines: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(RefusedError, match="MSG25"):
        carry_out(bound_s=60)
    assert fake.written == ["--modify"]


def history(node: str, *operations: str) -> str:
    entry = f'<lrm_resource id="prmVMCTL_g1">{"".join(operations)}</lrm_resource>'
    lrm = f"<lrm><lrm_resources>{entry}</lrm_resources></lrm>"
    return f'<node_state uname="{node}">{lrm}</node_state>'


def op(name: str, call: int, rc: int = 0, source: str = "", target: str = "") -> str:
    way = f'migrate_source="{source}" migrate_target="{target}"' if source else ""
    return f'<lrm_rsc_op operation="{name}" call-id="{call}" rc-code="{rc}" {way}/>'


ON_ITS_WAY = history("hostA", op("migrate_to", 5, 193, "hostA", "hostB"))
TO_B, FROM_A = ("migrate_to", 20, 0, "hostA", "hostB"), ("migrate_from", 15, 0, "hostA", "hostB")


@pytest.mark.parametrize(
    ("on_a", "on_b", "expected"),
    [
        # It was started here, and nothing else ever.
        ([("start", 9), ("monitor", 10)], [("monitor", 5, 7)], False),
        # On its way for the first time; gone, and nobody has said that it came.
        ([("start", 9), ("migrate_to", 20, 193, "hostA", "hostB")], [("monitor", 5, 7)], True),
        ([("start", 9), TO_B], [("monitor", 5, 7)], True),
        ([("start", 9), TO_B], [("migrate_from", 15, 193, "hostA", "hostB")], True),
        # It came; what is left of it is stopped next, or has been.
        ([("start", 9), TO_B], [("monitor", 5, 7), FROM_A, ("monitor", 16)], False),
        ([TO_B, ("stop", 21)], [FROM_A], False),
        # It came another day, and went back: Pacemaker takes that for this time's arrival.
        ([TO_B], [FROM_A, ("migrate_to", 17, 0, "hostB", "hostA"), ("stop", 18)], True),
        # A failed one is no way to anywhere.
        ([("start", 9), ("migrate_to", 20, 1, "hostA", "hostB")], [("monitor", 5, 7)], False),
    ],
)
def test_half_a_migration_is_seen_in_the_history(
    on_a: list[tuple[str, int]], on_b: list[tuple[str, int]], *, expected: bool
) -> None:
    states = history("hostA", *(op(*each) for each in on_a))
    states += history("hostB", *(op(*each) for each in on_b))
    assert CibDocument(cib(guest("g1"), status=states)).is_migrating("g1") is expected


def test_nothing_of_a_move_is_touched_in_the_middle_of_a_migration() -> None:
    on_its_way = history("hostA", op(*TO_B))
    ban = '<rsc_location id="cli-ban-prmVMCTL_g1-on-hostA" rsc="prmVMCTL_g1"/>'
    cib_document = CibDocument(cib(guest("g1"), ban, status=on_its_way))
    assert numbers(lambda: plan.unmove("g1", cib_document)) == [55]
    assert numbers(lambda: plan.role(["g1"], "Stopped", cib_document)) == [55]
    plan.role(["g1"], "Started", cib_document)
    assert numbers(lambda: move.check("g1", "hostB", cib_document, cluster(ON_A))) == [55, 26]


def test_constraints_that_cannot_be_removed_are_told_and_hide_nothing(
    begin: Begin, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = begin(ON_A)

    def lose_the_cluster() -> None:
        fake.rc = 102

    fake.on_look = lose_the_cluster
    with pytest.raises(ClusterDownError, match="crm_mon"):
        carry_out()
    assert capsys.readouterr().err.startswith(
        "vm-ctl: MSG54 g1: the constraints of its move stay, 65 s at"
    )
