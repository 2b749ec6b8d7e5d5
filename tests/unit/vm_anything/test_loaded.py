# SPDX-License-Identifier: GPL-2.0-or-later
"""Which modules a monitor loads, seen in a child process; the set is the same on every machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests import tree
from tests.unit.test_house_loaded import NEVER, forbidden, python

if TYPE_CHECKING:
    from tests.unit.vm_anything.world import World

# Nor what a monitor of a living program has no use for.
NOT_NEEDED = NEVER | {"contextlib", "enum", "pwd", "re", "shlex", "signal", "typing", "xml"}

# Modules beyond those of the bare interpreter. Raise it knowingly, with a measurement.
MONITOR_AT_MOST = 25

CHILD = """\
import sys
sys.dont_write_bytecode = True
sys.path.insert(0, {root!r})
from pmkvm import settings
settings.RUN_DIR = {run_dir!r}
sys.argv = ["vm-anything", {action!r}]
from agents.vm_anything.agent import main
sys.exit(main())
"""


@pytest.mark.parametrize(("runs", "interval", "rc"), [(True, "10000", 0), (False, "0", 7)])
def test_a_monitor_loads_next_to_nothing(world: World, runs: bool, interval: str, rc: int) -> None:
    parameters = world.program("exec sleep 60")
    if runs:
        world.start(parameters)
    code = CHILD.format(root=str(tree.ROOT), run_dir=str(world.run_dir), action="monitor")
    environment = {
        "OCF_RESOURCE_INSTANCE": "p1",
        "OCF_RESKEY_binfile": parameters["binfile"],
        "OCF_RESKEY_CRM_meta_timeout": "20000",
        "OCF_RESKEY_CRM_meta_interval": interval,
        "HA_LOGFACILITY": "none",
    }
    ended = python(code, environment)
    assert ended.rc == rc, ended.output
    ours = ended.loaded - python("import sys").loaded
    assert forbidden(ours, NOT_NEEDED) == set()
    assert len(ours) <= MONITOR_AT_MOST, sorted(ours)
