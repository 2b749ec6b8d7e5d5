# SPDX-License-Identifier: GPL-2.0-or-later
"""What vm-check says beforehand is what a move then does: live, by a restart, or not at all.

For each thing that keeps guests from leaving or coming back, guest1 runs on host1 and is to go to
host2.
"""

from __future__ import annotations

import contextlib
import re
from typing import NamedTuple
from xml.etree.ElementTree import fromstring, tostring

import pytest

from tests.lab.cluster.registration import Registered, register
from tests.lab.guests.guests import IMAGES, Guest
from tests.lab.hosts import hypervisor
from tests.lab.plants import scene, verdict
from tests.lab.plants.of_definitions import (
    CDROM,
    CODE,
    DISK,
    SHARED_DIRECTORY,
    SHARED_MEMORY,
    firmware,
    other_uuid,
)
from tests.lab.plants.verdict import Found

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.lab.hosts.machine import Machine
    from tests.lab.lab import Lab

pytestmark = pytest.mark.rotating(parts=14)

MOVE = ["vm-ctl", "resource", "move", "guest1", "-n", "host2"]
MOVE_S = 400.0
ISO, IMAGE, VARIABLES = f"{scene.LOCAL}/lab.iso", f"{IMAGES}/snapshot.qcow2", f"{scene.LOCAL}/g1.fd"
# The firmware takes more of it than the guest.
FIRMWARE_MIB = 256
LIVE, RESTART, NO = "live", "restart", "no"
# Of the machine's libvirt, in which each host may have words of its own.
CPU_MAP = "/usr/share/libvirt/cpu_map/x86_Nehalem.xml"
FLAG = "avx512f"
QEMU, EMULATOR = "/usr/bin/qemu-system-x86_64", f"{scene.LOCAL}/qemu"
SCRIPT = """#!/bin/sh
for argument; do
    shift
    case $argument in Nehalem*) argument=$argument{more} ;; esac
    set -- "$@" "$argument"
done
exec {qemu} "$@"
"""


class Case(NamedTuple):
    """devices: of the guest from its start; before: on the hosts while it is stopped; after: while
    it runs on host1. because: the ids that stand behind the verdict."""

    name: str
    way: str
    because: set[str]
    devices: str = ""
    before: Callable[[Lab], None] | None = None
    after: Callable[[Lab], None] | None = None


def iso_on_host1(lab: Lab) -> None:
    lab.hosts[0].must(["sh", "-ec", f"mkdir -p {scene.LOCAL}; truncate -s 1M {ISO}"])


def snapshot_image(lab: Lab) -> None:
    lab.hosts[0].must(["qemu-img", "create", "-q", "-f", "qcow2", IMAGE, "1M"])


def snapshot(lab: Lab) -> None:
    lab.hosts[0].must(["virsh", "-q", "snapshot-create-as", "guest1", "lab"], timeout_s=60)


def no_definition(lab: Lab) -> None:
    lab.hosts[1].must(["virsh", "-q", "undefine", "guest1"])


def another_uuid(lab: Lab) -> None:
    host2 = lab.hosts[1]
    text = other_uuid(scene.defined(host2, "guest1"))
    host2.must(["virsh", "-q", "undefine", "guest1"])
    host2.write("/run/lab/other.xml", text)
    host2.must(["virsh", "-q", "define", "/run/lab/other.xml"])


def managed_save(lab: Lab) -> None:
    """Before Pacemaker starts it elsewhere: a second life would be one too many."""
    host2 = lab.hosts[1]
    host2.must(["virsh", "-q", "start", "guest1"])
    host2.must(["virsh", "-q", "managedsave", "guest1"], timeout_s=60)


CASES = (
    Case("nothing", LIVE, set()),
    Case(
        "a snapshot",
        RESTART,
        {"snapshot"},
        devices=DISK.format(path=IMAGE, cache="none").replace("type='raw'", "type='qcow2'"),
        before=snapshot_image,
        after=snapshot,
    ),
    Case("memory of the host", RESTART, {"device-stays"}, devices=SHARED_MEMORY),
    # The guest has not mounted it.
    Case("a directory of the host", LIVE, {"directory-shared"}, devices=SHARED_DIRECTORY),
    Case("another uuid", NO, {"other-uuid"}, after=another_uuid),
    Case("no definition", LIVE, {"definition-missing"}, after=no_definition),
    Case(
        "an ISO image of one host",
        NO,
        {"iso-missing"},
        devices=CDROM.format(path=ISO),
        before=iso_on_host1,
    ),
    Case("a managed save", LIVE, {"managed-save"}, before=managed_save),
)


@pytest.fixture
def clean(clean_lab: Lab) -> Iterator[None]:
    """What a domain of libvirt's keeps beside its definition goes, since it would not be undefined
    otherwise."""
    lab = clean_lab
    scene.let_stay(lab)
    yield
    if not all(host.is_alive() for host in lab.hosts):
        lab.rebuild()
    for host in lab.hosts:
        hypervisor.ensure(host)
        for argv in (
            ["virsh", "-q", "destroy", "guest1"],
            ["virsh", "-q", "snapshot-delete", "guest1", "lab", "--metadata"],
            ["virsh", "-q", "managedsave-remove", "guest1"],
            ["virsh", "-q", "undefine", "guest1", "--nvram"],
        ):
            host.run(argv, timeout_s=40)
        host.run(["rm", "-f", IMAGE, ISO, VARIABLES])


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_what_is_said_beforehand_is_what_a_move_does(lab: Lab, host1: Machine, case: Case) -> None:
    guest = Guest("guest1", devices=case.devices)
    lab.guests.define(guest)
    if case.before is not None:
        case.before(lab)
    vm = register(lab, guest, host1, "-m", "on")
    boot = vm.start()
    lab.cluster.wait_idle()
    if case.after is not None:
        case.after(lab)
    said = verdict.ask(host1, "--guest", "guest1")
    print(said.sentences())
    foretold = said.report["guests"][0]["hosts"]["host2"]
    assert (foretold["verdict"], set(foretold["because"])) == (case.way, case.because)
    emptied = verdict.ask(host1, "--host", "host1").report["emptied"]["departures"]
    assert [(each["to"], each["verdict"]) for each in emptied] == [("host2", case.way)]
    assert what_a_move_does(vm, host1, boot) == case.way


def define(lab: Lab, text: str) -> None:
    for host in lab.hosts:
        host.write("/run/lab/guest1.xml", text)
        host.must(["virsh", "-q", "define", "/run/lab/guest1.xml"])


def has_variables(host: Machine) -> bool:
    return host.run(["test", "-e", VARIABLES]).rc == 0


def what_a_move_does(vm: Registered, host1: Machine, boot: str) -> str:
    done = host1.run(MOVE, timeout_s=MOVE_S)
    print(done.rc, done.out, done.err)
    vm.lab.cluster.wait_idle()
    if vm.hosts() != ["host2"]:
        return NO
    vm.tick()
    return LIVE if vm.counter.boots() == [boot] else RESTART


@pytest.mark.usefixtures("clean")
def test_variables_that_one_host_has(lab: Lab, host1: Machine) -> None:
    """A live move takes them along; a start after the loss of their host begins with empty ones."""
    host2 = lab.hosts[1]
    guest = Guest("guest1", memory_mib=FIRMWARE_MIB)
    for host in lab.hosts:
        host.must(["mkdir", "-p", scene.LOCAL])
    define(lab, firmware(CODE, VARIABLES)(guest.xml()))
    vm = register(lab, guest, host1, "-m", "on")
    boot = vm.start()
    lab.cluster.wait_idle()
    said = verdict.ask(host1, "--guest", "guest1")
    print(said.sentences())
    foretold = said.report["guests"][0]["hosts"]["host2"]
    assert (foretold["verdict"], said.found) == (LIVE, {Found("nvram-missing", "guest1", "host2")})
    assert (has_variables(host1), has_variables(host2)) == (True, False)
    host1.kill()
    lab.cluster.wait_running(vm.resource, "host2", timeout_s=120)
    vm.counter.wait_for_boot(other_than=boot)
    assert vm.hosts() == ["host2"]
    assert has_variables(host2)


@pytest.mark.usefixtures("clean")
def test_a_cpu_that_one_host_lacks(lab: Lab, host1: Machine) -> None:
    """On host2 a Nehalem has what no emulated CPU has, by libvirt's word and by QEMU's."""
    host2 = lab.hosts[1]
    guest = Guest("guest1")
    xml = guest.xml().replace("<model>qemu64</model>", "<model>Nehalem</model>")
    xml = xml.replace(f"<emulator>{QEMU}<", f"<emulator>{EMULATOR}<")
    with contextlib.ExitStack() as stack:
        for host, more in ((host1, ""), (host2, f",+{FLAG}")):
            host.must(["mkdir", "-p", scene.LOCAL])
            host.write(EMULATOR, SCRIPT.format(more=more, qemu=QEMU), "0755")
            stack.callback(host.must, ["rm", "-f", EMULATOR])
        define(lab, xml)
        define(lab, re.sub(r"<cpu .*</cpu>", cpu_as_it_runs(host1), xml))
        stack.enter_context(other_cpu_map(host2))
        vm = register(lab, guest, host1, "-m", "on")
        boot = vm.start()
        lab.cluster.wait_idle()
        said = verdict.ask(host1, "--guest", "guest1")
        print(said.sentences())
        foretold = said.report["guests"][0]["hosts"]["host2"]
        assert (foretold["verdict"], foretold["because"]) == (NO, ["cpu-lacks"])
        assert what_a_move_does(vm, host1, boot) == NO


def cpu_as_it_runs(host: Machine) -> str:
    """With all that libvirt knows of it, which a later start then insists on."""
    host.must(["virsh", "-q", "start", "guest1"])
    live = fromstring(host.must(["virsh", "dumpxml", "guest1"])).find("cpu")
    host.must(["virsh", "-q", "destroy", "guest1"], timeout_s=40)
    assert live is not None
    return tostring(live, encoding="unicode").strip()


@contextlib.contextmanager
def other_cpu_map(host: Machine) -> Iterator[None]:
    text = host.read(CPU_MAP)
    more = re.sub(
        r"(<feature name='aes'/>|</model>)", rf"<feature name='{FLAG}'/>\1", text, count=1
    )

    def give(cpus: str) -> None:
        host.write(CPU_MAP, cpus)
        hypervisor.kill(host)
        hypervisor.ensure(host)

    try:
        give(more)
        yield
    finally:
        give(text)
