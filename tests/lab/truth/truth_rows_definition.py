# SPDX-License-Identifier: GPL-2.0-or-later
"""Rows of the table of truth about definitions: a host's file, libvirt's own, the cluster's uuid,
and what a start would find of disks, memory and firmware.
"""

from __future__ import annotations

from tests.lab.truth.truth import End, Row
from tests.lab.truth.truth_situations import (
    act,
    definition_hangs,
    empty_definition,
    managed_save,
    nothing,
    one_line,
    remove_definition,
    with_other_names,
)
from tests.lab.truth.truth_storage import (
    SNAPPED,
    WITH_TPM,
    shared_disk,
    snapshot_elsewhere,
    snapshot_here,
    with_variables,
)
from tests.lab.truth.truth_strangers import as_stranger, has_stranger, stranger

HERE, DEAD = End.HERE, End.DEAD

_GONE = Row(
    "definition gone",
    "monitor",
    (0,),
    HERE,
    act(remove_definition),
    # It would only wait for a deaf guest.
    parameters={"force_stop": "yes"},
)
_UNREAD = Row(
    "definition hangs, never started", "probe", (7,), DEAD, definition_hangs, is_started=False
)
_HANGS = _GONE._replace(situation="definition hangs", enter=definition_hangs)
_SAVED = Row("managed save of an earlier run", "start", (5,), DEAD, managed_save, is_started=False)

_STRANGER = Row(
    "a copy with another uuid runs",
    "probe",
    (7,),
    DEAD,
    stranger,
    is_started=False,
    unharmed=has_stranger,
)
_STRANGER_OF_ITS_OWN = _STRANGER._replace(
    situation="a copy with another uuid, defined there",
    edit=as_stranger,
)
_SNAPPED = Row(
    "snapshot of its disks",
    "monitor",
    (190,),
    HERE,
    act(snapshot_here),
    first=shared_disk,
    guest=SNAPPED,
    timeout_s=30,
    level=10,
)
_SNAPPED_THERE = _SNAPPED._replace(
    situation="snapshot on the host that died",
    action="start",
    codes=(5,),
    end=DEAD,
    enter=snapshot_elsewhere,
    is_started=False,
    level=0,
)
_KEEPS = Row(
    "TPM and UEFI variables on this host's disk",
    "validate-all",
    (0,),
    DEAD,
    nothing,
    is_started=False,
    guest=WITH_TPM,
    edit=with_variables,
    timeout_s=30,
    level=10,
    is_long=True,
)

ROWS = (
    # The definition.
    _GONE,
    _GONE._replace(action="probe"),
    _GONE._replace(action="stop", codes=(0,), end=DEAD),
    _GONE._replace(
        situation="definition empty",
        action="stop",
        codes=(0,),
        end=DEAD,
        enter=act(empty_definition),
        is_long=True,
    ),
    _UNREAD,
    _UNREAD._replace(action="monitor", is_long=True),
    _UNREAD._replace(action="stop", codes=(0,)),
    _UNREAD._replace(action="start", codes=(5,), is_long=True),
    _HANGS,
    _HANGS._replace(action="stop", codes=(0,), end=DEAD),
    _HANGS._replace(
        situation="definition hangs, to be saved",
        action="stop",
        codes=(0,),
        end=DEAD,
        timeout_s=30,
        parameters={"save_config_on_stop": "yes"},
        is_long=True,
    ),
    Row("definition on one line", "start", (0,), HERE, nothing, is_started=False, edit=one_line),
    Row(
        "other <name>s in comment and CDATA",
        "start",
        (0,),
        HERE,
        nothing,
        is_started=False,
        edit=with_other_names,
    ),
    # What libvirt keeps of a run before.
    _SAVED,
    _SAVED._replace(action="probe", codes=(7,)),
    _SAVED._replace(action="validate-all", codes=(0,), level=10, is_long=True),
    # A copy of the guest; its disks, and what else lies on one host's.
    _STRANGER,
    _STRANGER._replace(action="stop", codes=(0,)),
    _STRANGER_OF_ITS_OWN,
    _STRANGER_OF_ITS_OWN._replace(action="stop", codes=(0,)),
    _STRANGER_OF_ITS_OWN._replace(action="start", codes=(5,)),
    _SNAPPED,
    _SNAPPED_THERE,
    _SNAPPED_THERE._replace(action="validate-all", level=10, is_long=True),
    _KEEPS,
)
