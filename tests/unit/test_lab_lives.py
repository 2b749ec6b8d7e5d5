# SPDX-License-Identifier: GPL-2.0-or-later
"""When a QEMU lived: how far its own process and the looks at it tell."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, cast

from tests.lab.guests import lives
from tests.lab.guests.lives import Life, Lives
from tests.lab.hosts.process import Process, identify

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.lab.guests.guests import Guest, Guests


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
