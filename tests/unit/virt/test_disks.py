# SPDX-License-Identifier: GPL-2.0-or-later
"""Which disks a definition names, and whether a guest that runs has others."""

from __future__ import annotations

import pytest

from pmkvm.virt import disks
from pmkvm.virt.definition import parse
from pmkvm.virt.disks import Disk, LastDisks


def of(devices: str) -> tuple[Disk, ...]:
    text = f"<domain><name>g1</name><devices>{devices}</devices></domain>"
    return disks.of(parse(text.encode(), "here"))


def disk(source: str, more: str = "", *, target: str = "vda", device: str = "disk") -> str:
    return f"<disk device='{device}'>{source}{more}<target dev='{target}'/></disk>"


BASE = "<source file='/x/g1.qcow2'/>"
OVER = "<source file='/x/g1.s' index='3'/>"
CHAIN = f"<backingStore type='file' index='1'>{BASE}<backingStore/></backingStore>"
MIRROR = "<mirror type='file' job='copy'><source file='/x/copy'/></mirror>"


@pytest.mark.parametrize(
    ("live", "defined"),
    [
        ("", ""),
        (disk(OVER, CHAIN), disk("<source file='/x/g1.s'/>")),
        (disk(OVER, CHAIN), disk(OVER, f"<backingStore>{BASE}</backingStore>")),
        # A copy that is under way is not yet what the guest writes to.
        (disk(BASE, MIRROR), disk(BASE)),
        # A medium in a drive holds none of the guest's data.
        (disk("<source file='/x/cd.iso'/>", device="cdrom"), disk("", device="cdrom")),
        (disk("<source file='/x/a'/>", device="floppy"), ""),
        # libvirt throws away what a transient disk was given.
        (disk("<source file='/x/g1.TRANSIENT-g1'/>", "<transient/>"), disk(BASE, "<transient/>")),
        (
            disk("<source protocol='nbd' name='d'><host name='h' port='10809'/></source>"),
            disk("<source protocol='nbd' name='d'><host name='h'/></source>"),
        ),
        (
            disk("<source type='pci'><address domain='0x0000' bus='0x0a' slot='0' /></source>"),
            disk("<source type='pci'><address domain='0' bus='10' slot='0x00'/></source>"),
        ),
        (disk("<source pool='p' volume='v' index='1'/>"), disk("<source pool='p' volume='v'/>")),
        # It was not there when the guest started.
        ("", disk("<source file='/x/stick' startupPolicy='optional'/>")),
    ],
)
def test_what_is_alike(live: str, defined: str) -> None:
    assert disks.first_difference(of(live), of(defined)) is None
    assert disks.digests(of(live)) == disks.digests(of(defined))
    assert not disks.are_missing(of(live), of(defined))


@pytest.mark.parametrize(
    ("live", "defined", "first"),
    [
        # A snapshot of its disks.
        (disk(OVER, CHAIN), disk(BASE), "vda /x/g1.s"),
        # A block copy, to where it was pivoted; a commit, to the image below.
        (disk("<source dev='/dev/b'/>"), disk("<source dev='/dev/a'/>"), "vda /dev/b"),
        (disk(BASE), disk(OVER, CHAIN), "vda /x/g1.qcow2"),
        # Plugged in, and taken out, of the guest alone.
        (disk(BASE) + disk("<source dev='/b'/>", target="vdb"), disk(BASE), "vdb /b"),
        (disk(BASE), disk(BASE) + disk("<source dev='/b'/>", target="vdb"), "vdb /b"),
        (disk("<source dev='/b'/>", device="lun"), disk("<source dev='/a'/>"), "vda /b"),
        (
            disk("<source protocol='rbd' name='p/i'><host name='a'/><host name='b'/></source>"),
            disk("<source protocol='rbd' name='p/j'><host name='a'/><host name='b'/></source>"),
            "vda rbd p/i a b",
        ),
    ],
)
def test_what_differs(live: str, defined: str, first: str) -> None:
    assert str(disks.first_difference(of(live), of(defined))) == first
    assert disks.digests(of(live)) != disks.digests(of(defined))


def test_images_below_may_differ_alone() -> None:
    other = "<backingStore><source file='/x/other'/></backingStore>"
    assert disks.first_difference(of(disk(OVER, CHAIN)), of(disk(OVER, other))) is not None


@pytest.mark.parametrize(
    ("live", "defined", "older"),
    [
        (disk(OVER, CHAIN), disk(BASE), True),
        (disk(OVER, CHAIN), disk(OVER), False),
        (disk("<source dev='/by-id/1'/>"), disk("<source dev='/dev/sda'/>"), False),
        # It is written to as well, as another disk.
        (disk(OVER, CHAIN) + disk(BASE, target="vdb"), disk(BASE), False),
    ],
)
def test_whether_a_definition_names_what_lies_below(live: str, defined: str, older: bool) -> None:
    assert disks.are_older(of(live), of(defined)) == older


@pytest.mark.parametrize("first", ["vda /x/g1.s", "vda rbd p/i <&\"'%> ü", "", "none "])
def test_the_text_for_the_other_hosts(first: str) -> None:
    last = LastDisks(("01234567", "89abcdef"), first)
    text = last.to_text()
    assert not set("\"'<>&") & set(text)
    assert disks.last_disks(text) == last


def test_that_text_has_a_bound() -> None:
    assert len(LastDisks(("0" * 8,) * 9999, "x" * 9999).to_text()) < 2100


@pytest.mark.parametrize(
    ("defined", "are_in"),
    [
        (disk(OVER), True),
        (disk(BASE), False),
        ("", False),
        # A disk more: the guest has lost nothing by it.
        (disk(OVER) + disk(BASE, target="vdb"), True),
    ],
)
def test_whether_a_definition_names_the_last_disks(defined: str, are_in: bool) -> None:
    text = LastDisks(disks.digests(of(disk(OVER, CHAIN))), "vda /x/g1.s").to_text()
    assert disks.last_disks(text).are_in(of(defined)) == are_in


def test_a_guest_without_disks_has_nothing_to_lose() -> None:
    assert disks.last_disks(LastDisks((), "").to_text()).are_in(())
    assert not disks.last_disks("of a later release").are_in(of(disk(BASE)))
