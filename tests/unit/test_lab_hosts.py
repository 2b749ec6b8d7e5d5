# SPDX-License-Identifier: GPL-2.0-or-later
"""What the lab's guests boot from, when a QEMU of theirs lived, how long a host takes until all is
well again, and whether its sshd takes connections.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, cast

import pytest

from tests.lab.errors import LabError
from tests.lab.faults.scarcity_recovery import Recovery
from tests.lab.guests import full_image, lives
from tests.lab.guests.full_image import OwnFile
from tests.lab.guests.lives import Life, Lives
from tests.lab.hosts import ssh
from tests.lab.hosts.process import Process, identify

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.lab.guests.guests import Guest, Guests


# --- an image is replaced as a whole, and nothing is left beside it


def test_a_file_that_is_linked_once_more_leaves_nothing_behind(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_text("root")
    for _ in range(2):
        # The second time both names are of one file, and a rename of one to the other does nothing.
        full_image._link(str(source), str(target))
        assert sorted(os.listdir(tmp_path)) == ["source", "target"]
        assert target.samefile(source)


def test_a_link_takes_the_place_of_another_file(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_text("new")
    target.write_text("old")
    (tmp_path / "target.new").write_text("of a run that was killed")
    full_image._link(str(source), str(target))
    assert target.read_text() == "new"
    assert sorted(os.listdir(tmp_path)) == ["source", "target"]


def test_what_can_not_be_finished_is_removed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("old")
    with pytest.raises(FileNotFoundError):
        full_image._link(str(tmp_path / "none"), str(target))
    with pytest.raises(TypeError):
        full_image.place_own(str(tmp_path), "guest", {"a": OwnFile("text", mode="644")})  # type: ignore[arg-type]
    assert os.listdir(tmp_path) == ["target"]
    assert target.read_text() == "old"


def test_a_guests_own_files_are_replaced(tmp_path: Path) -> None:
    for text in ("one", "two"):
        full_image.place_own(str(tmp_path), "guest", {"/etc/name": OwnFile(text)})
        assert os.listdir(tmp_path) == ["own-guest.tar"]


# --- how far a QEMU's own process and the looks at it tell when it lived


class ProcessTable:
    """Stands in for Guests: what each look finds."""

    def __init__(self, process: Process, *looks: bool) -> None:
        self._process, self._looks = process, list(looks)

    def processes(
        self, _guest: Guest | None = None, _among: Iterable[int] | None = None
    ) -> list[tuple[str, Process]]:
        return [("host1", self._process)] if self._looks.pop(0) else []


def looked(*looks: bool) -> Life:
    """What is known of this test's own process after looks that find it or not."""
    mine = identify(os.getpid())
    assert mine is not None
    watch = Lives(cast("Guests", ProcessTable(mine, *looks)), None)
    for _ in looks:
        watch.look()
    (life,) = watch.all()
    return life


def test_a_life_begins_with_its_process_however_late_it_is_seen() -> None:
    now = 1000.0
    ticks = int(2.5 * lives.TICKS_PER_S)
    assert lives.begin_of(Process(77, ticks), now, uptime_s=10.0) == 992.5
    # Ticks are coarse: it did not begin after it was seen.
    assert lives.begin_of(Process(77, 2 * ticks), now, uptime_s=4.0) == now
    life = looked(False, True)
    assert life.began_s is not None
    assert life.began_s < life.first_s


def test_a_life_is_over_when_it_is_missed() -> None:
    assert looked(True, True).gone_s is None
    over = looked(True, False, False)
    assert over.gone_s is not None
    assert over.last_s <= over.gone_s
    # It was there all the time if it is found again.
    assert looked(True, False, True).gone_s is None


def test_what_is_not_known_is_no_proof_against_a_life() -> None:
    seen = Life("host1", 10.0, 20.0)
    assert seen.may_have_lived(5.0, 6.0)
    assert seen.may_have_lived(25.0, 26.0)
    known = seen._replace(began_s=9.0, gone_s=21.0)
    assert known.may_have_lived(8.0, 9.5)
    assert known.may_have_lived(20.5, 26.0)
    assert not known.may_have_lived(5.0, 8.9)
    assert not known.may_have_lived(21.1, 26.0)


# --- the time until all is well again


PATIENCE_S = 10.0


def test_who_does_not_answer_keeps_nobody_from_being_asked() -> None:
    is_asked = threading.Event()

    def second() -> bool:
        is_asked.set()
        return True

    wanted = {"first": lambda: is_asked.wait(PATIENCE_S), "second": second}
    recovery = Recovery(wanted, lambda: False)
    recovery.look()
    # Neither waited for the other one's answer.
    assert all(took is not None and took < PATIENCE_S / 2 for took in recovery.took.values())


def test_who_is_not_well_has_no_time_until_he_is() -> None:
    answers = iter([False, True])

    def deaf() -> bool:
        raise LabError("no answer")

    recovery = Recovery({"late": lambda: next(answers), "deaf": deaf}, lambda: False)
    recovery.look()
    assert recovery.took == {"late": None, "deaf": None}
    recovery.look()
    assert recovery.took["late"] is not None
    assert recovery.took["deaf"] is None


# --- whether sshd takes connections, by the kernel's table of sockets


HEAD = (
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout\n"
)
LISTENING = (
    "   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0\n"
)
CONNECTED = (
    "   1: 0100007F:0016 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0\n"
)
ANOTHER = (
    "   2: 00000000:4035 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0\n"
)


@pytest.mark.parametrize(
    ("rows", "is_so"),
    [("", False), (CONNECTED + ANOTHER, False), (ANOTHER + LISTENING, True)],
)
def test_only_a_socket_of_its_port_that_listens_is_one(rows: str, is_so: bool) -> None:
    assert ssh.listens(HEAD + rows) is is_so
