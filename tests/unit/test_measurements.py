# SPDX-License-Identifier: GPL-2.0-or-later
"""The figures of doc/measurements are what their command writes, and say where they come from."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

import pytest

from tests import tree
from tests.measurements import condense, origin, pages, record, tables, taking
from tests.measurements.figures import FIGURES, Figure, Kind
from tests.measurements.origin import Origin
from tests.measurements.record import Point

if TYPE_CHECKING:
    from pathlib import Path

POINTS = pages.records()
DRAWN = pages.drawn(POINTS)
# Of all records together: they are for reading, not for keeping all that was ever measured.
MOST_BYTES = 200_000
OURS = Origin(date="2026-12-03", pacemaker="2.1.5", libvirt="9.0.0")


@pytest.mark.parametrize("page", sorted({figure.page for figure in DRAWN}))
def test_a_page_has_what_the_records_come_to(page: str) -> None:
    text = (pages.DOC / page).read_text(encoding="utf-8")
    assert pages.renewed(page, text, POINTS) == text, "make measurements brings it up to date"


@pytest.mark.parametrize("figure", DRAWN, ids=lambda figure: figure.name)
def test_a_picture_names_its_origin_and_is_of_these_records(figure: Figure) -> None:
    """The picture itself needs a library that no test has."""
    text = pages.picture(figure).read_text(encoding="utf-8")
    assert tables.said(figure, POINTS) in html.unescape(text), "make measurements draws it anew"


def test_nothing_else_is_there() -> None:
    pictures = {path.stem for path in pages.DOC.glob("*.svg")}
    files = {path.stem for path in pages.RECORDS.iterdir()}
    names = {figure.name for figure in DRAWN}
    assert pictures == files == names == {point.figure for point in POINTS}
    marked = [
        found
        for path in pages.DOC.glob("*.md")
        for found in pages.marked(path.read_text(encoding="utf-8"))
    ]
    assert sorted(marked) == sorted(names)


def test_the_records_are_small() -> None:
    assert sum(path.stat().st_size for path in pages.RECORDS.iterdir()) < MOST_BYTES


def test_a_record_says_when_on_what_commit_and_of_which_version() -> None:
    where = [point.origin for point in POINTS]
    assert [one for one in where if not (one.date and one.commit and one.version)] == []
    assert [record.of_line(point.line()) for point in POINTS] == POINTS


def test_readme_links_what_a_buyer_asks_for() -> None:
    text = (tree.ROOT / "README.md").read_text(encoding="utf-8")
    linked = re.findall(r"\(doc/measurements/(\S+)\.svg\)", text)
    assert linked == ["fence-faults", "idle-by-hosts", "monitor"]
    assert {figure.name for figure in DRAWN} >= set(linked)


def test_figures_along_an_axis_have_numbers_there() -> None:
    along = {figure.name for figure in FIGURES if figure.kind is Kind.LINES}
    assert [one for one in POINTS if one.figure in along and not isinstance(one.at, int)] == []


def test_a_page_without_a_place_is_named() -> None:
    with pytest.raises(ValueError, match=r"start\.md has no place for start"):
        pages.renewed("start.md", "# A start's time\n", [Point("start", "extra", origin=OURS)])


# --- what is taken from new runs


def test_a_new_run_takes_the_place_of_one_on_the_same_platform() -> None:
    newer = OURS._replace(date="2026-12-04", libvirt="9.0.1")
    three = OURS._replace(pacemaker="3.0.0", libvirt="11.3.0")
    old = [Point("idle", "vm-connectd", 0, origin=each) for each in (OURS, three)]
    kept = taking.taken(old, [Point("idle", "vm-connectd", 10, origin=newer)])
    assert [(one.at, one.origin.date, one.origin.pacemaker) for one in kept] == [
        (0, "2026-12-03", "3.0.0"),
        (10, "2026-12-04", "2.1.5"),
    ]


def test_what_did_not_keep_its_platform_gives_way_to_any() -> None:
    old = [Point("idle", name, origin=Origin(date="2026-11-23")) for name in ("a", "b")]
    kept = taking.taken(old, [Point("idle", "a", origin=OURS)], note="beside a lab")
    assert [(one.series, one.origin.note) for one in kept] == [("b", ""), ("a", "beside a lab")]


def test_series_stay_in_their_order() -> None:
    old = [Point("idle", name, origin=OURS) for name in ("b", "a")]
    kept = taking.taken(old, [Point("idle", name, origin=OURS) for name in ("new", "a", "b")])
    assert [one.series for one in kept] == ["b", "a", "new"]


@pytest.mark.usefixtures("few")
def test_an_answer_that_was_repeated_has_no_time() -> None:
    rows = [cell("reset, the ban is there: libvirtd of host1 killed", ok_s=None)]
    (killed, _all) = condense.faults(rows)
    assert (killed.median, killed.most, killed.also["OK"]) == (None, None, 1)


def test_of_several_runs_in_one_file_the_last_counts() -> None:
    before = OURS._replace(commit="1")
    points = [
        Point("idle", "a", 0, median=1.0, origin=before),
        Point("idle", "a", 100, median=2.0, origin=before),
        Point("idle", "a", 0, median=3.0, origin=OURS),
        Point("idle", "a", 0, median=4.0, origin=OURS),
    ]
    assert taking.last_of(points) == points[-1:]


def test_what_a_run_tells_is_taken_with_where_it_ran(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "BUILD", tmp_path)
    for values in ([0.5, 0.25], [1.0, 2.0, 4.0]):
        record.tell([Point("start", "extra", "", "s", **record.spread(values))])
    first, last = record.read(tmp_path / record.POINTS)
    assert (first.n, first.least, first.median, first.most) == (2, 0.25, 0.375, 0.5)
    assert taking.last_of([first, last]) == [last]
    assert last.origin == origin.of_record(origin.here())


# --- what long runs come to


def cell(name: str, **more: object) -> dict[str, object]:
    row = {"cell": name, "answer": "Success: Rebooted", "ok_s": 2.0, "back_s": 9.4}
    return {**row, "origin": {"date": "2026-12-03"}, **more}


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows as few as a test has are taken for a figure."""
    monkeypatch.setattr(condense, "FEWEST_CELLS", 1)
    monkeypatch.setattr(condense, "FEWEST_CYCLES", 1)


def test_an_everyday_run_is_no_figure() -> None:
    cycle = {"configuration": "appendix B", "guests": 2}
    assert [*condense.faults([cell("off, it is answered: libvirtd of host1 killed")])] == []
    assert [*condense.split_brains([cycle])] == []
    assert [*condense.split_brains([])] == []


@pytest.mark.usefixtures("few")
def test_cells_of_faults_come_to_a_line_for_each_fault() -> None:
    rows = [
        cell("reset, the ban is there: libvirtd of host1 killed", ok_s=99.0),
        cell("reset, the ban is there: libvirtd of host1 killed"),
        cell("off, it is answered: libvirtd of host1 killed", ok_s=4.0, back_s=70.0),
        cell("off, it is answered: host1 loses its power", answer=condense.NOBODY, ok_s=None),
    ]
    killed, lost, both = condense.faults(rows)
    assert (killed.series, killed.median, killed.most) == ("libvirtd of host1 killed", 3.0, 4.0)
    assert killed.also == {
        "cells": 2,
        "OK": 2,
        "NG": 0,
        "requester died": 0,
        "target back after a reset: most": 9,
    }
    assert (lost.median, lost.also["requester died"]) == (None, 1)
    assert (both.series, both.also["cells"]) == (condense.ALL, 3)
    assert lost.origin.date == "2026-12-03"


@pytest.mark.usefixtures("few")
def test_cycles_of_a_split_brain_come_to_their_stages() -> None:
    times = {"killed_s": 9.0, "service_s": 11.0, "booted_s": 17.0, "rejoined_s": 40.0}
    rows = [{"configuration": "appendix B", "guests": guests, **times} for guests in (2, 2, 3)]
    points = [*condense.split_brains(rows)]
    assert [(one.series, one.n) for one in points[::4]] == [
        ("appendix B", 2),
        ("appendix B, 3 guests", 1),
    ]
    assert [one.median for one in points[:4]] == [*times.values()]


# --- where a figure comes from


def test_an_origin_in_words() -> None:
    whole = OURS._replace(commit="c", version="2.0.0", cores=2, memory_gib=24, cpu="A CPU")
    assert whole.sentence() == (
        "2026-12-03, version 2.0.0, commit c, Pacemaker 2.1.5, libvirt 9.0.0, 2 cores, 24 GiB,"
        " A CPU"
    )
    assert origin.of_record({**whole.kept(), "later": "field"}) == whole


def test_this_machine_has_an_origin() -> None:
    found = origin.of_record(origin.here())
    assert found.cores >= 1
    assert found.memory_gib >= 1
    assert found.pacemaker == found.libvirt == ""


def test_a_processor_without_a_name() -> None:
    assert origin.cpu_model("processor\t: 0\nmodel name\t: A CPU\n") == "A CPU"
    assert origin.cpu_model("processor\t: 0\n") == ""
