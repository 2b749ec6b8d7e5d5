# SPDX-License-Identifier: GPL-2.0-or-later
"""Definitions as people have them, and those that are an attack."""

from __future__ import annotations

import os
import time
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest

from pmkvm.virt.definition import (
    decode,
    parse,
    parse_identity,
    place_of_difference,
    read_identity,
    write,
)
from pmkvm.virt.identity import DefinitionError, Identity
from tests.unit.virt.fake_qemu import G1, UUID

if TYPE_CHECKING:
    from pathlib import Path

AT_ONCE_S = 5.0
PLAIN = f"<domain type='kvm'><name>g1</name><uuid>{UUID}</uuid>{{more}}</domain>"


@pytest.mark.parametrize(
    ("definition", "identity"),
    [
        (PLAIN.format(more=""), G1),
        # ocf:heartbeat:VirtualDomain wants the name alone on its line.
        (
            "<domain type='qemu'><title>t</title><name>\n  g1\n</name>"
            f"<uuid> {UUID.upper()} </uuid></domain>",
            G1,
        ),
        ("<domain type='hvf'><name>g1</name></domain>", Identity("g1", "", is_qemu=True)),
        ("<domain type='xen'><name>g1</name></domain>", Identity("g1", "", is_qemu=False)),
        ("<domain type='lxc'><name>a &amp; b</name></domain>", Identity("a & b", "", False)),
        ("<domain><name>g1</name></domain>", Identity("g1", "", is_qemu=False)),
        # A name further down is another thing's.
        (
            "<domain type='kvm'><metadata><name>no</name></metadata><name>g1</name></domain>",
            Identity("g1", "", is_qemu=True),
        ),
        (
            "<?xml version='1.0' encoding='ISO-8859-1'?>"
            "<!-- made by hand --><domain type='kvm'><name>caf\u00e9</name></domain>",
            Identity("caf\u00e9", "", is_qemu=True),
        ),
        # In pieces.
        (
            "<domain type='kvm'><name><![CDATA[g]]><!-- one -->&#x31;</name></domain>",
            Identity("g1", "", is_qemu=True),
        ),
        # A grammar that is only named is not fetched.
        (f"<!DOCTYPE domain SYSTEM 'http://192.0.2.1/x.dtd'>{PLAIN.format(more='')}", G1),
    ],
)
def test_a_definition_says_who_the_domain_is(definition: str, identity: Identity) -> None:
    assert parse_identity(definition.encode("latin-1"), "g1.xml") == identity


@pytest.mark.parametrize(
    ("definition", "complaint"),
    [
        (b"", "not XML"),
        (b"name=g1", "not XML"),
        (b"<domain><name>g1</name>", "not XML"),
        (PLAIN.format(more="&nbsp;").encode(), "undefined entity"),
        (b"<domain><name>\xff</name></domain>", "not UTF-8 ("),
        (b"<?xml version='1.0' encoding='nonsense'?><domain/>", "encoding 'nonsense' is unknown"),
        (b"<?xml version='1.0' encoding='ascii'?><domain>\xe9</domain>", "not ASCII ("),
        (b"<domain xmlns='urn:x'><name>g1</name></domain>", "the root element is <{urn:x}domain>"),
        (b"<domain><name>g&#10;1</name></domain>", "<name> is 'g\\n1'"),
        (b"<network><name>g1</name></network>", "the root element is <network>"),
        (b"<domain><uuid/></domain>", "<name> is ''"),
        (b"<domain><name> </name></domain>", "<name> is ''"),
        (b"<domain><name>../g1</name></domain>", "<name> is '../g1'"),
        (b"<domain><name>g1</name><uuid>1234</uuid></domain>", "<uuid> is '1234'"),
        (b"<domain><name>g1</name><uuid>" + b"g" * 32 + b"</uuid></domain>", "<uuid> is 'ggg"),
    ],
)
def test_what_is_no_definition_is_refused_with_its_place(definition: bytes, complaint: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        parse_identity(definition, "/etc/g1.xml")
    assert str(caught.value).startswith("/etc/g1.xml: ")
    assert complaint in str(caught.value)


def test_a_file_that_is_not_there_is_another_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_identity(str(tmp_path / "g1.xml"))
    (tmp_path / "g1.xml").write_text("<domain type='kvm'><name>g1</name></domain>")
    assert read_identity(str(tmp_path / "g1.xml")).name == "g1"


# What real definitions hold.


@pytest.mark.parametrize(
    "more",
    [
        "<!-- <name>other</name> -->",
        "<description><![CDATA[<name>other</name> & more]]></description>",
        "<description>&lt;name&gt;other&lt;/name&gt; &#x41;</description>",
        "<metadata><app:x xmlns:app='urn:app'><app:name>other</app:name></app:x></metadata>",
        "<devices><channel type='unix'/><channel type='unix'/></devices>",
        "<devices><disk><auth username='u'><secret type='ceph' uuid='x'/></auth></disk></devices>",
        "<qemu:commandline xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'/>",
        "<?app instruction?>",
    ],
)
def test_what_else_is_in_a_definition_does_not_change_who_it_is(more: str) -> None:
    assert parse_identity(PLAIN.format(more=more).encode(), "g1.xml") == G1


def test_a_large_definition_is_read_at_once() -> None:
    disks = "".join(f"<disk type='file'><source file='/d{n}'/></disk>" for n in range(5000))
    text = PLAIN.format(more=f"<devices>{disks}</devices>").encode()
    assert len(text) > 200_000
    began = time.monotonic()
    assert parse_identity(text, "g1.xml") == G1
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("encoding", "declared"),
    [
        ("utf-8", ""),
        ("utf-8-sig", ""),
        ("utf-16", "utf-16"),
        ("utf-8", "UTF-8"),
        ("iso-8859-1", "ISO-8859-1"),
        ("euc-jp", "EUC-JP"),
        ("shift_jis", "Shift_JIS"),
    ],
)
def test_any_declared_encoding_becomes_text_for_libvirt(encoding: str, declared: str) -> None:
    letters = "caf\u00e9" if encoding == "iso-8859-1" else "\u4eee\u60f3"
    declaration = f"<?xml version='1.0' encoding='{declared}'?>\n" if declared else ""
    text = f"<domain type='kvm'><name>g1</name><title>{letters}</title></domain>"
    definition = f"{declaration}{text}".encode(encoding)
    assert parse_identity(definition, "g1.xml").name == "g1"
    assert decode(definition, "g1.xml").strip() == text


# Attacks.


LAUGHS = """<!DOCTYPE domain [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;">]>
<domain type='kvm'><name>&c;</name></domain>"""
OUTSIDE = """<!DOCTYPE domain [<!ENTITY x SYSTEM "file:///etc/passwd">]>
<domain type='kvm'><name>&x;</name></domain>"""
PARAMETER = """<!DOCTYPE domain [<!ENTITY % x SYSTEM "http://a/b.dtd"> %x;]>
<domain type='kvm'><name>g1</name></domain>"""


@pytest.mark.parametrize(("text", "name"), [(LAUGHS, "a"), (OUTSIDE, "x"), (PARAMETER, "x")])
def test_declared_entities_are_refused(text: str, name: str) -> None:
    with pytest.raises(DefinitionError, match=f"^g1.xml: declares the entity '{name}'"):
        parse_identity(text.encode(), "g1.xml")


def test_what_is_written_again_is_the_same_to_libvirt() -> None:
    text = (
        "<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><name>g1</name>"
        "<!-- gone --><title>&lt;&amp;</title>"
        "<qemu:commandline><qemu:arg value='-x'/></qemu:commandline></domain>"
    )
    again = write(parse(text.encode(), "g1.xml"))
    assert "qemu:arg" in again
    assert ET.canonicalize(again) == ET.canonicalize(text)


DISK = "<domain><name>g</name><devices><disk type='file' device='disk'>{}</disk></devices></domain>"
ALIKE = DISK.format("<source file='/a'/>")


@pytest.mark.parametrize(
    ("other", "place"),
    [
        (ALIKE, None),
        (DISK.format("<!-- ours -->\n  <source file='/a'/>\n"), None),
        (ALIKE.replace("type='file' device='disk'", ""), "<disk>"),
        (ALIKE.replace("type='file' device='disk'", "device='disk' type='file'"), None),
        (DISK.format("<source file='/b'/>"), "<disk><source>"),
        (DISK.format("<source file='/a'/><shareable/>"), "<disk>"),
        (ALIKE.replace(">g<", ">h<"), "<name>"),
    ],
)
def test_two_definitions_are_alike_or_differ_in_a_place(other: str, place: str | None) -> None:
    one = parse(ALIKE.encode(), "here")
    found = place_of_difference(one, parse(other.encode(), "there"))
    inside = "<domain>" if place == "<name>" else "<domain><devices>"
    assert found == (place and inside + place)


def test_a_definition_without_end_is_none(tmp_path: Path) -> None:
    """libvirt itself takes none that is longer than its protocol's strings."""
    path = tmp_path / "definition.xml"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(OSError, match="longer than"):
        read_identity(str(path))


def test_a_pipe_is_no_definition_and_nobody_waits_for_its_writer(tmp_path: Path) -> None:
    path = tmp_path / "definition.xml"
    os.mkfifo(path)
    began = time.monotonic()
    with pytest.raises(DefinitionError, match="not XML"):
        read_identity(str(path))
    assert time.monotonic() - began < AT_ONCE_S
