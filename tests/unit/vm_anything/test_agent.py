# SPDX-License-Identifier: GPL-2.0-or-later
"""What the agent says about itself, and which modules its monitor loads, seen in a child process:
the set is the same on every machine.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest

from agents.vm_anything.agent import AGENT
from tests import tree
from tests.unit.ocf.sample import call
from tests.unit.test_house_loaded import NEVER, forbidden, python

if TYPE_CHECKING:
    from tests.unit.vm_anything.world import World


@pytest.mark.parametrize("env", [{}, {"OCF_RA_VERSION_MAJOR": "1", "OCF_RA_VERSION_MINOR": "1"}])
def test_parameters_defaults_and_times_are_those_of_2011(env: dict[str, str]) -> None:
    root = ET.fromstring(call(AGENT, "meta-data", env=env).out.encode())
    defaults = {
        element.get("name"): element.find("content").attrib  # type: ignore[union-attr]
        for element in root.iter("parameter")
    }
    assert defaults == {
        "binfile": {"type": "string"},
        "cmdline_options": {"type": "string", "default": ""},
        "workdir": {"type": "string", "default": ""},
        "pidfile": {"type": "string", "default": ""},
        "logfile": {"type": "string", "default": "/dev/null"},
        "errlogfile": {"type": "string", "default": ""},
        "user": {"type": "string", "default": "root"},
        "monitor_hook": {"type": "string", "default": ""},
        "stop_timeout": {"type": "integer", "default": "0"},
        "login_shell": {"type": "boolean", "default": "true"},
    }
    times = {
        one.get("name"): (one.get("timeout"), one.get("interval")) for one in root.iter("action")
    }
    assert times == {
        "start": ("20s", None),
        "stop": ("20s", None),
        "status": ("20s", "10s"),
        "monitor": ("20s", "10s"),
        "validate-all": ("5s", None),
        "meta-data": ("5s", None),
    }


def test_it_says_that_no_shell_is_run() -> None:
    text = call(AGENT, "meta-data").out
    assert "without a shell" in text
    assert "No shell is run in either case" in text


def test_usage_names_its_actions() -> None:
    called = call(AGENT, "usage")
    expected = "usage: vm-anything {start|stop|status|monitor|validate-all|meta-data|usage}\n"
    assert called == (0, expected, "")


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
sys.argv = ["vm-anything", "monitor"]
from agents.vm_anything.agent import main
sys.exit(main())
"""


@pytest.mark.parametrize(("runs", "interval", "rc"), [(True, "10000", 0), (False, "0", 7)])
def test_a_monitor_loads_next_to_nothing(world: World, runs: bool, interval: str, rc: int) -> None:
    parameters = world.program("exec sleep 60")
    if runs:
        world.start(parameters)
    code = CHILD.format(root=str(tree.ROOT), run_dir=str(world.run_dir))
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
