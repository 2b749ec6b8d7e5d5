# SPDX-License-Identifier: GPL-2.0-or-later
"""fence_vm_helper, called as pacemaker-fenced and a person call it. The other face tests what it
decides."""

from __future__ import annotations

import io
import time

import pytest

from pmkvm import run
from pmkvm.run import Completed
from stonith.plugin import fence_agent
from stonith.plugin.fence_texts import usage
from stonith.stonith_helper import parameters
from stonith.stonith_helper.fence_agent import AGENT
from stonith.stonith_helper.texts import TEXTS
from tests.unit.stonith_helper.test_external import SILENT, SLIDES, Node


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Node:
    made = Node()
    monkeypatch.setattr(run, "run", made.run)
    monkeypatch.setattr(time, "sleep", made.slept.append)
    return made


def called(argv: list[str], stdin: str) -> Completed:
    out, err = io.StringIO(), io.StringIO()
    env = {"HA_LOGFACILITY": "none"}
    rc = fence_agent.run(AGENT, argv, io.StringIO(stdin), env, out, err)
    return Completed(rc, out.getvalue(), err.getvalue())


def by_stdin(**values: str) -> Completed:
    lines = {**SLIDES, **values}
    return called([], "".join(f"{name}={value}\n" for name, value in lines.items()))


@pytest.mark.parametrize("action", ["off", "reboot"])
@pytest.mark.parametrize("name", ["plug", "nodename"])
@pytest.mark.parametrize(("rc", "slept_s"), [(0, 0.0), (1, 25.0)])
def test_the_standby_waits_and_the_answer_is_no(
    node: Node, action: str, name: str, rc: int, slept_s: float
) -> None:
    node.is_active(rc)
    ended = by_stdin(**{"action": action, name: "guest1"})
    assert (ended.rc, ended.out, sum(node.slept)) == (1, "", slept_s)
    assert "the next device is asked" in ended.err


def test_silence_counts_for_who_says_so(node: Node) -> None:
    node.is_active(1)
    node.hears(SILENT, SILENT)
    assert by_stdin(action="reboot", plug="guest1").rc == 1
    assert by_stdin(action="reboot", plug="guest1", trust_dead_check="yes").rc == 0


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"action": "on", "plug": "guest1"}, "this device switches nothing on"),
        ({"action": "off", "plug": "guest2"}, "guest2: there is no such node in hostlist"),
        ({"action": "off"}, "no name: there is no such node in hostlist"),
        ({"action": "status", "plug": "guest1"}, "this device does not know it"),
        ({"action": "off", "plug": "guest1", "hostlist": ""}, "hostlist is empty"),
        ({"action": "list-status"}, "there is no such action"),
    ],
)
def test_what_it_can_not_do_fails_without_a_look(
    node: Node, values: dict[str, str], complaint: str
) -> None:
    ended = by_stdin(**values)
    assert (ended.rc, ended.out) == (1, "")
    assert complaint in ended.err
    assert (node.called, node.slept) == ([], [])


@pytest.mark.parametrize("action", ["monitor", "validate-all"])
@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"standby_check_command": "true"}, ""),
        ({"standby_check_command": "", "run_standby_wait": "no"}, ""),
        ({"standby_check_command": "grep 'open"}, "the shell can't read it"),
        ({"standby_check_command": "nosuch-command | cat"}, "nosuch-command is not there"),
        ({"standby_check_command": ""}, "standby_check_command is not set"),
        ({"standby_wait_time": "soon"}, "standby_wait_time is no number"),
        ({"plug": "guest2", "standby_check_command": "true"}, "guest2: there is no such node"),
    ],
)
def test_it_says_what_would_fail_in_a_fence(
    action: str, values: dict[str, str], complaint: str
) -> None:
    ended = by_stdin(action=action, **values)
    assert ended.rc == (1 if complaint else 0)
    assert complaint in ended.err


def test_the_nodes_that_it_is_for() -> None:
    ended = by_stdin(action="list", hostlist="host1, host2")
    assert ended == Completed(0, "host1,\nhost2,\n", "")


def test_every_parameter_is_an_option(node: Node) -> None:
    node.is_active(1)
    given = {**{one.name: "" for one in parameters.TABLE}, **SLIDES, "standby_wait_time": "3"}
    options = [
        f"--{name.replace('_', '-')}={value}"
        for name, value in given.items()
        if name not in ("priority", "stonith-timeout")
    ]
    assert called(["-o", "off", "-n", "guest1", *options], "").rc == 1
    assert node.slept == [3.0]
    assert all(one.longdesc.split()[0] in usage(TEXTS) for one in parameters.TABLE)
