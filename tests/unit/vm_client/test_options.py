# SPDX-License-Identifier: GPL-2.0-or-later
"""vm-client's command line."""

from __future__ import annotations

import pytest

from agents.vm_client.agent import AGENT
from daemons.vm_client import options


def test_defaults_are_those_of_the_agent() -> None:
    found = options.parse(["-a", "ping  disk ping"])
    assert found.names == ("ping", "disk")
    defaults = {parameter.name: parameter.default for parameter in AGENT.parameters}
    assert found.interval_s == defaults["interval"]
    assert found.host_timeout_s == defaults["host_timeout"]
    assert found.dampen == defaults["dampen"]
    assert found.socket.endswith("/vm-client-prmVmClient.sock")
    assert options.parse(["--status", "--instance", "x"]).socket.endswith("/vm-client-x.sock")


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["-a", ""],
        ["-a", "standby"],
        ["-a", "a", "--interval", "0"],
        ["-a", "a", "--interval", "nan"],
        ["-a", "a", "--host-timeout", "4000"],
        ["-a", "a", "--dampen=-B"],
        ["-a", "a", "--instance", "a/b"],
        ["-a", "a", "stray"],
    ],
)
def test_what_is_no_command_line(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        options.parse(argv)
    assert ended.value.code == 1
    assert "vm-client: " in capsys.readouterr().err
