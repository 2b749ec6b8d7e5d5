# SPDX-License-Identifier: GPL-2.0-or-later
"""--status of a running daemon: always an answer, at the worst one line that says why not."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from functools import partial
from typing import TYPE_CHECKING

import pytest

from daemons.vm_stonithd import main
from daemons.vm_stonithd.cluster import cib_parser
from daemons.vm_stonithd.daemon import AT_A_TIME, Daemon
from daemons.vm_stonithd.intake.key_file import Keys
from daemons.vm_stonithd.intake.token_readers import Readers
from pmkvm.deadline import Deadline
from pmkvm.fencing import ban as bans
from pmkvm.fencing.ban import Ban
from pmkvm.service import status_socket
from pmkvm.service.teller import Teller

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ANSWER_S = 5.0
BAN = Ban("prmVMCTL_guest2", "reset", "9c41", "prmVMCTL_guest1", "5be0", "host1", "u", 1795370064)
CIB = (
    '<cib have-quorum="1"><configuration><nodes/><constraints>{ban}</constraints></configuration>'
    "<status/></cib>"
)


async def asked(path: str, report: Callable[[], str]) -> str:
    """What a client gets of a daemon that reports so. Raises HaError."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.setblocking(False)
        listening.bind(path)
        listening.listen(1)
        await loop.create_unix_server(lambda: Teller(report), sock=listening)
        ask = partial(status_socket.ask, "vm-stonithd", path, Deadline(ANSWER_S))
        return await loop.run_in_executor(None, ask)


def daemon() -> Daemon:
    return Daemon(Readers(Keys("/nowhere")), "/nowhere/vm-connectd.sock")


async def test_a_ban_that_is_known_is_told(tmp_path: Path) -> None:
    made = daemon()
    made._watch.seen = cib_parser.read(CIB.format(ban=bans.to_xml(BAN)), ("host1",), ())
    assert json.loads(await asked(str(tmp_path / "s"), made._report))["bans"] == [
        {
            "resource": "prmVMCTL_guest2",
            "operation": "reset",
            "id": "9c41",
            "requester": "prmVMCTL_guest1",
            "request": "5be0",
            "coordinator": "host1",
            "uuid": "u",
            "end": 1795370064,
        }
    ]


async def test_a_report_that_fails_is_one_line_and_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def report() -> str:
        raise AttributeError("a NamedTuple without _asdict")

    with pytest.raises(status_socket.StatusError) as caught:
        await asked(str(tmp_path / "s"), report)
    said = "vm-stonithd can't tell: error: AttributeError('a NamedTuple without _asdict')"
    assert str(caught.value) == said
    assert "the report fails" in caplog.text


def test_a_daemon_that_hangs_up_has_said_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen(1)

        def hang_up() -> None:
            listening.accept()[0].close()

        threading.Thread(target=hang_up, daemon=True).start()
        assert main.main(["--status", "--socket", path]) == 1
    assert capsys.readouterr().err == "vm-stonithd: vm-stonithd can't tell: it hung up\n"


@pytest.mark.parametrize("number", range(7))
async def test_calls_that_hang_are_a_problem_whatever_they_are_about(number: int) -> None:
    """Until they end, what they are about is deaf."""
    release = threading.Event()
    made = daemon()
    assert len(made._every) == 7
    calls = made._every[number]
    waiting = [
        asyncio.ensure_future(calls.call("hanging", release.wait, ANSWER_S))
        for _ in range(4 * AT_A_TIME)
    ]
    await asyncio.sleep(0)
    report = json.loads(made._report())
    release.set()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert set(report["hanging_calls"]) == {"hanging"}
    assert any("calls hang already" in each for each in report["problems"])
