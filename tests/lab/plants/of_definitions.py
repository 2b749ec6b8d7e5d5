# SPDX-License-Identifier: GPL-2.0-or-later
"""Faults in guests' definitions, and in what these name on the hosts.

guest3 is stopped: what can be seen without a running guest is planted there.
"""

from __future__ import annotations

import contextlib

from tests.lab.guests.guests import IMAGES
from tests.lab.plants import scene as scenes
from tests.lab.plants.plant import BOTH, HOST1, HOST2, in_definition, in_host, plant, together
from tests.lab.plants.scene import LOCAL
from tests.lab.plants.verdict import Found

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.lab.plants.plant import Plant
    from tests.lab.plants.scene import Scene

OTHER_UUID = "11111111-2222-4333-8444-555555555555"
CODE, TEMPLATE = "/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"
# Nobody but host1 has it; libvirt itself would make it at the guest's first start there.
VARIABLES = f"{LOCAL}/guest3.fd"
SNAPSHOT_IMAGE = f"{IMAGES}/snapshot.qcow2"
MISSING_CODE = f"{LOCAL}/nowhere.fd"

CDROM = """<disk type='file' device='cdrom'><driver name='qemu' type='raw'/>
<source file='{path}'/><target dev='hda' bus='ide'/><readonly/></disk>"""
DISK = """<disk type='file' device='disk'><driver name='qemu' type='raw' cache='{cache}'/>
<source file='{path}'/><target dev='vdx' bus='virtio'/></disk>"""
VOLUME = """<disk type='volume' device='disk'><driver name='qemu' type='raw' cache='none'/>
<source pool='{pool}' volume='{volume}'/><target dev='vdx' bus='virtio'/>
<readonly/><shareable/></disk>"""
# libvirt gives another address on each host to an interface that has none.
MAC = "<mac address='52:54:00:0a:0b:0c'/><model type='virtio'/>"
NETWORK = f"<interface type='network'><source network='{{name}}'/>{MAC}</interface>"
BRIDGE = f"<interface type='bridge'><source bridge='{{name}}'/>{MAC}</interface>"
SHARED_DIRECTORY = f"""<filesystem type='mount' accessmode='mapped'>
<source dir='{IMAGES}'/><target dir='lab'/></filesystem>"""
SHARED_MEMORY = "<shmem name='lab'><model type='ivshmem-plain'/><size unit='M'>4</size></shmem>"
TPM = "<tpm model='tpm-tis'><backend type='emulator' version='2.0'/></tpm>"


def with_device(device: str) -> Callable[[str], str]:
    return lambda xml: xml.replace("</devices>", f"{device}</devices>", 1)


def with_line(line: str, before: str) -> Callable[[str], str]:
    return lambda xml: xml.replace(before, f"{line}{before}", 1)


def replaced(old: str, new: str) -> Callable[[str], str]:
    def change(xml: str) -> str:
        assert old in xml, f"{old} is not in the definition"
        return xml.replace(old, new)

    return change


def without_channel(xml: str) -> str:
    head, _, rest = xml.partition("<channel ")
    return head + rest.partition("</channel>")[2]


def other_uuid(xml: str) -> str:
    head, _, rest = xml.partition("<uuid>")
    return f"{head}<uuid>{OTHER_UUID}</uuid>{rest.partition('</uuid>')[2]}"


def nothing(_xml: str) -> str:
    return ""


def file_on(host: str, path: str) -> tuple[str, str, str]:
    """A file of 1 MiB that this host has; for in_host()."""
    refresh = "virsh -q pool-refresh local"
    return host, f"truncate -s 1M {path}; {refresh}", f"rm -f {path}; {refresh}"


def local(name: str, path: str, change: Callable[[str], str], *found: Found) -> Plant:
    """guest3 names a file that only host1 has."""
    return together(
        name,
        in_host(name, *file_on(HOST1, path)),
        in_definition(name, "guest3", change, BOTH),
        *found,
    )


def firmware(code: str, variables: str) -> Callable[[str], str]:
    line = f"<loader readonly='yes' type='pflash'>{code}</loader>"
    return with_line(f"{line}<nvram template='{TEMPLATE}'>{variables}</nvram>", "<kernel>")


@contextlib.contextmanager
def managed_save(scene: Scene) -> Iterator[None]:
    """As libvirt-guests makes it when a host shuts down."""
    scene.host1.must(["virsh", "-q", "start", "guest3"])
    scene.host1.must(["virsh", "-q", "managedsave", "guest3"])
    try:
        yield
    finally:
        scene.host1.must(["virsh", "-q", "managedsave-remove", "guest3"])


@contextlib.contextmanager
def snapshot(scene: Scene) -> Iterator[None]:
    """Inside an image that both hosts see; libvirt on host1 alone knows of it."""
    disk = DISK.format(path=SNAPSHOT_IMAGE, cache="none").replace("type='raw'", "type='qcow2'")
    create = ["qemu-img", "create", "-q", "-f", "qcow2", SNAPSHOT_IMAGE, "1M"]
    scene.host1.must(create)
    try:
        with scenes.definition(scene.guest3, with_device(disk), *scene.lab.hosts):
            scene.host1.must(["virsh", "-q", "snapshot-create-as", "guest3", "lab"])
            try:
                yield
            finally:
                scene.host1.must(["virsh", "-q", "snapshot-delete", "guest3", "lab"])
    finally:
        scene.host1.must(["rm", "-f", SNAPSHOT_IMAGE])


def on_host2(identity: str, guest: str = "guest3") -> Found:
    return Found(identity, guest, HOST2)


PLANTS = (
    in_definition(
        "no definition on host2", "guest3", nothing, (HOST2,), on_host2("definition-missing")
    ),
    in_definition("another uuid on host2", "guest3", other_uuid, (HOST2,), on_host2("other-uuid")),
    in_definition(
        "another memory on host2",
        "guest3",
        replaced("<memory unit='KiB'>131072<", "<memory unit='KiB'>196608<"),
        (HOST2,),
        on_host2("definition-differs"),
    ),
    local(
        "a disk on host1 alone",
        f"{LOCAL}/disk.img",
        with_device(DISK.format(path=f"{LOCAL}/disk.img", cache="none")),
        on_host2("disk-missing"),
    ),
    local(
        "an ISO image on host1 alone",
        f"{LOCAL}/lab.iso",
        with_device(CDROM.format(path=f"{LOCAL}/lab.iso")),
        on_host2("iso-missing"),
    ),
    local(
        "UEFI variables on host1 alone",
        VARIABLES,
        firmware(CODE, VARIABLES),
        on_host2("nvram-missing"),
    ),
    in_definition(
        "firmware that no host has",
        "guest3",
        firmware(MISSING_CODE, f"{IMAGES}/guest3.fd"),
        BOTH,
        Found("firmware-missing", "guest3", HOST1),
        on_host2("firmware-missing"),
    ),
    in_definition(
        "an emulated TPM",
        "guest3",
        with_device(TPM),
        BOTH,
        Found("tpm-local", "guest3"),
    ),
    in_definition(
        "a volume that no host has",
        "guest3",
        with_device(VOLUME.format(pool="shared", volume="nowhere.img")),
        BOTH,
        Found("volume-missing", "guest3", HOST1),
        on_host2("volume-missing"),
    ),
    together(
        "a pool that host2 has stopped",
        in_definition(
            "", "guest3", with_device(VOLUME.format(pool="shared", volume="vmlinuz")), BOTH
        ),
        in_host("", HOST2, "virsh -q pool-destroy shared", "virsh -q pool-start shared"),
        on_host2("pool-inactive"),
    ),
    in_definition(
        "a network that no host has",
        "guest3",
        with_device(NETWORK.format(name="nowhere")),
        BOTH,
        Found("network-missing", "guest3", HOST1),
        on_host2("network-missing"),
    ),
    in_definition(
        "a bridge that no host has",
        "guest3",
        with_device(BRIDGE.format(name="nowhere0")),
        BOTH,
        Found("bridge-missing", "guest3", HOST1),
        on_host2("bridge-missing"),
    ),
    in_definition(
        "a directory of the host",
        "guest3",
        with_device(SHARED_DIRECTORY),
        BOTH,
        Found("directory-shared", "guest3"),
    ),
    in_definition(
        "memory shared with the host",
        "guest3",
        with_device(SHARED_MEMORY),
        BOTH,
        Found("device-stays", "guest3"),
    ),
    together(
        "a cache of the host's",
        in_host("", HOST1, f"truncate -s 1M {IMAGES}/cached.img", f"rm -f {IMAGES}/cached.img"),
        in_definition(
            "",
            "guest3",
            with_device(DISK.format(path=f"{IMAGES}/cached.img", cache="writeback")),
            BOTH,
        ),
        Found("cache-unsafe", "guest3"),
    ),
    in_definition(
        "more memory than the hosts have",
        "guest3",
        replaced("unit='KiB'>131072<", "unit='KiB'>1073741824<"),
        BOTH,
        Found("memory-short", "guest3", HOST1),
        on_host2("memory-short"),
    ),
    in_definition(
        "more CPUs than the hosts have",
        "guest3",
        replaced("<vcpu placement='static'>1<", "<vcpu placement='static'>64<"),
        BOTH,
        Found("cpus-short", "guest3", HOST1),
        on_host2("cpus-short"),
    ),
    in_definition(
        "no port for fencing",
        "guest3",
        without_channel,
        BOTH,
        Found("channel-missing", "guest3"),
    ),
    plant("a snapshot", snapshot, Found("snapshot", "guest3")),
    plant("a managed save", managed_save, Found("managed-save", "guest3", HOST1)),
    in_host(
        "autostart",
        HOST2,
        "virsh -q autostart guest3",
        "virsh -q autostart --disable guest3",
        on_host2("autostart"),
    ),
)
