# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a guest's UEFI variables and TPM lie, and whether other hosts see them there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pmkvm import settings
from pmkvm.virt import private_state
from pmkvm.virt.definition import parse

if TYPE_CHECKING:
    from pathlib import Path
    from xml.etree.ElementTree import Element

TPM = "<devices><tpm model='tpm-crb'><backend type='emulator'>{}</backend></tpm></devices>"


def root(more: str) -> Element:
    return parse(f"<domain><name>g1</name><uuid>u1</uuid>{more}</domain>".encode(), "here")


@pytest.mark.parametrize(
    ("more", "paths"),
    [
        ("", []),
        ("<os><nvram>/x/v.fd</nvram></os>", ["/x/v.fd"]),
        ("<os><nvram type='file'><source file='/x/v.fd'/></nvram></os>", ["/x/v.fd"]),
        ("<os firmware='efi'/>", ["/var/lib/libvirt/qemu/nvram/g1_VARS.fd"]),
        ("<os firmware='bios'/>", []),
        ("<os><loader type='pflash'>/f</loader></os>", ["/var/lib/libvirt/qemu/nvram/g1_VARS.fd"]),
        ("<os><loader type='rom'>/f</loader></os>", []),
        ("<os firmware='efi'><loader stateless='yes'/></os>", []),
        # That is for its storage, as of a disk.
        ("<os><nvram type='block'><source dev='/dev/v'/></nvram></os>", []),
        (TPM.format(""), ["/var/lib/libvirt/swtpm/u1"]),
        (TPM.format("<source type='dir' path='/x/tpm'/>"), ["/x/tpm"]),
        (TPM.format("").replace("emulator", "passthrough"), []),
    ],
)
def test_where_it_lies(more: str, paths: list[str]) -> None:
    assert [each.path for each in private_state.of(root(more))] == paths


MOUNTS = """\
21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 21 0:5 / /net\\040work rw shared:2 - nfs4 server:/x rw
31 21 0:6 / /fuse rw - fuse.glusterfs server:/g rw
32 21 147:0 / /drbd rw - xfs /dev/drbd0 rw
33 32 8:2 / /drbd/local rw - xfs /dev/sdb rw
nonsense
"""
CONF = """\
# shared_filesystems = [ "/comment" ]
user = "root"
shared_filesystems = [
  "/declared",
  # "/not/this",
  "/also/this/"
]
"""


@pytest.mark.parametrize(
    ("path", "is_shared"),
    [
        ("/local/v.fd", False),
        ("/net work/v.fd", True),
        ("/net workshop/v.fd", False),
        ("/fuse/a/v.fd", True),
        ("/drbd/v.fd", True),
        ("/drbd/local/v.fd", False),
        ("/declared/v.fd", True),
        ("/also/this/v.fd", True),
        ("/comment/v.fd", False),
        ("/not/this/v.fd", False),
    ],
)
def test_what_other_hosts_see(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, is_shared: bool
) -> None:
    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "mountinfo").write_text(MOUNTS)
    (tmp_path / "qemu.conf").write_text(CONF)
    monkeypatch.setattr(settings, "PROC", str(tmp_path))
    monkeypatch.setattr(settings, "QEMU_CONF", str(tmp_path / "qemu.conf"))
    found = private_state.not_shared(root(f"<os><nvram>{path}</nvram></os>"))
    assert [str(each) for each in found] == ([] if is_shared else [f"its UEFI variables ({path})"])
