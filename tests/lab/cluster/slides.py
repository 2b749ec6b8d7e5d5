# SPDX-License-Identifier: GPL-2.0-or-later
"""The hosts of the slides of 2011, section 4: their clones, vm-ctl.conf, and what section 5 shows.

The slides call the hosts host1 and host2 in the listing, hostA and hostB in the commands; here
they are host1 and host2 throughout.
"""

from __future__ import annotations

import contextlib
import shlex

from lxml import etree

from pmkvm.deadline import Deadline
from tests.lab.cluster import stonith
from tests.lab.cluster.cib import RSC_DEFAULTS
from tests.lab.cluster.registration import CONFIGURATION, configure
from tests.lab.errors import LabError
from tests.lab.slides import section_four
from tests.lab.slides.deviation import Deviation
from tests.unit.vmctl import as_crm, world

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree.ElementTree import Element

    from tests.lab.lab import Lab

# The hosts share their devices with this machine, so each has a disk of its own under this name.
DISK = "/var/lib/lab-disk"
GATEWAY = "10.77.0.254"
# The cluster is at work; libvirt-guests is enabled, as it is on this machine.
REMARKS = ("MSG43", "MSG49")
_WATCHES = section_four.watches(
    [
        Deviation("the slides leave the gateway to the reader", "192.168.xxx.xxx", GATEWAY),
        Deviation("no host has a disk of its own", "/dev/sda", DISK),
        Deviation(
            "ping holds a change back for 5 s by itself",
            'multiplier="100"',
            'multiplier="100" dampen="1s"',
        ),
    ]
)

WELL = {"default_ping_set": "100", "diskcheck_status": "normal"}
WELL_S = 120.0
ENTRIES = {
    "vm_pingd1": "(clnPingd default_ping_set)",
    "vm_diskd1": "(clnDiskd1 diskcheck_status)",
    "vm_stonithd1": "(clnVmStonithd)",
}


def prepare(lab: Lab, first_disk: str = "") -> None:
    """What ping and diskd watch: the gateway is an address of the second host, every disk a file
    that answers, or for the first host the disk at that path."""
    lab.hosts[1].must(["ip", "address", "replace", f"{GATEWAY}/32", "dev", "eth0"])
    for host in lab.hosts:
        host.must(["rm", "-f", DISK])
        host.must(["truncate", "--size", "1M", DISK])
    if first_disk:
        lab.hosts[0].must(["ln", "-sf", first_disk, DISK])


def load(lab: Lab, first_disk: str = "") -> None:
    """The clones of section 4, with what Linux-HA Japan's configurations begin with; back when
    the CIB has of each host what they watch: without it no guest starts there."""
    prepare(lab, first_disk)
    stonith.load_daemons(lab, _WATCHES + stonith.DAEMONS)
    for name, value in RSC_DEFAULTS["linux-ha-japan"].items():
        argv = ["crm_attribute", "-t", "rsc_defaults", "-n", name, "-v", value]
        lab.cluster.speaker().must(argv)
    deadline = Deadline(WELL_S)
    while not all(_is_well(lab.cib(), host.name) for host in lab.hosts):
        if deadline.expired():
            raise LabError(f"a host lacks one of {WELL} after {WELL_S:.0f} s")
        deadline.pause(0.5)


def _is_well(cib: Element, host: str) -> bool:
    transient = f"status/node_state[@uname='{host}']/transient_attributes"
    pairs = cib.iterfind(f"{transient}/instance_attributes/nvpair")
    has = {pair.get("name"): pair.get("value") for pair in pairs}
    return all(has.get(name) == value for name, value in WELL.items())


@contextlib.contextmanager
def configured(lab: Lab, **keys: str) -> Iterator[None]:
    """vm-ctl.conf with these keys for a while, on every host."""
    before = {host: host.read(CONFIGURATION) for host in lab.hosts}
    configure(lab, **keys)
    try:
        yield
    finally:
        for host, text in before.items():
            if host.is_alive():
                host.write(CONFIGURATION, text)


@contextlib.contextmanager
def without(lab: Lab, program: str) -> Iterator[None]:
    """No host has that program."""
    path = lab.hosts[0].must(["sh", "-c", f"command -v {program}"]).strip()
    try:
        for host in lab.hosts:
            host.must(["mv", path, f"{path}.away"])
            assert host.run(["sh", "-c", f"command -v {program}"]).rc != 0
        yield
    finally:
        for host in lab.hosts:
            host.must(["mv", f"{path}.away", path])


def type_in(lab: Lab, line: str) -> None:
    """On host1, as a shell splits it; vm-ctl does it, and has nothing to say."""
    done = lab.hosts[0].run(shlex.split(line), timeout_s=200)
    lines = (done.out + done.err).splitlines()
    said = [each for each in lines if not any(number in each for number in REMARKS)]
    assert (done.rc, said) == (0, []), f"{line}: {done}"


def printed(guest: str) -> set[str]:
    """What section 5 prints for guest1, for any guest; a line for each object."""
    text = (world.DATA / "slides-guest1.crm").read_text(encoding="utf-8")
    return as_crm.from_listing(text.replace("guest1", guest))


def deviations(guest: str) -> dict[str, str]:
    """What is not as printed: the line of the slides, and what stands in its place."""
    name = f"VMCTL_{guest}"
    return {
        f"colocation col{name}_clnVmStonithd inf: prm{name} clnVmStonithd": (
            f"colocation col{name}_clnVmStonithd 100: prm{name} clnVmStonithd"
        ),
        f"order odr{name}_clnVmStonithd 0: clnVmStonithd prm{name} symmetrical=false": (
            f"order odr{name}_clnVmStonithd 0: clnVmStonithd prm{name} symmetrical=true"
        ),
    }


def objects(lab: Lab, guest: str) -> set[str]:
    """What the CIB has of a guest, in the words of the slides."""
    text = lab.cluster.speaker().must(["cibadmin", "--query"])
    root = etree.fromstring(text.encode())
    found = root.iterfind("configuration/*/*")
    top = etree.Element("configuration")
    ours = etree.SubElement(top, "ours")
    ours.extend(each for each in found if f"VMCTL_{guest}" in str(each.get("id")))
    return as_crm.from_elements(top)
