# SPDX-License-Identifier: GPL-2.0-or-later
"""vm-log's command line, as a person uses it."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from check.vm_log import main as program
from check.vm_log.event import Event, Kind
from tests import tree

DATA = Path(__file__).parent / "data"
LOST = DATA / "2.1.5-lost-dc.log"


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> list[str]:
    assert program.main(list(argv)) == 0
    return capsys.readouterr().out.splitlines()


def test_a_line_has_its_time_its_log_its_id_and_its_sentence(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = run(capsys, str(LOST))
    assert lines[0].endswith("-12-02 08:58:50.978 host1 pacemaker-starts  Pacemaker 2.1.5 starts")
    assert len(lines) == len(LOST.with_suffix(".told").read_text(encoding="utf-8").splitlines())


def test_only_of_a_resource_and_a_host(capsys: pytest.CaptureFixture[str]) -> None:
    of_guest = run(capsys, str(LOST), "--resource", "prmVMCTL_guest2")
    assert of_guest
    assert all("prmVMCTL_guest2" in line for line in of_guest)
    of_host = run(capsys, str(LOST), "--host", "host2")
    assert [line for line in of_host if " host-lost " in line]
    assert all("host2" in line for line in of_host)
    both = run(capsys, str(LOST), "--resource", "prmVMCTL_guest2", "--host", "host2")
    assert both == [line for line in of_guest if line in of_host]


def test_what_came_before_is_known_and_not_told(capsys: pytest.CaptureFixture[str]) -> None:
    year = run(capsys, str(LOST))[0][:4]
    lines = run(capsys, str(LOST), "--since", f"{year}-12-02 08:59:41.700")
    assert "fence-ok" in lines[0]
    # How long it took, though it was asked for earlier.
    assert "0.216 s" in lines[0]
    assert "failover" in lines[1]


def test_objects_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    found = [json.loads(line) for line in run(capsys, str(LOST), "--json")]
    (moved,) = [one for one in found if one["kind"] == "failover"]
    assert (moved["resource"], moved["origin"], moved["host"]) == (
        "prmVMCTL_guest2",
        "host2",
        "host1",
    )
    assert moved["text"].startswith("prmVMCTL_guest2 started on host1, was on host2")
    assert isinstance(moved["at"], float)


@pytest.mark.parametrize(
    ("text", "ago"), [("90s", 90), ("30m", 1800), ("2h", 7200), ("3d", 259200)]
)
def test_since_so_long_ago(text: str, ago: int) -> None:
    assert program._since(text) == pytest.approx(
        (datetime.now() - timedelta(seconds=ago)).timestamp(), abs=60
    )


def test_since_a_day_and_a_time_of_today() -> None:
    assert program._since("2026-12-02") == datetime(2026, 12, 2).timestamp()
    assert program._since("2026-12-02 08:30") == datetime(2026, 12, 2, 8, 30).timestamp()
    today = datetime.now().replace(hour=8, minute=30, second=0, microsecond=0)
    assert abs(program._since("08:30") - today.timestamp()) in (0, 86400)


@pytest.mark.parametrize("text", ["", "yesterday", "25:00", "99999y", "9999999d", "999999d\x1b"])
def test_since_what_is_no_time(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        program.main(["--since", text])
    assert ended.value.code == 2
    assert "\x1b" not in capsys.readouterr().err


def test_one_log_at_a_time(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        program.main(["--journal", str(LOST)])
    assert ended.value.code == 2
    assert "--journal takes no file" in capsys.readouterr().err


def test_a_log_that_is_not_there(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert program.main([str(tmp_path / "no\x1blog")]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == f"vm-log: {tmp_path}/no\\x1blog: No such file or directory\n"


def test_what_comes_by_stdin_and_a_reader_who_has_had_enough() -> None:
    argv = [sys.executable, "-B", "-m", "check.vm_log.main", "-"]
    with LOST.open("rb") as log:
        done = subprocess.run(
            argv, stdin=log, capture_output=True, cwd=tree.ROOT, timeout=60, check=False
        )
    assert done.returncode == 0, done.stderr
    assert b"failover" in done.stdout
    with (
        LOST.open("rb") as log,
        subprocess.Popen(
            argv, stdin=log, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tree.ROOT
        ) as child,
    ):
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.close()
        assert child.wait(60) == 1
        assert child.stderr.read() == b""


def test_a_guest_s_fence_is_of_both_guests() -> None:
    event = Event(Kind.GUEST_FENCE_OK, 1.0, "", resource="prmB", host="host1, host2", by="prmA")
    assert program.is_wanted(event, ["prmA"], ["host2"], None)
    assert program.is_wanted(event, ["prmB"], None, 1.0)
    assert not program.is_wanted(event, ["prmC"], None, None)
    assert not program.is_wanted(event, None, ["host3"], None)
    assert not program.is_wanted(event, None, None, 2.0)
