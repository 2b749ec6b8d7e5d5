# SPDX-License-Identifier: GPL-2.0-or-later
"""Situations of what a guest has stored: disks that a person changes while it runs, and what lies
on one host's disk."""

from __future__ import annotations

import contextlib

from tests.lab.cluster import agents
from tests.lab.cluster.agents import RESOURCE
from tests.lab.errors import LabError
from tests.lab.guests.guests import IMAGES
from tests.lab.truth.truth_situations import POLITE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.guests.guests import Guest
    from tests.lab.hosts.machine import Machine
    from tests.lab.truth.truth import Scene

# A disk that both hosts see, and what a snapshot leaves of it.
SHARED_DISK, SHARED_SNAPSHOT = f"{IMAGES}/truth.qcow2", f"{IMAGES}/truth.s"
SNAPPED = POLITE._replace(
    devices=f"""    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2'/>
      <source file='{SHARED_DISK}'/>
      <target dev='vda' bus='virtio'/>
    </disk>
""",
)
# What they keep lies where libvirt puts it: on this host alone.
WITH_TPM = POLITE._replace(
    devices="    <tpm model='tpm-tis'><backend type='emulator' version='2.0'/></tpm>\n"
)
VARIABLES = "/var/lib/libvirt/qemu/nvram/guest1_VARS.fd"


def shared_disk(host: Machine) -> None:
    host.must(["rm", "-f", SHARED_DISK, SHARED_SNAPSHOT])
    host.must(["qemu-img", "create", "-q", "-f", "qcow2", SHARED_DISK, "64M"])


def snapshot_disk(host: Machine, guest: Guest) -> None:
    """The guest writes to another file from now on, which no definition names but libvirt's own."""
    spec = f"vda,file={SHARED_SNAPSHOT}"
    argv = ["virsh", "-q", "snapshot-create-as", guest.name, "s", "--disk-only", "--no-metadata"]
    host.must([*argv, "--diskspec", spec])


def snapshot_here(scene: Scene) -> None:
    snapshot_disk(scene.home, scene.row.guest)


@contextlib.contextmanager
def snapshot_elsewhere(scene: Scene) -> Iterator[None]:
    """It has run on the other host, where a person took a snapshot of its disks, and has died there
    after a monitor had seen that. The resource is in the CIB, where the monitor writes it down: as
    one that Pacemaker starts nowhere."""
    agent = agents.virtual_domain("extra")
    deep = {"OCF_RESKEY_CRM_meta_interval": "10000", "OCF_CHECK_LEVEL": "10"}
    primitive = (
        f"<primitive id='{RESOURCE}' class='ocf' provider='pacemaker' type='Dummy'>"
        f"<meta_attributes id='{RESOURCE}-meta_attributes'>"
        f"<nvpair id='{RESOURCE}-role' name='target-role' value='Stopped'/>"
        "</meta_attributes></primitive>"
    )
    scene.home.must(["cibadmin", "--create", "--scope", "resources", "--xml-text", primitive])
    try:
        started = agents.call(scene.away, agent, "start", 60)
        if started.rc != 0:
            raise LabError(f"not started on the other host: {started.err}")
        snapshot_disk(scene.away, scene.row.guest)
        seen = agents.call(scene.away, agent, "monitor", 30, deep)
        if seen.rc != 190:
            raise LabError(f"the other host's monitor says {seen.rc}: {seen.err}")
        scene.kill_guest()
        yield
    finally:
        scene.home.run(["crm_resource", "--cleanup", "--resource", RESOURCE])
        scene.home.must(["cibadmin", "--delete", "--xpath", f"//primitive[@id='{RESOURCE}']"])


def with_variables(xml: str) -> str:
    return xml.replace("    <kernel>", f"    <nvram>{VARIABLES}</nvram>\n    <kernel>", 1)
