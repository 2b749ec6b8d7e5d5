# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.tools.cib_host import Host
from tests.tools.guest import guest
from vmctl import hosts

if TYPE_CHECKING:
    from pathlib import Path

# Fixtures of all tests here.
__all__ = ["guest", "host"]


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    found = Host(tmp_path)
    monkeypatch.setenv("CIB_file", str(found.cib))
    # What is enabled on this machine is not what is tested.
    monkeypatch.setattr(hosts, "LIBVIRT_GUESTS", str(tmp_path / "none"))
    return found
