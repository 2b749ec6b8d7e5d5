# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

from xml.etree.ElementTree import fromstring

import pytest

from pmkvm.virt import memory


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("<memory>64</memory>", 64 << 10),
        ("<memory unit='k'>64</memory>", 64 << 10),
        ("<memory unit='KB'>64</memory>", 64000),
        ("<memory unit='bytes'>64</memory>", 64),
        ("<memory unit='b'>64</memory>", 64),
        ("<memory unit='MiB'> 64\n</memory>", 64 << 20),
        ("<memory unit='gib'>1</memory>", 1 << 30),
        ("<memory unit='G'>1</memory>", 1 << 30),
        ("<memory unit='TB'>1</memory>", 1000**4),
        ("<memory unit='acre'>1</memory>", None),
        ("<memory>much</memory>", None),
        ("<memory>\u0661</memory>", None),
        ("<memory/>", None),
    ],
)
def test_size(text: str, size: int | None) -> None:
    assert memory.size(fromstring(text)) == size


@pytest.mark.parametrize(
    ("text", "kib"),
    [
        ("<memory unit='MiB'>2</memory>", 2048),
        ("<memory unit='MiB'>2</memory><currentMemory unit='MiB'>1</currentMemory>", 1024),
        ("<memory>much</memory>", 0),
        ("", 0),
    ],
)
def test_what_a_guest_has_at_its_start(text: str, kib: int) -> None:
    assert memory.at_start_kib(fromstring(f"<domain>{text}</domain>")) == kib
