# SPDX-License-Identifier: GPL-2.0-or-later
"""The unit of a guest's vm-connectd, in systemd's own words."""

from __future__ import annotations

import pytest

from pmkvm.run import run
from tests import tree

UNIT = tree.ROOT / "daemons" / "vm_connectd" / "vm-connectd.service"
# Of 10, in tenths. Without its restrictions 9.6.
EXPOSED_AT_MOST = 15


@pytest.fixture(scope="module")
def version() -> int:
    return int(run(["systemd-analyze", "--version"], timeout_s=60).out.split()[1])


def test_systemd_knows_each_line_of_it() -> None:
    done = run(["systemd-analyze", "verify", "--man=no", str(UNIT)], timeout_s=60)
    # That the program is not installed here is no fault of the unit.
    lines = [line for line in done.err.splitlines() if "vm-connectd" in line]
    assert [line for line in lines if "is not executable" not in line] == []


def test_it_may_ask_who_is_at_its_socket() -> None:
    """Kernels before 6.5 are asked by netlink. Refused that, vm-connectd would refuse everybody."""
    (line,) = [
        one
        for one in UNIT.read_text(encoding="utf-8").splitlines()
        if one.startswith("RestrictAddressFamilies=")
    ]
    assert line.partition("=")[2].split() == ["AF_UNIX", "AF_NETLINK"]


def test_it_may_do_little(version: int) -> None:
    if version < 250:
        pytest.skip("this systemd judges no file")
    argv = ["systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSED_AT_MOST}"]
    done = run([*argv, str(UNIT)], timeout_s=60)
    assert done.rc == 0, done.out
