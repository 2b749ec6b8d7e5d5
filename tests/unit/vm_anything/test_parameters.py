# SPDX-License-Identifier: GPL-2.0-or-later
"""What the agent says about itself."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from agents.vm_anything.agent import AGENT
from tests.unit.ocf.sample import call

FORMS = [{}, {"OCF_RA_VERSION_MAJOR": "1", "OCF_RA_VERSION_MINOR": "1"}]


@pytest.mark.parametrize("env", FORMS)
def test_parameters_and_defaults_are_those_of_2011(env: dict[str, str]) -> None:
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


@pytest.mark.parametrize("env", FORMS)
def test_actions_have_the_times_of_2011(env: dict[str, str]) -> None:
    root = ET.fromstring(call(AGENT, "meta-data", env=env).out.encode())
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
