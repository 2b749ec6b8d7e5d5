# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pmkvm.virt.identity import (
    DefinitionError,
    Identity,
    name_from_path,
    parse_identity,
    parse_uuid,
    read_identity,
)

if TYPE_CHECKING:
    from pathlib import Path

UUID = "0123abcd-2222-3333-4444-555555555555"


@pytest.mark.parametrize(
    ("definition", "identity"),
    [
        (
            f"<domain type='kvm'><name>g1</name><uuid>{UUID}</uuid></domain>",
            Identity("g1", UUID, is_qemu=True),
        ),
        # ocf:heartbeat:VirtualDomain wants the name alone on its line.
        (
            "<domain type='qemu'><title>t</title><name>\n  g1\n</name>"
            f"<uuid> {UUID.upper()} </uuid></domain>",
            Identity("g1", UUID, is_qemu=True),
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
        (b"<domain><name>\xff</name></domain>", "not XML"),
        (b"<?xml version='1.0' encoding='nonsense'?><domain/>", "not XML"),
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


@pytest.mark.parametrize(
    ("text", "uuid"),
    [
        ("", ""),
        (" \n", ""),
        (UUID, UUID),
        (UUID.upper(), UUID),
        (UUID.replace("-", ""), UUID),
        (f"\n {UUID} ", UUID),
    ],
)
def test_a_uuid_is_read_in_every_form_that_libvirt_takes(text: str, uuid: str) -> None:
    assert parse_uuid(text, "x") == uuid


def test_a_file_that_is_not_there_is_another_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_identity(str(tmp_path / "g1.xml"))
    (tmp_path / "g1.xml").write_text("<domain type='kvm'><name>g1</name></domain>")
    assert read_identity(str(tmp_path / "g1.xml")).name == "g1"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/etc/libvirt/qemu/g1.xml", "g1"),
        ("/etc/g.1.xml", "g.1"),
        ("/etc/g1", "g1"),
        ("g1.xml", "g1"),
        ("/etc/.xml", ".xml"),
    ],
)
def test_the_guess_where_nothing_can_be_read(path: str, name: str) -> None:
    assert name_from_path(path) == name
