# SPDX-License-Identifier: GPL-2.0-or-later
"""Logs of the lab, each with the release of Pacemaker that wrote it, give exactly what stands in
the .told beside them. What the lab has not shown is written by the messages in the sources.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from check.vm_log import patterns, told
from check.vm_log.event import Kind
from check.vm_log.main import events
from tests import tree

DATA = Path(__file__).parent / "data"
SAMPLES = sorted(path for path in DATA.iterdir() if path.suffix != ".told")


def sentences(text: str) -> list[str]:
    found = events(text.split("\n"))
    return [f"{one.log_of or '-'} {one.kind.value}: {told.sentence(one)}" for one in found]


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_a_sample_gives_its_events(path: Path) -> None:
    expected = path.with_suffix(".told").read_text(encoding="utf-8").splitlines()
    assert sentences(path.read_text(encoding="utf-8")) == expected


def test_the_samples_have_most_kinds_and_both_releases() -> None:
    seen = {
        one.kind for path in SAMPLES for one in events(path.read_text(encoding="utf-8").split("\n"))
    }
    # A log of a promoted clone, and of an agent that is degraded, the lab has not kept.
    assert set(Kind) - seen == {Kind.PROMOTED, Kind.DEMOTED, Kind.DEGRADED}
    assert {path.name[0] for path in SAMPLES} >= {"2", "3"}


@pytest.mark.parametrize("pattern", patterns.PATTERNS, ids=lambda one: one.kind.value)
def test_a_pattern_says_where_it_was_seen(pattern: patterns.Pattern) -> None:
    assert pattern.seen in {patterns.LOGS, patterns.LOGS_21, patterns.SOURCES, "2"}


def test_every_kind_has_a_sentence_and_its_row_in_the_manual() -> None:
    assert set(told.SENTENCES) == set(Kind)
    page = (tree.ROOT / "doc" / "man" / "vm-log.8").read_text(encoding="utf-8")
    section = page.partition(".SH EVENTS\n")[2].partition("\n.SH ")[0].replace("\\-", "-")
    named = re.findall(r"^\.T[PQ]\n\.B (.*)$", section, re.MULTILINE)
    assert named == [kind.value for kind in Kind]


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("promote operation for prmDb:1 on host1: OK", "host1 promoted: prmDb promoted on host1"),
        ("demote operation for prmDb on host1: ok", "host1 demoted: prmDb demoted on host1"),
        (
            "monitor operation for g on host1: OCF_DEGRADED (its disk | is full) | graph action x",
            "host1 degraded: g is degraded on host1: its disk | is full",
        ),
        (
            "monitor operation for g on host1: Service is active but might fail soon (a disk)",
            "host1 degraded: g is degraded on host1: a disk",
        ),
        (
            "monitor operation for g on host1: promoted (failed) | CIB update 9, graph action x",
            "host1 failed: g: monitor failed on host1: promoted: failed",
        ),
        ("probe operation for g on host1: not installed (no qemu)", None),
        (
            "probe operation for g on host1: Promoted | graph action x",
            "host1 found: g found running on host1",
        ),
        (
            "probe operation for g on host1: promoted (failed)",
            "host1 failed: g: probe failed on host1: promoted: failed",
        ),
        ("monitor operation for prmDb on host1: promoted", None),
        ("notify operation for prmDb on host1: ok", None),
        (
            "start operation for okay on host1: okay (x)",
            "host1 failed: okay: start failed on host1: okay: x",
        ),
    ],
)
def test_a_result_is_judged_by_its_whole_word(said: str, sentence: str | None) -> None:
    head = "Dec 02 08:42:33.790 host1 pacemaker-controld  [143] (log_executor_event) \tnotice: "
    assert sentences(f"{head}Result of {said}") == ([] if sentence is None else [sentence])


@pytest.mark.parametrize(
    ("planned", "sentence"),
    [
        ("Promote    prmDb:0     ( Unpromoted -> Promoted host1 )", None),
        (
            "Stop       prmDb:0     (        Promoted host1 )  due to no quorum",
            "Stop on host1: due to no quorum",
        ),
        ("Recover    prmDb:0     (            Unpromoted host1 )", "Recover on host1"),
        ("Move       prmDb:0     ( host1 -> host2 Promoted )", "Move from host1 to host2"),
        (
            "Move       prmDb:0     ( Unpromoted host1 -> Promoted host2 )",
            "Move from host1 to host2",
        ),
    ],
)
def test_a_plan_for_a_promotable_clone(planned: str, sentence: str | None) -> None:
    head = "Dec 02 08:42:33.790 host1 pacemaker-schedulerd[142] (log_list_item) \tnotice: "
    expected = [] if sentence is None else [f"host1 planned: prmDb: the DC plans {sentence}"]
    assert sentences(f"{head}Actions: {planned}") == expected
