# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the lines go, against ocf_log of ocf-shellfuncs."""

from __future__ import annotations

import io
import os
import re
import syslog
from typing import TYPE_CHECKING

import pytest

from pmkvm.ocf.log import Log, one_line

if TYPE_CHECKING:
    from pathlib import Path

IDENT = f"VirtualDomain(g1)[{os.getpid()}]"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Syslog:
    """The edge: what reached syslog(3)."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.opened: list[tuple[str, int]] = []
        self.lines: list[tuple[int, str]] = []
        monkeypatch.setattr(
            syslog, "openlog", lambda ident, _option, number: self.opened.append((ident, number))
        )
        monkeypatch.setattr(
            syslog, "syslog", lambda priority, line: self.lines.append((priority, line))
        )


@pytest.fixture
def syslogged(monkeypatch: pytest.MonkeyPatch) -> Syslog:
    return Syslog(monkeypatch)


def said(env: dict[str, str], stderr: io.StringIO | None = None) -> str:
    """What stands on stderr after one line of each kind."""
    stderr = stderr or io.StringIO()
    log = Log("VirtualDomain(g1)", env, stderr)
    log.error("broken")
    log.warning("odd")
    log.info("fine")
    log.debug("detail")
    return stderr.getvalue()


ALL = "ERROR: broken\nWARNING: odd\nINFO: fine\n"


@pytest.mark.parametrize(
    ("env", "facility"),
    [
        ({"HA_LOGFACILITY": "local3"}, syslog.LOG_LOCAL3),
        ({"HA_logfacility": "local3"}, syslog.LOG_LOCAL3),
        # Pacemaker's spelling goes before the old one.
        ({"HA_LOGFACILITY": "local1", "HA_logfacility": "local2"}, syslog.LOG_LOCAL1),
        # One that nobody knows is daemon.
        *(({"HA_LOGFACILITY": odd}, syslog.LOG_DAEMON) for odd in ("unheard-of", "MASK", "upto")),
    ],
)
def test_a_facility_is_named_by_the_environment(
    syslogged: Syslog, env: dict[str, str], facility: int
) -> None:
    assert said(env) == ""
    assert set(syslogged.opened) == {(IDENT, facility)}
    assert syslogged.lines == [
        (syslog.LOG_ERR, "ERROR: broken"),
        (syslog.LOG_WARNING, "WARNING: odd"),
        (syslog.LOG_INFO, "INFO: fine"),
    ]


@pytest.mark.parametrize("env", [{}, *({"HA_LOGFACILITY": x} for x in ("none", "/dev/null"))])
def test_without_a_destination_lines_go_to_stderr(syslogged: Syslog, env: dict[str, str]) -> None:
    assert said(env) == ALL
    assert syslogged.lines == []


def test_a_terminal_gets_everything_and_nobody_else(syslogged: Syslog, tmp_path: Path) -> None:
    env = {"HA_LOGFACILITY": "daemon", "HA_LOGFILE": str(tmp_path / "log")}
    assert said(env, Terminal()) == ALL
    assert syslogged.lines == []
    assert not (tmp_path / "log").exists()


@pytest.mark.parametrize("name", ["HA_LOGFILE", "HA_logfile"])
def test_a_file_gets_lines_as_ocf_log_writes_them(tmp_path: Path, name: str) -> None:
    path = tmp_path / "log"
    path.write_text("before\n")
    assert said({name: str(path)}) == ""
    first, *lines = path.read_text().splitlines()
    assert first == "before"
    stamp = r"[A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d"
    for line, text in zip(lines, ALL.splitlines()):
        assert re.fullmatch(rf"{re.escape(IDENT)}:\t{stamp} {text}", line)
    assert len(lines) == 3


def test_a_file_and_a_facility_get_the_same(syslogged: Syslog, tmp_path: Path) -> None:
    path = tmp_path / "log"
    assert said({"HA_LOGFACILITY": "daemon", "HA_LOGFILE": str(path)}) == ""
    assert len(syslogged.lines) == len(path.read_text().splitlines()) == 3


@pytest.mark.parametrize(("value", "shown"), [("", False), ("0", False), ("1", True), ("2", True)])
def test_debug_only_if_it_is_asked_for(value: str, shown: bool) -> None:
    assert said({"HA_debug": value}) == ALL + ("DEBUG: detail\n" if shown else "")


@pytest.mark.parametrize("name", ["HA_DEBUGLOG", "HA_debugfile"])
def test_a_debug_file_gets_all_lines_while_debugging(tmp_path: Path, name: str) -> None:
    env = {"HA_LOGFILE": str(tmp_path / "log"), name: str(tmp_path / "debug"), "HA_debug": "1"}
    said(env)
    assert len((tmp_path / "debug").read_text().splitlines()) == 4
    assert len((tmp_path / "log").read_text().splitlines()) == 4


def test_a_debug_file_gets_nothing_otherwise(tmp_path: Path) -> None:
    said({"HA_LOGFILE": str(tmp_path / "log"), "HA_DEBUGLOG": str(tmp_path / "debug")})
    assert not (tmp_path / "debug").exists()


def test_one_file_for_both_has_each_line_once(tmp_path: Path) -> None:
    path = str(tmp_path / "log")
    said({"HA_LOGFILE": path, "HA_DEBUGLOG": path, "HA_debug": "1"})
    assert len((tmp_path / "log").read_text().splitlines()) == 4


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("plain", "plain"),
        ("  two\nlines\n", "two lines"),
        ("tab\tand\x07bell\x1b[0m", "tab and bell [0m"),
        ("\u8a08\u7b97\u6a5f", "\u8a08\u7b97\u6a5f"),
        ("sep\u2028arator \udcff", "sep arator  "),
    ],
)
def test_a_text_is_one_line_without_control_characters(text: str, line: str) -> None:
    assert one_line(text) == line


def test_nobody_forges_a_line() -> None:
    stderr = io.StringIO()
    Log("a", {}, stderr).error("x\nERROR: forged")
    assert stderr.getvalue() == "ERROR: x ERROR: forged\n"
