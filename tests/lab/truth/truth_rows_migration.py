# SPDX-License-Identifier: GPL-2.0-or-later
"""Rows of the table of truth about migrations."""

from __future__ import annotations

from tests.lab.hosts import hypervisor
from tests.lab.truth.truth import End, Row, Scene
from tests.lab.truth.truth_situations import (
    COPIED,
    PEER,
    POLITE,
    act,
    another_uuid,
    both,
    copy_disk,
    dies_on_its_way,
    migrate_by_hand,
    nothing,
    outage,
    roomy_storage,
    source_breaks,
    source_dies_at_its_end,
    target_without_libvirtd,
)

HERE, DEAD, THERE = End.HERE, End.DEAD, End.THERE

_MOVE = Row("runs", "migrate_to", (0,), THERE, nothing, timeout_s=30)
_LEFT = _MOVE._replace(
    situation="libvirtd died before QEMU ended",
    parameters={"migration_speed": "20"},
    counts=True,
    is_long=True,
)

_FENCED = {"CRM_meta_on_fail": "fence"}
_REFUSED = _MOVE._replace(
    situation="can't migrate (shared memory)",
    codes=(1,),
    end=HERE,
    enter=act(Scene.wait_for_boot),
    guest=PEER,
    timeout_s=60,
)
_NO_KEY = _MOVE._replace(
    situation="no libvirtd there, on-fail=fence",
    codes=(0,),
    end=DEAD,
    enter=both(act(Scene.wait_for_boot), target_without_libvirtd),
    guest=POLITE,
    parameters=_FENCED,
    timeout_s=60,
    is_long=True,
)
_KILLED_ON_ITS_WAY = _MOVE._replace(
    situation="QEMU killed midway",
    codes=(1,),
    end=DEAD,
    enter=dies_on_its_way,
    parameters={"migration_speed": "1"},
    is_long=True,
)
_COPIED = _MOVE._replace(
    situation="endless block copy",
    codes=(1,),
    end=HERE,
    enter=both(act(Scene.wait_for_boot), act(copy_disk)),
    first=roomy_storage,
    guest=COPIED,
    timeout_s=30,
    is_long=True,
)
_BY_HAND = Row(
    "migrated away by hand",
    "start",
    (1,),
    THERE,
    act(Scene.wait_for_boot, migrate_by_hand),
    # It waits for the guest's end there.
    timeout_s=30,
    counts=True,
)

ROWS = (
    _MOVE._replace(counts=True, is_long=True),
    _MOVE._replace(
        situation="migration slower than its timeout",
        codes=(1,),
        end=HERE,
        timeout_s=15,
        parameters={"migration_speed": "1"},
        counts=True,
        is_long=True,
    ),
    _MOVE._replace(
        situation="libvirtd restarts meanwhile",
        codes=(1,),
        end=HERE,
        enter=outage(hypervisor.kill, after_s=2, lasts_s=2),
        parameters={"migration_speed": "5"},
        counts=True,
        is_long=True,
    ),
    _MOVE._replace(
        situation="other uuid on the other host", codes=(1,), end=HERE, enter=act(another_uuid)
    ),
    _MOVE._replace(
        situation="other uuid on the other host",
        action="validate-all",
        codes=(6,),
        end=DEAD,
        enter=act(another_uuid),
        is_started=False,
        level=10,
    ),
    _MOVE._replace(
        situation="no libvirtd on the other host",
        codes=(1,),
        end=HERE,
        enter=target_without_libvirtd,
        is_long=True,
    ),
    _MOVE._replace(
        situation="libvirtd died before it said so",
        enter=source_dies_at_its_end,
        counts=True,
        is_long=True,
    ),
    _LEFT._replace(enter=source_breaks(hypervisor.kill)),
    _LEFT._replace(
        situation="libvirtd stopped before QEMU ended",
        enter=source_breaks(hypervisor.freeze),
    ),
    # By hand; what can't migrate, and what ends on its way.
    _BY_HAND,
    _REFUSED,
    _REFUSED._replace(
        situation="can't migrate, on-fail=fence",
        codes=(0,),
        end=DEAD,
        parameters=_FENCED,
        by_itself=True,
    ),
    _NO_KEY,
    _KILLED_ON_ITS_WAY,
    _KILLED_ON_ITS_WAY._replace(
        situation="QEMU killed midway, on-fail=fence",
        codes=(0,),
        parameters={**_KILLED_ON_ITS_WAY.parameters, **_FENCED},
    ),
    _COPIED,
    _COPIED._replace(
        situation="endless block copy, on-fail=fence",
        codes=(0,),
        end=DEAD,
        parameters=_FENCED,
        timeout_s=60,
    ),
)
