# SPDX-License-Identifier: GPL-2.0-or-later
"""vm-connectd's command line: where sockets may be, whatever -d says."""

from __future__ import annotations

import posixpath

import pytest

from daemons.vm_connectd import options, reach, roster
from daemons.vm_connectd.domain import Domain
from pmkvm.pacemaker import targets
from pmkvm.pacemaker.parameter import Parameter
from pmkvm.pacemaker.targets import Guest
from pmkvm.virt.identity import Identity

STANDARD = ("/var/lib/libvirt/qemu", "/run/libvirt/qemu")
HOST = ["-t", "host"]


@pytest.mark.parametrize(
    ("given", "more"),
    [
        ([], ()),
        # As the slides of 2011 print it.
        (["-d", "/var/lib/libvirt/qemu/"], ()),
        (["-d", "/run/libvirt/qemu"], ()),
        (["-d", "/srv/sockets/"], ("/srv/sockets",)),
        (["-d", "/srv/a", "--sock-dir", "/srv/b", "-d", "/srv/a/"], ("/srv/a", "/srv/b")),
    ],
)
def test_the_standard_directories_are_always_allowed(given: list[str], more: tuple[str]) -> None:
    assert options.parse([*HOST, *given]).directories == (*STANDARD, *more)


@pytest.mark.parametrize(
    "path",
    [
        # As the slides have it, and what libvirt makes of no path: before 9.7 and since.
        "/var/lib/libvirt/qemu/guest1",
        "/var/lib/libvirt/qemu/channel/target/domain-1-guest1/vmconnectd",
        "/run/libvirt/qemu/channel/1-guest1/vmconnectd",
    ],
)
@pytest.mark.parametrize("given", [[], ["-d", "/var/lib/libvirt/qemu/"], ["-d", "/srv"]])
def test_the_documented_channel_is_taken_on_every_libvirt(path: str, given: list[str]) -> None:
    guest = Guest("prm-a", targets.OURS, Parameter(("/a.xml",)), is_alone=True)
    named = [(guest, Identity("a", "u", is_qemu=True))]
    directories = options.parse([*HOST, *given]).directories
    found = roster.draw_up(named, [Domain("a", "u", path)], directories, real=str)
    assert ([each.path for each in found.targets], found.rejected) == ([path], ())


@pytest.mark.parametrize("standard", STANDARD)
def test_a_link_in_the_way_leads_out_of_no_standard_directory(standard: str) -> None:
    """QEMU's user may write into both, so no directory of its own making is allowed by its name."""
    assert posixpath.dirname(standard) in ("/var/lib/libvirt", "/run/libvirt")
    channel = f"{standard}/channel"

    def turned(path: str) -> str:
        return path.replace(channel, "/tmp/its-own")

    path = f"{channel}/1-a/vmconnectd"
    assert reach.inside(path, options.parse(HOST).directories, str) is not None
    assert reach.inside(path, options.parse(HOST).directories, turned) is None
