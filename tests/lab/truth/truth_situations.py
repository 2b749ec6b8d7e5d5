# SPDX-License-Identifier: GPL-2.0-or-later
"""How each situation of the table of truth is brought about, for real."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import threading
import time

from tests.lab.cluster.agents import CONFIG
from tests.lab.faults.situations import wait_until
from tests.lab.guests.guests import Guest
from tests.lab.hosts import hypervisor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from tests.lab.hosts.machine import Machine
    from tests.lab.truth.truth import Scene

    Enter = Callable[[Scene], AbstractContextManager[object]]

POLITE = Guest("guest1", power="acpi")
PANICS = Guest(
    "guest1",
    power="deaf",
    on_crash="preserve",
    devices="    <panic model='isa'/>\n",
    script="sleep 1; echo c >/proc/sysrq-trigger",
)
# Zeros, which a dump writes all the same: it takes some seconds.
DUMPED_MIB = 1024
DUMPED = PANICS._replace(memory_mib=DUMPED_MIB, on_crash="coredump-destroy")
DUMPED_AND_RESTARTED = DUMPED._replace(on_crash="coredump-restart")
DUMPS = "/var/lib/libvirt/qemu/dump"
REBOOTS = Guest("guest1", power="deaf", script="sleep 1; reboot -f")
SLEEPS = Guest("guest1", power="acpi", script="sleep 1; echo mem >/sys/power/state")
# A thin disk on a file system that is full before the guest has written all of it.
STORAGE = "/run/lab/thin"
DISK = f"{STORAGE}/disk.qcow2"
WRITES = Guest(
    "guest1",
    power="acpi",
    script="sleep 1; dd if=/dev/zero of=/dev/vda bs=64k count=100 oflag=direct",
    devices=f"""    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2' cache='writeback' error_policy='stop'/>
      <source file='{DISK}'/>
      <target dev='vda' bus='virtio'/>
    </disk>
""",
)
# libvirt refuses to migrate it: the memory that it shares is another's.
PEER = Guest(
    "guest1",
    power="acpi",
    devices="""    <shmem name='lab' role='peer'>
      <model type='ivshmem-plain'/>
      <size unit='M'>4</size>
    </shmem>
""",
)
COPIED = WRITES._replace(script="")
DOTTED = Guest("guest.1", power="deaf")
KVM = "/usr/local/bin/kvm"
CLIENTS = "/usr/bin/virsh /usr/lib/python3/dist-packages/libvirtmod.*so"
HOOK = "/etc/libvirt/hooks/qemu"
OTHER_UUID = "00000000-1111-2222-3333-444444444444"
# Emulated beside others a guest takes 15 s from one boot to the next.
REBOOT_S = 120.0


def reboots(scene: Scene) -> None:
    """It is in the middle of it, or will be."""
    counter = scene.lab.guests.counter(scene.row.guest)
    wait_until(lambda: len(counter.boots()) > 1, "another boot", REBOOT_S)


@contextlib.contextmanager
def nothing(_scene: Scene) -> Iterator[None]:
    """It just runs, or does not."""
    yield


def act(*acts: Callable[[Scene], object]) -> Enter:
    """A situation that something makes, and nothing has to mend."""

    @contextlib.contextmanager
    def enter(scene: Scene) -> Iterator[None]:
        for one in acts:
            one(scene)
        yield

    return enter


def both(outer: Enter, inner: Enter) -> Enter:
    @contextlib.contextmanager
    def enter(scene: Scene) -> Iterator[None]:
        with outer(scene), inner(scene):
            yield

    return enter


def outage(
    break_it: Callable[[Machine], None], after_s: float = 0.0, lasts_s: float | None = None
) -> Enter:
    """libvirtd is away, from some moment of the action on, until it is over or before that."""

    @contextlib.contextmanager
    def enter(scene: Scene) -> Iterator[None]:
        over = threading.Event()

        def go() -> None:
            if after_s:
                time.sleep(after_s)
                break_it(scene.home)
            over.wait(lasts_s)
            hypervisor.ensure(scene.home)

        if not after_s:
            break_it(scene.home)
        thread = threading.Thread(target=go, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    return enter


killed = outage(hypervisor.kill)
frozen = outage(hypervisor.freeze)


@contextlib.contextmanager
def target_without_libvirtd(scene: Scene) -> Iterator[None]:
    hypervisor.kill(scene.away)
    try:
        yield
    finally:
        hypervisor.ensure(scene.away)


@contextlib.contextmanager
def source_dies_at_its_end(scene: Scene) -> Iterator[None]:
    """The guest has arrived when the source's libvirtd dies, before it can say so."""
    # libvirtd runs this once the source's QEMU has ended, and looks for hooks when it starts.
    scene.home.write(HOOK, '#!/bin/sh\n[ "$2" = stopped ] && kill -9 $PPID\nexit 0\n', "0755")
    hypervisor.stop(scene.home)
    hypervisor.start(scene.home)
    try:
        yield
    finally:
        scene.home.must(["rm", "-f", HOOK])
        hypervisor.stop(scene.home)
        hypervisor.start(scene.home)


def source_breaks(break_it: Callable[[Machine], None]) -> Enter:
    """As source_dies_at_its_end, but before it has ended the QEMU that the guest has left."""

    @contextlib.contextmanager
    def enter(scene: Scene) -> Iterator[None]:
        def go() -> None:
            wait_for_migration(scene)
            # The guest runs there only when libvirtd there goes on.
            hypervisor.freeze(scene.away)
            scene.wait_for_state("paused (migrating)")
            time.sleep(1)
            break_it(scene.home)
            hypervisor.thaw(scene.away)

        thread = threading.Thread(target=go, daemon=True)
        thread.start()
        try:
            yield
        finally:
            thread.join()
            hypervisor.ensure(scene.away)
            hypervisor.ensure(scene.home)

    return enter


@contextlib.contextmanager
def managed_save(scene: Scene) -> Iterator[None]:
    """libvirt keeps the memory of an earlier run, as it does for a domain that it has defined."""
    name = scene.row.guest.name
    scene.lab.guests.define(scene.row.guest, [scene.home])
    scene.home.must(["virsh", "-q", "start", name])
    scene.wait_for_boot()
    scene.home.must(["virsh", "-q", "managedsave", name], timeout_s=60)
    try:
        yield
    finally:
        # libvirt does not undefine a domain that has one.
        scene.home.run(["virsh", "-q", "managedsave-remove", name])


@contextlib.contextmanager
def dump(scene: Scene) -> Iterator[None]:
    """libvirt is dumping the memory of a guest that has crashed."""
    scene.home.must(["sh", "-c", f"rm -rf {DUMPS}/*"])
    job = ["virsh", "-q", "domjobinfo", scene.row.guest.name]
    is_dump = re.compile(r"Operation: +Dump")
    wait_until(lambda: bool(is_dump.search(scene.home.run(job).out)), "a dump", REBOOT_S)
    try:
        yield
    finally:
        scene.kill_guest()
        scene.home.must(["sh", "-c", f"rm -rf {DUMPS}/*"])


def has_whole_dump(scene: Scene) -> bool:
    sizes = scene.home.run(["sh", "-c", f"stat -c %s {DUMPS}/*"]).out.split()
    return any(int(size) >= DUMPED_MIB << 20 for size in sizes)


@contextlib.contextmanager
def dies_on_its_way(scene: Scene) -> Iterator[None]:
    """Its QEMU is killed in the middle of its migration."""

    def go() -> None:
        wait_for_migration(scene)
        scene.kill_guest()

    thread = threading.Thread(target=go, daemon=True)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def wait_for_migration(scene: Scene) -> None:
    """Some of its memory has gone over."""
    job = ["virsh", "-q", "domjobinfo", scene.row.guest.name]
    has_begun = re.compile(r"Data processed: +[1-9]")
    wait_until(lambda: bool(has_begun.search(scene.home.run(job).out)), "a migration")


def copy_disk(scene: Scene) -> None:
    """A copy of its disk that is kept up to date until a person ends it."""
    to = ["--dest", f"{STORAGE}/copy.qcow2", "--format", "qcow2"]
    scene.home.must(["virsh", "-q", "blockcopy", scene.row.guest.name, "vda", *to])


@contextlib.contextmanager
def without_clients(scene: Scene) -> Iterator[None]:
    """What an agent calls libvirt with is gone, virsh and the binding: a broken update."""
    scene.home.must(["sh", "-c", f'for f in {CLIENTS}; do mv "$f" "$f.gone"; done'])
    try:
        yield
    finally:
        gone = " ".join(f"{path}.gone" for path in CLIENTS.split())
        scene.home.must(["sh", "-c", f'for f in {gone}; do mv "$f" "${{f%.gone}}"; done'])


@contextlib.contextmanager
def stuck(scene: Scene) -> Iterator[None]:
    """QEMU is stopped as a whole and hears nothing, as on a host that swaps."""
    for _host, process in scene.lab.guests.processes(scene.row.guest):
        os.kill(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        scene.kill_guest()


def another_uuid(scene: Scene) -> None:
    """The other host knows the guest by another one."""
    guest = scene.row.guest
    scene.away.write("/tmp/other.xml", guest.xml().replace(guest.uuid, OTHER_UUID))
    scene.away.must(["virsh", "-q", "define", "/tmp/other.xml"])


def thin_storage(host: Machine) -> None:
    host.must(["mkdir", "-p", STORAGE])
    host.run(["umount", "-l", STORAGE])
    host.must(["mount", "-t", "tmpfs", "-o", "size=1m", "thin", STORAGE])
    host.must(["qemu-img", "create", "-q", "-f", "qcow2", DISK, "64M"])


def enlarge(host: Machine) -> None:
    host.must(["mount", "-o", "remount,size=128m", STORAGE])


def roomy_storage(host: Machine) -> None:
    thin_storage(host)
    enlarge(host)


def emulator(host: Machine) -> None:
    host.must(["ln", "-sf", "/usr/bin/qemu-system-x86_64", KVM])


def fill(scene: Scene) -> None:
    scene.wait_for_state("paused (I/O error)")


def enlarged(scene: Scene) -> None:
    fill(scene)
    enlarge(scene.home)


def crash(scene: Scene) -> None:
    scene.wait_for_state("crashed")


def sleep(scene: Scene) -> None:
    scene.wait_for_state("pmsuspended")


def pause(scene: Scene) -> None:
    scene.home.must(["virsh", "-q", "suspend", scene.row.guest.name])


def remove_definition(scene: Scene) -> None:
    scene.home.must(["rm", CONFIG])


def empty_definition(scene: Scene) -> None:
    scene.home.write(CONFIG, "")


@contextlib.contextmanager
def definition_hangs(scene: Scene) -> Iterator[None]:
    """Who opens it waits for a writer, as on a mount whose server is gone."""
    scene.home.must(["sh", "-c", f"rm -f {CONFIG} && mkfifo {CONFIG}"])
    try:
        yield
    finally:
        # Who still waits in it goes on, and the next row writes a file in its place.
        scene.home.must(["sh", "-c", f": <>{CONFIG}; rm -f {CONFIG}"])


def another_like_it(scene: Scene) -> None:
    """guest-1 lives; as a regular expression the name guest.1 means it as well."""
    scene.kill_guest()
    scene.lab.guests.define(Guest("guest-1", power="deaf"), [scene.home])
    scene.home.must(["virsh", "-q", "start", "guest-1"])


def one_line(xml: str) -> str:
    return "".join(line.strip() for line in xml.splitlines())


def with_other_names(xml: str) -> str:
    other = (
        "<!--\n<name>old</name>\n--><description><![CDATA[\n<name>other</name>\n]]></description>"
    )
    return xml.replace("  <name>", f"{other}\n  <name>", 1)


def by_kvm(xml: str) -> str:
    return xml.replace("/usr/bin/qemu-system-x86_64", KVM)
