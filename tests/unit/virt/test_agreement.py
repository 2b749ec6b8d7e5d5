# SPDX-License-Identifier: GPL-2.0-or-later
"""What a person wrote against what libvirt made of it."""

from __future__ import annotations

import pytest

from pmkvm.virt.agreement import place_of_disagreement
from pmkvm.virt.definition import parse

FILE = """<domain type='kvm'><name>g1</name><uuid>0123ABCD22223333444455555555 5555</uuid>
<memory unit='GiB'>1</memory><vcpu>2</vcpu><os><type machine='q35'>hvm</type></os><genid/>
<devices>
<disk type='file' device='disk'><source file='/x/a'/><target dev='vda'/></disk>
<disk type='file' device='disk'><source file='/x/b'/><target dev='vdb'/></disk>
<interface type='bridge'><mac address='52:54:00:AA:00:01'/><source bridge='br0'/></interface>
<controller type='usb'><address type='pci' slot='3'/></controller>
<channel type='unix'><source mode='bind'/><target name='vmconnectd'/></channel>
</devices></domain>""".replace("5555 5555", "55555555")
OWN = """<domain type='kvm'><name>g1</name><uuid>0123abcd-2222-3333-4444-555555555555</uuid>
<memory unit='KiB'>1048576</memory><currentMemory unit='KiB'>1048576</currentMemory>
<vcpu placement='static'>2</vcpu>
<os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type><boot dev='hd'/></os><genid>5-6</genid>
<devices><emulator>/usr/bin/qemu</emulator>
<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='/x/b'/>
<target dev='vdb' bus='virtio'/><address type='pci' slot='0x05'/></disk>
<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='/x/a'/>
<target dev='vda' bus='virtio'/></disk>
<channel type='unix'><target name='vmconnectd'/></channel><controller type='pci' index='0'/>
<controller type='usb'><address type='pci' slot='0x03'/>
</controller>
<interface type='bridge'><mac address='52:54:00:aa:00:01'/><source bridge='br0'/><model/>
</interface><memballoon model='virtio'/></devices></domain>"""


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("", "", ""),
        ("<vcpu>2", "<vcpu>4", "<domain><vcpu>"),
        ("'GiB'>1", "'MiB'>1024", ""),
        ("'GiB'>1", "'GiB'>2", "<domain><memory>"),
        ("'q35'", "'pc'", "<domain><os><type>"),
        ("/x/b", "/x/c", "<domain><devices><disk><source>"),
        ("bridge='br0'", "bridge='br1'", "<domain><devices><interface><source>"),
        ("<vcpu>", "<title>t</title><vcpu>", "<domain><title>"),
        # A device that only libvirt's definition has, and that it does not add by itself.
        (
            "<disk type='file' device='disk'><source file='/x/b'/><target dev='vdb'/></disk>",
            "",
            "<domain><devices><disk>",
        ),
    ],
)
def test_where_they_disagree(old: str, new: str, place: str) -> None:
    file = FILE.replace(old, new) if old else FILE
    assert file != FILE or not old
    found = place_of_disagreement(parse(file.encode(), "file"), parse(OWN.encode(), "own"))
    assert found == place


def test_a_definition_agrees_with_itself() -> None:
    own = parse(OWN.encode(), "own")
    assert place_of_disagreement(own, own) == ""
