# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

import pytest

from pmkvm.virt.identity import name_from_path, parse_uuid
from tests.unit.virt.fake_qemu import UUID


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
