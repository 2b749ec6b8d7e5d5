# SPDX-License-Identifier: GPL-2.0-or-later
"""The rows of the table of truth; here those about a guest's own states."""

from __future__ import annotations

from tests.lab.truth import truth_rows_definition, truth_rows_migration, truth_rows_silent
from tests.lab.truth.truth import End, Row, Scene
from tests.lab.truth.truth_situations import (
    DUMPED,
    DUMPED_AND_RESTARTED,
    PANICS,
    POLITE,
    REBOOTS,
    SLEEPS,
    WRITES,
    act,
    crash,
    dump,
    enlarged,
    fill,
    has_whole_dump,
    nothing,
    pause,
    reboots,
    sleep,
    thin_storage,
)

HERE, DEAD = End.HERE, End.DEAD

_FULL = Row("full disk", "monitor", (190,), HERE, act(fill), guest=WRITES, first=thin_storage)
_LARGER = _FULL._replace(enter=act(enlarged), is_long=True)
_CRASHED = Row("crashed, and kept", "monitor", (1,), HERE, act(crash), guest=PANICS)
_DUMPED = Row("crashed, being dumped", "monitor", (190,), HERE, dump, guest=DUMPED_AND_RESTARTED)
_ASLEEP = Row("asleep (S3)", "monitor", (190,), HERE, act(sleep), guest=SLEEPS)
_NEVER = Row("never started", "probe", (7,), DEAD, nothing, is_started=False)

_OF_THE_GUEST = (
    # Plain life.
    Row("runs", "monitor", (0,), HERE, nothing),
    Row("runs", "stop", (0,), DEAD, act(Scene.wait_for_boot), guest=POLITE, by_itself=True),
    _NEVER,
    _NEVER._replace(action="stop", codes=(0,)),
    Row("QEMU killed", "monitor", (7,), DEAD, act(Scene.kill_guest)),
    Row("QEMU killed", "stop", (0,), DEAD, act(Scene.kill_guest)),
    Row("paused by a person", "monitor", (0,), HERE, act(pause)),
    Row("reboots again and again", "monitor", (0,), HERE, act(reboots), guest=REBOOTS),
    # Not well.
    _FULL,
    _FULL._replace(
        situation="full disk, on_io_error=failed",
        codes=(1,),
        parameters={"on_io_error": "failed"},
        is_long=True,
    ),
    _LARGER._replace(
        situation="full disk, grown, on_io_error=resume",
        parameters={"on_io_error": "resume"},
        counts=True,
    ),
    _LARGER._replace(
        situation="full disk, grown",
        action="stop",
        codes=(0,),
        end=DEAD,
        timeout_s=30,
        by_itself=True,
    ),
    _CRASHED,
    _CRASHED._replace(action="stop", codes=(0,), end=DEAD, is_long=True),
    _DUMPED._replace(is_long=True),
    _DUMPED._replace(
        action="stop",
        codes=(0,),
        end=DEAD,
        guest=DUMPED,
        timeout_s=90,
        unharmed=has_whole_dump,
        is_long=True,
    ),
    _ASLEEP._replace(is_long=True),
    _ASLEEP._replace(
        action="stop", codes=(0,), end=DEAD, timeout_s=30, by_itself=True, is_long=True
    ),
)

# In the order of the page.
ROWS = (
    *_OF_THE_GUEST,
    *truth_rows_definition.ROWS,
    *truth_rows_silent.ROWS,
    *truth_rows_migration.ROWS,
)
