# SPDX-License-Identifier: GPL-2.0-or-later
"""The rows of the table of truth."""

from __future__ import annotations

from tests.lab.hosts import hypervisor
from tests.lab.truth.truth import End, Row, Scene
from tests.lab.truth.truth_situations import (
    COPIED,
    DOTTED,
    DUMPED,
    DUMPED_AND_RESTARTED,
    PANICS,
    PEER,
    POLITE,
    REBOOTS,
    SLEEPS,
    WRITES,
    act,
    another_like_it,
    another_uuid,
    both,
    by_kvm,
    copy_disk,
    crash,
    definition_hangs,
    dies_on_its_way,
    dump,
    empty_definition,
    emulator,
    enlarged,
    fill,
    frozen,
    has_whole_dump,
    killed,
    managed_save,
    nothing,
    one_line,
    outage,
    pause,
    reboots,
    remove_definition,
    roomy_storage,
    sleep,
    source_breaks,
    source_dies_at_its_end,
    stuck,
    target_without_libvirtd,
    thin_storage,
    with_other_names,
    without_clients,
)
from tests.lab.truth.truth_storage import (
    SNAPPED,
    WITH_TPM,
    shared_disk,
    snapshot_elsewhere,
    snapshot_here,
    with_variables,
)

HERE, DEAD, THERE = End.HERE, End.DEAD, End.THERE

_FULL = Row("full disk", "monitor", (190,), HERE, act(fill), guest=WRITES, first=thin_storage)
_LARGER = _FULL._replace(enter=act(enlarged), is_long=True)
_CRASHED = Row("crashed, and kept", "monitor", (1,), HERE, act(crash), guest=PANICS)
_DUMPED = Row("crashed, being dumped", "monitor", (190,), HERE, dump, guest=DUMPED_AND_RESTARTED)
_SAVED = Row("managed save of an earlier run", "start", (5,), DEAD, managed_save, is_started=False)
_ASLEEP = Row("asleep (S3)", "monitor", (190,), HERE, act(sleep), guest=SLEEPS)
_NEVER = Row("never started", "probe", (7,), DEAD, nothing, is_started=False)
_GONE = Row(
    "definition gone",
    "monitor",
    (0,),
    HERE,
    act(remove_definition),
    # It would only wait for a deaf guest.
    parameters={"force_stop": "yes"},
)
_UNREAD = _NEVER._replace(situation="definition hangs, never started", enter=definition_hangs)
_HANGS = _GONE._replace(situation="definition hangs", enter=definition_hangs)
_KILLED = Row("libvirtd dead", "monitor", (0,), HERE, killed)
_FROZEN = Row("libvirtd stopped (SIGSTOP)", "monitor", (0,), HERE, frozen, is_long=True)
_BACK = outage(hypervisor.kill, lasts_s=3)
_AWAY = outage(hypervisor.kill, after_s=0.5, lasts_s=3)
_MOVE = Row("runs", "migrate_to", (0,), THERE, nothing, timeout_s=30)
_LEFT = _MOVE._replace(
    situation="libvirtd died before QEMU ended",
    parameters={"migration_speed": "20"},
    counts=True,
    is_long=True,
)

ROWS = (
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
    # Without libvirt.
    _KILLED,
    _KILLED._replace(action="probe"),
    _KILLED._replace(action="stop", codes=(0,), end=DEAD, timeout_s=30, is_long=True),
    _KILLED._replace(
        action="start", codes=(1,), end=DEAD, is_started=False, timeout_s=12, is_long=True
    ),
    _KILLED._replace(
        situation="libvirtd dead, never started",
        action="probe",
        codes=(7,),
        end=DEAD,
        is_started=False,
    ),
    _KILLED._replace(situation="libvirtd dead, emulator named kvm", edit=by_kvm, first=emulator),
    _KILLED._replace(
        situation="libvirtd, QEMU dead, beside guest-1",
        codes=(7,),
        end=DEAD,
        enter=both(act(another_like_it), killed),
        guest=DOTTED,
    ),
    _FROZEN,
    _FROZEN._replace(action="stop", codes=(0,), end=DEAD, timeout_s=30),
    _FROZEN._replace(action="start", codes=(1,), end=DEAD, is_started=False, timeout_s=12),
    _FROZEN._replace(
        situation="libvirtd stopped, QEMU killed",
        codes=(7,),
        end=DEAD,
        enter=both(act(Scene.kill_guest), frozen),
    ),
    _FROZEN._replace(action="migrate_to", codes=(1,), timeout_s=15),
    Row("libvirtd back in 3 s", "start", (0,), HERE, _BACK, is_started=False, is_long=True),
    Row(
        "libvirtd back in 3 s",
        "stop",
        (0,),
        DEAD,
        both(act(Scene.wait_for_boot), _BACK),
        guest=POLITE,
        timeout_s=30,
        by_itself=True,
        is_long=True,
    ),
    Row("libvirtd restarts meanwhile", "stop", (0,), DEAD, _AWAY, timeout_s=30, is_long=True),
    Row("libvirtd restarts meanwhile", "start", (0,), HERE, _AWAY, is_started=False, is_long=True),
    Row("virsh and binding gone", "monitor", (0,), HERE, without_clients),
    Row("virsh and binding gone", "stop", (0,), DEAD, without_clients, timeout_s=30, is_long=True),
    # Stop.
    Row("deaf to the power button", "stop", (0,), DEAD, nothing, timeout_s=30, is_long=True),
    Row(
        "still boots",
        "stop",
        (0,),
        DEAD,
        nothing,
        guest=POLITE,
        timeout_s=45,
        by_itself=True,
        is_long=True,
    ),
    Row("QEMU stopped (SIGSTOP)", "stop", (0,), DEAD, stuck, timeout_s=30, is_long=True),
    Row("QEMU stopped (SIGSTOP)", "monitor", (0,), HERE, stuck, is_long=True),
    # Migration.
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
    situation="no libvirtd on the other host, on-fail=fence",
    codes=(0,),
    end=DEAD,
    enter=both(act(Scene.wait_for_boot), target_without_libvirtd),
    guest=POLITE,
    parameters=_FENCED,
    timeout_s=60,
    is_long=True,
)
_KILLED_ON_ITS_WAY = _MOVE._replace(
    situation="QEMU killed in mid-migration",
    codes=(1,),
    end=DEAD,
    enter=dies_on_its_way,
    parameters={"migration_speed": "1"},
    is_long=True,
)
_COPIED = _MOVE._replace(
    situation="a block copy that does not end",
    codes=(1,),
    end=HERE,
    enter=both(act(Scene.wait_for_boot), act(copy_disk)),
    first=roomy_storage,
    guest=COPIED,
    timeout_s=30,
    is_long=True,
)

_SNAPPED = Row(
    "a snapshot of its disks",
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
    situation="a snapshot of its disks on the other host, which died",
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

# Not on the page yet: its figures are those of a run.
UNMEASURED = (
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
        situation="QEMU killed in mid-migration, on-fail=fence",
        codes=(0,),
        parameters={**_KILLED_ON_ITS_WAY.parameters, **_FENCED},
    ),
    _COPIED,
    _COPIED._replace(
        situation="a block copy that does not end, on-fail=fence",
        codes=(0,),
        end=DEAD,
        parameters=_FENCED,
        timeout_s=60,
    ),
    _SNAPPED,
    _SNAPPED_THERE,
    _SNAPPED_THERE._replace(action="validate-all", level=10, is_long=True),
    _KEEPS,
)
