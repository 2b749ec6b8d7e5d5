# SPDX-License-Identifier: GPL-2.0-or-later
"""When a line was written, by whom; and what is nobody's line."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from check.vm_log import lines
from check.vm_log.event import Line

NOW = datetime(2026, 12, 2, 12, 0, 0)
LOCAL = datetime(2026, 12, 2, 8, 42, 33).timestamp()
TEXT = "Quorum acquired"


@pytest.mark.parametrize(
    ("text", "host", "program", "at"),
    [
        (
            f"Dec 02 08:42:33.790 host1 pacemaker-controld  [143] (f) \tnotice: {TEXT}",
            "host1",
            "pacemaker-controld",
            LOCAL + 0.79,
        ),
        (
            f"Dec  2 08:42:33 host1 pacemaker-controld[143]:  notice: {TEXT}",
            "host1",
            "pacemaker-controld",
            LOCAL,
        ),
        (
            f"2026-12-02T08:42:33.5+02:00 host1 pacemakerd[143]:  notice: {TEXT}",
            "host1",
            "pacemakerd",
            datetime(2026, 12, 2, 6, 42, 33, tzinfo=timezone.utc).timestamp() + 0.5,
        ),
        (f"2026-12-02 08:42:33.790 vm-stonithd[361] info: {TEXT}", "", "vm-stonithd", LOCAL + 0.79),
    ],
)
def test_each_form_is_read(text: str, host: str, program: str, at: float) -> None:
    found = lines.of_log(text, NOW)
    assert found == Line(pytest.approx(at), host, program, TEXT)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("day", "year"),
    [("Dec 02", 2026), ("Dec 03", 2026), ("Dec 04", 2025), ("Jan 31", 2026), ("Feb 29", 2024)],
)
def test_a_line_without_a_year_is_of_the_last_that_fits(day: str, year: int) -> None:
    found = lines.of_log(f"{day} 08:00:00.000 host1 pacemakerd  [1] (main) \tnotice: x", NOW)
    assert found is not None
    assert datetime.fromtimestamp(found.at).year == year


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Feb 30 08:00:00.000 host1 pacemakerd  [1] (main) \tnotice: x",
        "Foo 02 08:00:00.000 host1 pacemakerd  [1] (main) \tnotice: x",
        "Dec 02 28:00:00.000 host1 pacemakerd  [1] (main) \tnotice: x",
        "0001-01-01T00:00:00Z host1 pacemakerd[1]:  notice: x",
        "9999-12-31T00:00:00Z host1 pacemakerd[1]:  notice: x",
        "Dec 02 08:00:00.000 host1 VirtualDomain(x)[1]: x",
        "Dec 02 08:00:00.000 host1 pacemaker-based  [1] (main) \tnotice: x",
        "x Dec 02 08:00:00.000 host1 pacemakerd  [1] (main) \tnotice: x",
    ],
)
def test_what_is_no_line_of_theirs_is_passed_over(text: str) -> None:
    assert lines.of_log(text, NOW) is None


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "{}",
        "[1]",
        '{"__REALTIME_TIMESTAMP":"x","MESSAGE":"x","SYSLOG_IDENTIFIER":"pacemakerd"}',
        '{"__REALTIME_TIMESTAMP":"1","MESSAGE":null,"SYSLOG_IDENTIFIER":"pacemakerd"}',
        '{"__REALTIME_TIMESTAMP":"1","MESSAGE":[999],"SYSLOG_IDENTIFIER":"pacemakerd"}',
        '{"__REALTIME_TIMESTAMP":"1","MESSAGE":"x","SYSLOG_IDENTIFIER":["pacemakerd"]}',
        f'{{"__REALTIME_TIMESTAMP":"{"9" * 400}","MESSAGE":"x","SYSLOG_IDENTIFIER":"pacemakerd"}}',
        "[" * 100_000,
    ],
)
def test_a_journal_that_is_none_is_passed_over(text: str) -> None:
    assert lines.of_journal(text) is None
