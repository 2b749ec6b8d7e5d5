# SPDX-License-Identifier: GPL-2.0-or-later
"""What was changed in a running guest finds its way back into its file, or stays out of the way."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from tests.unit.virtual_domain.fake_libvirtmod import OPERATION_FAILED, Trouble
from tests.unit.virtual_domain.world import OTHER_UUID, UUID, World

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.virtual_domain.programs import Programs

NEW = f"<domain type='kvm'><name>g1</name><uuid>{UUID}</uuid><vcpu>4</vcpu></domain>"
SAVE = {"save_config_on_stop": "yes"}
SYNC = {"sync_config_on_stop": "yes"}


def changed_guest(world: World) -> None:
    world.guest().xml = NEW


def test_a_stop_saves_what_was_changed(world: World) -> None:
    changed_guest(world)
    assert world.act("stop", SAVE).rc == 0
    assert world.config.read_text() == NEW
    # With secrets, and as it will be at the next start.
    assert world.here.called("virDomainGetXMLDesc")[0].arguments == (3,)


def test_a_stop_leaves_the_file_alone_unless_told(world: World) -> None:
    before = world.config.read_text()
    changed_guest(world)
    assert world.act("stop").rc == 0
    assert world.config.read_text() == before


def test_rights_and_links_stay(world: World, tmp_path: Path) -> None:
    changed_guest(world)
    real = tmp_path / "shared.xml"
    world.config.rename(real)
    real.chmod(0o640)
    world.config.symlink_to(real)
    assert world.act("stop", SAVE).rc == 0
    assert world.config.is_symlink()
    assert real.read_text() == NEW
    assert stat.S_IMODE(os.stat(real).st_mode) == 0o640


def test_a_file_that_was_lost_is_written_for_root_only(world: World) -> None:
    changed_guest(world)
    world.act("monitor")
    world.config.unlink()
    assert world.act("stop", SAVE).rc == 0
    assert world.config.read_text() == NEW
    assert stat.S_IMODE(os.stat(world.config).st_mode) == 0o600


def test_what_is_equal_is_not_written(world: World) -> None:
    world.config.write_text(NEW)
    changed_guest(world)
    before = os.stat(world.config)
    assert world.act("stop", SAVE).rc == 0
    after = os.stat(world.config)
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


@pytest.mark.parametrize(
    "path",
    [
        "/var/lib/libvirt/qemu/channel/target/domain-7-g1/vmconnectd",
        "/run/libvirt/qemu/channel/7-g1/vmconnectd",
    ],
)
def test_the_path_that_libvirt_gives_a_channel_of_one_life_is_not_written(
    world: World, path: str
) -> None:
    """libvirt makes another one at the next start, and each stop would find a change."""
    source = f"\n      <source mode='bind' path='{path}'/>"
    own = "\n      <source mode='bind' path='/srv/channels/g1'/>"
    devices = "<devices><channel type='unix'>{}{}</channel></devices></domain>"
    world.guest().xml = NEW.replace("</domain>", devices.format(source, own))
    assert world.act("stop", SAVE).rc == 0
    assert world.config.read_text() == NEW.replace("</domain>", devices.format("", own))


@pytest.mark.parametrize("said", ["<domain", f"<domain><name>g2</name><uuid>{OTHER_UUID}</uuid>"])
def test_what_libvirt_should_not_say_is_not_written(world: World, said: str) -> None:
    before = world.config.read_text()
    world.guest().xml = said
    assert world.act("stop", SAVE).says(0, f"{world.config} not saved")
    assert world.config.read_text() == before


def test_a_definition_that_cannot_be_had_does_not_keep_a_guest_alive(world: World) -> None:
    changed_guest(world)
    world.here.script("virDomainGetXMLDesc", Trouble(OPERATION_FAILED, "no"))
    assert world.act("stop", SAVE).says(0, "not saved: no")
    assert world.table.living() == []


def test_csync2_gets_what_was_changed_when_the_guest_is_gone(
    world: World, programs: Programs
) -> None:
    programs.play("csync2", f"exec kill -0 {os.getpid()}")
    changed_guest(world)
    assert world.act("stop", SYNC).outcome == (0, "")
    assert programs.calls() == [f"csync2 -x {world.config}"]


def test_csync2_has_nothing_to_do_with_what_is_equal(world: World, programs: Programs) -> None:
    programs.play("csync2")
    world.config.write_text(NEW)
    changed_guest(world)
    assert world.act("stop", SYNC).rc == 0
    assert programs.calls() == []


@pytest.mark.parametrize("script", ["echo no route >&2; exit 1", "sleep 60"])
def test_a_csync2_that_fails_or_hangs_is_a_warning(
    world: World, programs: Programs, script: str
) -> None:
    programs.play("csync2", script)
    changed_guest(world)
    assert world.act("stop", SYNC, timeout_s=3).says(0, f"{world.config} is not on the other hosts")
    assert world.stage == "nothing"


def test_a_forced_stop_loses_no_time_with_it(world: World) -> None:
    before = world.config.read_text()
    changed_guest(world)
    assert world.act("stop", SAVE, force_stop="yes").rc == 0
    assert world.config.read_text() == before


def test_a_deep_monitor_brings_it_to_all_hosts_when_it_changes(
    world: World, programs: Programs
) -> None:
    """Not only a stop, which does not come where the host dies."""
    programs.play("csync2")
    changed_guest(world)
    for level, calls in (("0", 0), ("10", 1), ("10", 1)):
        given = {"OCF_CHECK_LEVEL": level, **SYNC}
        assert world.act("monitor", given, CRM_meta_interval="10000").rc == 0
        assert len(programs.calls()) == calls
    assert world.config.read_text() == NEW
