# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pmkvm.virt import survey
from tests.tools import roots
from tests.tools.cib_host import Host
from tests.tools.guest import guest
from tests.tools.roots import Tools

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Fixtures of all tests here.
__all__ = ["guest", "host", "tools_of_root"]


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    found = Host(tmp_path)
    monkeypatch.setenv("CIB_file", str(found.cib))
    # What is enabled on this machine is not what is tested.
    monkeypatch.setattr(survey, "LIBVIRT_GUESTS", str(tmp_path / "none"))
    return found


@pytest.fixture(params=roots.ROOTS, ids=str)
def tools_of_root(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Tools]:
    """In each root: a directory there, and its tools in the place of this machine's."""
    with roots.directory(request.param, "tools-of-root") as directory:
        yield Tools(request.param, directory, monkeypatch)
