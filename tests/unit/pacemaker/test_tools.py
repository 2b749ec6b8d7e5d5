# SPDX-License-Identifier: GPL-2.0-or-later
"""Exit codes judged, environment passed on, changes guarded: with a scripted process runner."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pmkvm import run, settings
from pmkvm.deadline import Deadline
from pmkvm.errors import CommandMissingError, DeadlineError, HaError
from pmkvm.pacemaker import cib, resource, tools
from pmkvm.pacemaker.errors import BadAnswerError, ClusterDownError, ExitCode, ToolError
from tests.unit.pacemaker.script import Script, Step

if TYPE_CHECKING:
    from collections.abc import Callable

DATA = Path(__file__).parent / "data"
QUERY, MODIFY = ("cibadmin", "--query"), ("cibadmin", "--modify", "--xpath")
DELETE = ("cibadmin", "--delete-all", "--force", "--xpath")


def in_version(epoch: int) -> str:
    return f'<?xml version="1.0"?>\n<cib epoch="{epoch}" num_updates="3" admin_epoch="2"><a/></cib>'


@pytest.mark.parametrize(
    ("rc", "expected"),
    [
        (ExitCode.DISCONNECT, ClusterDownError),
        (ExitCode.UNAVAILABLE, ClusterDownError),
        (ExitCode.TIMEOUT, DeadlineError),
        (ExitCode.NOSUCH, ToolError),
        (ExitCode.CONFIG, ToolError),
    ],
)
def test_exit_codes_become_errors(
    play: Callable[..., Script], rc: ExitCode, expected: type[HaError]
) -> None:
    play(Step(("tool",), rc, err="why\n\nand how"))
    with pytest.raises(expected) as caught:
        tools.call(("tool",), Deadline(5))
    assert "\n" not in str(caught.value)


def test_a_refusal_keeps_its_code_and_its_reason(play: Callable[..., Script]) -> None:
    play(Step(("tool",), 78, err="why\n"))
    with pytest.raises(ToolError, match="78: why") as caught:
        tools.call(("tool",), Deadline(5))
    assert caught.value.rc == ExitCode.CONFIG


def test_a_refusal_in_xml_is_told_without_the_xml(play: Callable[..., Script]) -> None:
    answer = (
        "<pacemaker-result><status code=\"105\"><errors><error>crm_resource: 'a&amp;b' not found\n"
        "Error performing operation: No such object</error></errors></status></pacemaker-result>"
    )
    play(Step(("tool",), 105, out=answer), Step(("tool",), 105, out="<no xml"))
    with pytest.raises(ToolError) as caught:
        tools.call(("tool",), Deadline(5))
    assert str(caught.value) == (
        "tool failed with 105: crm_resource: 'a&b' not found"
        " / Error performing operation: No such object"
    )
    with pytest.raises(ToolError, match="105: <no xml"):
        tools.call(("tool",), Deadline(5))


def test_a_missing_tool_is_an_error_of_its_own() -> None:
    with pytest.raises(CommandMissingError):
        tools.call(("/nonexistent/cibadmin",), Deadline(5))


def test_nothing_is_started_after_the_deadline(play: Callable[..., Script]) -> None:
    play()
    with pytest.raises(DeadlineError):
        tools.call(("tool",), Deadline(0))


def test_only_what_pacemakers_tools_read_is_passed_on(
    play: Callable[..., Script], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CIB_file", "/tmp/cib.xml")
    monkeypatch.setenv("LANG", "ja_JP.UTF-8")
    monkeypatch.delenv("CIB_user", raising=False)
    script = play(Step(("tool",)))
    tools.call(("tool",), Deadline(5))
    assert [environment for _, _, environment in script.calls] == [{"CIB_file": "/tmp/cib.xml"}]
    assert tools.is_offline()


def test_the_version_is_read_from_the_root_alone() -> None:
    assert cib.version(in_version(7)) == cib.Version(2, 7)
    assert cib.version('<cib epoch="1" num_updates="0" admin_epoch="0"/>') == cib.Version(0, 1)
    assert cib.version((DATA / "cib.xml").read_text(encoding="utf-8")) == cib.Version(1, 5)


@pytest.mark.parametrize("document", ["", "<cib/>", '<cib epoch="x" admin_epoch="0"/>', "<a", "x"])
def test_a_document_without_a_version_is_a_bad_answer(document: str) -> None:
    with pytest.raises(BadAnswerError):
        cib.version(document)


def test_a_merge_is_guarded_by_the_version_it_was_planned_on(play: Callable[..., Script]) -> None:
    script = play(Step(QUERY, out=in_version(7)), Step(MODIFY))
    change = cib.Change(merged="<configuration/>")
    assert cib.change(lambda _document: change, Deadline(5)) == change
    argv, stdin, _ = script.calls[1]
    assert argv[3] == "/cib[@admin_epoch='2' and @epoch='7']/configuration"
    assert stdin == "<configuration/>"


def test_a_plan_is_made_anew_when_somebody_else_was_faster(play: Callable[..., Script]) -> None:
    seen: list[int] = []

    def plan(document: str) -> cib.Change:
        seen.append(cib.version(document).epoch)
        return cib.Change(merged=f"<configuration a='{len(seen)}'/>")

    script = play(
        Step(QUERY, out=in_version(7)),
        Step(MODIFY, ExitCode.NOSUCH),
        Step(QUERY, out=in_version(8)),
        Step(MODIFY),
    )
    cib.change(plan, Deadline(5))
    assert seen == [7, 8]
    assert script.calls[-1][1] == "<configuration a='2'/>"
    assert script.left == []


def test_a_plan_that_wants_nothing_writes_nothing(play: Callable[..., Script]) -> None:
    play(Step(QUERY, out=in_version(7)))
    assert cib.change(lambda _document: None, Deadline(5)) is None


def test_it_gives_up_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]

    def too_late(*_arguments: object, **_more: object) -> run.Completed:
        now[0] = 9.0
        return run.Completed(ExitCode.NOSUCH, "", "")

    script = Script(Step(QUERY, out=in_version(7)))
    monkeypatch.setattr(
        run, "run", lambda argv, **more: script.run(argv, **more) if script.left else too_late()
    )
    with pytest.raises(DeadlineError, match="all the time"):
        cib.change(lambda _d: cib.Change(merged="<a/>"), Deadline(5, lambda: now[0]))


def test_a_removal_looks_whether_it_happened(play: Callable[..., Script]) -> None:
    play(
        Step(QUERY, out=in_version(7)),
        Step(DELETE),
        Step(QUERY, out="<still-there/>"),
        Step(QUERY, out=in_version(8)),
        Step(DELETE),
        Step(QUERY, ExitCode.NOSUCH),
    )
    assert cib.change(lambda _d: cib.Change(removed=["r"]), Deadline(5)) is not None


@pytest.mark.parametrize("name", ["a b", "a'b", 'a"b'])
def test_an_id_that_would_change_the_xpath_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="neither blanks nor quotes"):
        cib.selection([name], "/cib")


def test_more_ids_than_an_argument_holds_are_refused() -> None:
    assert len(cib.selection([f"prmVMCTL_guest{n}" for n in range(1000)], "/cib")) < 30_000
    with pytest.raises(HaError, match="take fewer at once"):
        cib.selection([f"prmVMCTL_{n:0100d}" for n in range(2000)], "/cib")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", 90),
        ("0", 0),
        ("120", 120),
        ("2min", 120),
        ("2m", 120),
        ("1h", 3600),
        ("1500ms", 1.5),
        ("PT1M30S", 90),
        ("P1D", 86400),
        (" 20 s", 20),
    ],
)
def test_times_as_pacemaker_writes_them(text: str, expected: float) -> None:
    assert resource.seconds(text) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["", "s", "ten", "10 apples", "-5", "PT", "P1Y", "1.5s", "PTS"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match=r"no time|no duration"):
        resource.seconds(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("200", 200),
        ("-1", -1),
        ("INFINITY", 1_000_000),
        ("-infinity", -1_000_000),
        ("9" * 9, 10**6),
    ],
)
def test_scores(text: str, expected: int) -> None:
    assert resource.score(text) == expected


@pytest.mark.parametrize("release", ["2.1", "3.0"])
def test_allocation_scores_of_one_resource(release: str) -> None:
    document = (DATA / f"crm_simulate-{release}.xml").read_text(encoding="utf-8")
    scores = resource.parse_scores(document, "prmVMCTL_guest1")
    assert scores == {"hostA": 0, "hostB": 0, "hostC": 0}
    stopped = resource.parse_scores(document, "prmVMCTL_guest2")
    assert set(stopped.values()) == {-resource.INFINITY}
    assert resource.parse_scores(document, "nosuch") == {}
    with pytest.raises(BadAnswerError):
        resource.parse_scores("", "r")


def test_a_simulation_that_is_killed_leaves_no_cib_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tool writes its copy into CIB_shadow_dir, else among the cluster's own files."""
    tool, shadows = tmp_path / "crm_simulate", tmp_path / "shadows"
    script = (
        '#!/bin/sh\necho >"$CIB_shadow_dir/shadow.$$"\n'
        f'ls -d "$CIB_shadow_dir"/* >{shadows}\nkill -KILL $$\n'
    )
    tool.write_text(script, encoding="utf-8")
    tool.chmod(0o755)
    monkeypatch.setattr(
        settings, "CHILD_ENVIRONMENT", {**settings.CHILD_ENVIRONMENT, "PATH": f"{tmp_path}:/bin"}
    )
    with pytest.raises(ToolError):
        tools.simulate("<cib/>", Deadline(60))
    shadow = Path(shadows.read_text(encoding="utf-8").strip())
    assert shadow.name.startswith("shadow.")
    assert not shadow.parent.exists()


def test_the_local_node_has_a_name(play: Callable[..., Script]) -> None:
    play(Step(("crm_node", "--name"), out="hostA\n"), Step(("crm_node", "--name")))
    assert resource.local_node(Deadline(5)) == "hostA"
    with pytest.raises(BadAnswerError):
        resource.local_node(Deadline(5))
