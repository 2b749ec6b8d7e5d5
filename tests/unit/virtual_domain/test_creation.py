# SPDX-License-Identifier: GPL-2.0-or-later
"""What libvirt is given at a start: the definition, the disk, the pools and networks."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest

from tests.unit.virtual_domain.fake_libvirtmod import OPERATION_FAILED, SHUTOFF, Trouble
from tests.unit.virtual_domain.fake_services import Pool
from tests.unit.virtual_domain.world import UUID, World

if TYPE_CHECKING:
    from tests.unit.virtual_domain.programs import Programs

DEFINITION = f"<domain type='kvm'><name>g1</name><uuid>{UUID}</uuid>{{}}</domain>"
CREATE = "virDomainCreateXML"


def created(world: World) -> ET.Element:
    (call,) = world.here.called(CREATE)
    return ET.fromstring(str(call.arguments[0]))


# UEFI and TPM.


def test_a_tpm_outlives_the_transient_domain(world: World) -> None:
    tpm = "<devices><tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm></devices>"
    world.define(tpm)
    assert world.act("start").rc == 0
    (backend,) = created(world).iterfind("devices/tpm/backend")
    assert backend.attrib == {"type": "emulator", "version": "2.0", "persistent_state": "yes"}


@pytest.mark.parametrize(
    "more",
    [
        "<devices><tpm><backend type='emulator' persistent_state='no'/></tpm></devices>",
        "<devices><tpm><backend type='passthrough'/></tpm></devices>",
        "<os firmware='efi'><nvram>/var/lib/libvirt/qemu/nvram/g1_VARS.fd</nvram></os>",
        "<!-- as it is -->",
    ],
)
def test_everything_else_is_handed_over_letter_by_letter(world: World, more: str) -> None:
    world.define(more)
    assert world.act("start").rc == 0
    assert world.here.called(CREATE)[0].arguments == (DEFINITION.format(more), 1)


def test_a_definition_that_libvirt_has_is_neither_changed_nor_undefined(world: World) -> None:
    domain = world.guest(SHUTOFF, persistent=True)
    assert world.act("start").rc == 0
    assert world.act("stop").rc == 0
    assert world.here.domains["g1"] is domain
    assert world.here.called(CREATE) == []


# Pools and networks.

SUPPLIED = DEFINITION.format(
    "<devices><disk type='volume'><source pool='images' volume='g1'/></disk>"
    "<disk type='volume'><source pool='images' volume='g2'/></disk>"
    "<interface type='network'><source network='lan'/></interface>"
    "<interface type='bridge'><source bridge='br0'/></interface></devices>"
)


def test_pools_and_networks_are_up_before_the_guest(world: World) -> None:
    world.config.write_text(SUPPLIED)
    world.here.supplies = {"images": Pool(active=False), "lan": Pool(active=False)}
    assert world.act("start", start_resources="yes").rc == 0
    assert [pool.active for pool in world.here.supplies.values()] == [True, True]
    order = world.here.called("virNetworkCreate", "virStoragePoolCreate", CREATE)
    assert [call.function for call in order][-1] == CREATE
    assert len(order) == 3


def test_an_active_pool_looks_for_new_volumes(world: World) -> None:
    world.config.write_text(SUPPLIED)
    world.here.supplies = {"images": Pool(active=True), "lan": Pool(active=True)}
    assert world.act("start", start_resources="yes").rc == 0
    assert world.here.supplies["images"].refreshed == 1
    assert world.here.called("virNetworkCreate", "virStoragePoolCreate") == []


def test_those_of_a_persistent_guest_are_read_from_libvirts_definition(world: World) -> None:
    world.guest(SHUTOFF, persistent=True).xml = SUPPLIED
    world.here.supplies = {"images": Pool(active=False), "lan": Pool(active=False)}
    assert world.act("start", start_resources="yes").rc == 0
    assert world.here.supplies["lan"].active


def test_libvirt_decides_whether_a_guest_can_do_without(world: World) -> None:
    world.config.write_text(SUPPLIED)
    world.here.supplies = {"images": Pool(active=False)}
    world.here.script("virStoragePoolCreate", Trouble(OPERATION_FAILED, "mount failed"))
    called = world.act("start", start_resources="yes")
    assert called.says(0, "pool images: mount failed")
    assert "network lan: no pool or network with matching name" in called.err


def test_nobody_asks_for_them_unless_told(world: World) -> None:
    world.config.write_text(SUPPLIED)
    assert world.act("start").rc == 0


# A disk over a backing file.


@pytest.fixture
def programs(world: World, programs: Programs) -> Programs:
    """qemu-img makes a file that says so, at its last argument."""
    make = 'echo new >"$(eval echo \\${$#})"'
    # What it guesses from the image is what a guest wrote there.
    programs.play("qemu-img", f'[ "$1" = info ] && echo \'{{"format": "qcow2"}}\' || {make}')
    programs.play("virt-copy-in")
    world.config.with_name("base.img").write_text("base")
    return programs


def over(world: World, store: str = "", **parameters: str) -> dict[str, str]:
    disk = world.config.with_suffix(".qcow2")
    text = f"<devices><disk><source file='{disk}'/>{store}</disk></devices>"
    world.define(text)
    return {"backingfile": str(world.config.with_name("base.img")), **parameters}


def test_a_disk_is_made_over_its_backing_file(world: World, programs: Programs) -> None:
    called = world.act("start", over(world))
    assert called.rc == 0, called.err
    disk, base = world.config.with_suffix(".qcow2"), world.config.with_name("base.img")
    assert disk.read_text() == "new\n"
    (make,) = programs.calls()
    assert re.fullmatch(
        rf"qemu-img create -q -f qcow2 -F raw -b {base} {disk}\.[0-9a-f]{{16}}\.new", make
    )
    assert base.read_text() == "base"
    assert "has no effect" not in called.err


LOOKS_LIKE_QCOW2 = b"QFI\xfb\0\0\0\3"


def store(path: object, kind: str) -> str:
    return (
        f"<backingStore type='file'><format type='{kind}'/><source file='{path}'/></backingStore>"
    )


@pytest.mark.parametrize("kind", ["raw", "qcow2"])
@pytest.mark.parametrize("content", [b"base", LOOKS_LIKE_QCOW2])
def test_an_images_format_is_what_the_definition_says(
    world: World, programs: Programs, kind: str, content: bytes
) -> None:
    base = world.config.with_name("base.img")
    base.write_bytes(content)
    called = world.act("start", over(world, store(base, kind)))
    assert called.rc == 0, called.err
    (make,) = programs.calls()
    assert f"-F {kind} -b {base} " in make


@pytest.mark.parametrize("told", ["", store("/elsewhere.img", "qcow2"), "<backingStore/>"])
def test_an_images_format_is_not_guessed_from_what_a_guest_may_have_written(
    world: World, programs: Programs, told: str
) -> None:
    base = world.config.with_name("base.img")
    base.write_bytes(LOOKS_LIKE_QCOW2)
    assert world.act("start", over(world, told)).names(6, f"{base} may be qcow2")
    assert programs.calls() == []
    assert not world.config.with_suffix(".qcow2").exists()


@pytest.mark.parametrize(("stateless", "text"), [("no", "old"), ("yes", "new\n")])
@pytest.mark.usefixtures("programs")
def test_a_disk_that_is_there_begins_anew_only_if_told(
    world: World, stateless: str, text: str
) -> None:
    disk = world.config.with_suffix(".qcow2")
    disk.write_text("old")
    if stateless == "yes":
        disk.with_name("g1.qcow2.0123456789abcdef.new").write_text("of a start that was killed")
    assert world.act("start", over(world, stateless=stateless)).rc == 0
    assert disk.read_text() == text
    assert not list(disk.parent.glob("*.new"))


@pytest.mark.usefixtures("programs")
def test_a_link_at_a_name_that_others_can_foresee_leads_nowhere(world: World) -> None:
    victim = world.directory / "victim"
    victim.write_text("untouched")
    link = world.config.with_suffix(".qcow2.new")
    link.symlink_to(victim)
    assert world.act("start", over(world)).rc == 0
    assert link.is_symlink(), "somebody's, not ours to remove"
    assert victim.read_text() == "untouched"


@pytest.mark.usefixtures("programs")
def test_the_disk_of_a_guest_that_runs_is_left_alone(world: World) -> None:
    world.guest()
    disk = world.config.with_suffix(".qcow2")
    disk.write_text("old")
    assert world.act("start", over(world, stateless="yes")).rc == 0
    assert disk.read_text() == "old"


def test_directories_are_copied_into_a_new_disk(world: World, programs: Programs) -> None:
    (world.directory / "etc").mkdir()
    assert world.act("start", over(world, copyindirs=f"{world.directory}/etc /usr")).rc == 0
    disk = world.config.with_suffix(".qcow2")
    assert re.fullmatch(
        rf"virt-copy-in --format=qcow2 -a {disk}\.\w+\.new {world.directory}/etc /usr /",
        programs.calls()[-1],
    )


def test_a_disk_that_cannot_be_made_is_an_error_with_the_old_one_kept(
    world: World, programs: Programs
) -> None:
    programs.play("qemu-img", "echo warning >&2; echo no space >&2; exit 1")
    disk = world.config.with_suffix(".qcow2")
    disk.write_text("old")
    called = world.act("start", over(world, stateless="yes"))
    assert called.outcome == (1, "qemu-img ended with 1: warning / no space")
    assert disk.read_text() == "old"
    assert world.stage == "nothing"


def test_what_virt_copy_in_says_first_is_its_reason(world: World, programs: Programs) -> None:
    """1.48 goes on for ten lines about what to try."""
    said = "virt-copy-in: no operating system was found on this disk"
    programs.play("virt-copy-in", f"printf '{said}\\n\\nIf using guestfish...\\n' >&2; exit 1")
    called = world.act("start", over(world, copyindirs="/usr"))
    assert called.fails(1, f"virt-copy-in ended with 1: {said} / If using")


@pytest.mark.usefixtures("programs")
def test_a_disk_that_nobody_uses_is_warned_of(world: World) -> None:
    parameters = over(world)
    world.define()
    assert world.act("start", parameters).says(0, "so backingfile has no effect")


@pytest.mark.parametrize(
    ("parameters", "rc", "reason"),
    [
        ({"stateless": "yes"}, 6, "parameter stateless means nothing without backingfile"),
        ({"copyindirs": "/etc"}, 6, "parameter copyindirs means nothing without backingfile"),
        ({"backingfile": "base.img"}, 6, "'base.img' must be an absolute path"),
        ({"backingfile": "/no/such/base.img"}, 5, "/no/such/base.img is not there"),
        ({"backingfile": "/etc/passwd", "copyindirs": "/no/such"}, 5, "/no/such is not there"),
    ],
)
@pytest.mark.parametrize("action", ["start", "validate-all"])
def test_what_cannot_be_is_said_before_anything_is_done(
    world: World, action: str, parameters: dict[str, str], rc: int, reason: str
) -> None:
    assert world.act(action, parameters).outcome == (rc, reason)
    assert world.here.called(CREATE) == []
