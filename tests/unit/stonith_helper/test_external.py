# SPDX-License-Identifier: GPL-2.0-or-later
"""external/stonith-helper, called as libstonith calls it; the processes and the clock are ours."""

from __future__ import annotations

import io
import time
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest

from pmkvm import run
from pmkvm.errors import CommandError, CommandMissingError, CommandTimeoutError
from pmkvm.run import Completed
from stonith.plugin import glue
from stonith.stonith_helper import external, parameters

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

COMMAND = "/usr/sbin/crm_resource -r guest_resource1 -W | grep -q `hostname`"
# As appendix B of the slides has it, with addresses in the place of its x.
SLIDES = {
    "priority": "1",
    "stonith-timeout": "40",
    "hostlist": "guest1",
    "dead_check_target": "192.168.1.1 192.168.2.1",
    "standby_check_command": COMMAND,
}
SILENT, ANSWERS, BROKEN = 1, 0, 2


class Node:
    """A node as the plugin sees it: how commands end, and how long it slept."""

    def __init__(self) -> None:
        # Of a ping by its address, else of a program by its name.
        self.ends: dict[str, Completed | CommandError] = {}
        self.called: list[tuple[str, ...]] = []
        self.slept: list[float] = []

    def run(self, argv: Sequence[str], *, timeout_s: float, **_: object) -> Completed:
        assert timeout_s > 0
        self.called.append(tuple(argv))
        ended = self.ends[argv[-1] if argv[0] == "ping" else argv[0]]
        if isinstance(ended, CommandError):
            raise ended
        return ended

    def is_active(self, rc: int) -> None:
        self.ends["/bin/sh"] = Completed(rc, "", "")

    def hears(self, *replies: int) -> None:
        for address, rc in zip(SLIDES["dead_check_target"].split(), replies):
            self.ends[address] = Completed(rc, "", "")

    @property
    def pings(self) -> list[tuple[str, ...]]:
        return [argv for argv in self.called if argv[0] == "ping"]


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Node:
    made = Node()
    monkeypatch.setattr(run, "run", made.run)
    monkeypatch.setattr(time, "sleep", made.slept.append)
    return made


def plugin(*argv: str, env: Mapping[str, str] = SLIDES, **more: str) -> Completed:
    out, err = io.StringIO(), io.StringIO()
    rc = glue.run(external.PLUGIN, argv, {"HA_LOGFACILITY": "none", **env, **more}, out, err)
    return Completed(rc, out.getvalue(), err.getvalue())


@pytest.mark.parametrize("action", ["off", "reset"])
@pytest.mark.parametrize("host", ["guest1", "GUEST1"])
def test_the_active_node_goes_on_at_once(node: Node, action: str, host: str) -> None:
    node.is_active(0)
    ended = plugin(action, host)
    assert (ended.rc, sum(node.slept)) == (1, 0)
    assert "the next device is asked" in ended.err
    assert node.called == [("/bin/sh", "-c", COMMAND)]


def test_the_standby_waits_as_long_as_in_2011(node: Node) -> None:
    node.is_active(1)
    assert plugin("reset", "guest1").rc == 1
    assert node.slept == [25.0]
    assert plugin("reset", "guest1", standby_wait_time="3s").rc == 1
    assert node.slept == [25.0, 3.0]


@pytest.mark.parametrize(
    "ended",
    [
        CommandTimeoutError("/bin/sh did not end within 10.0 s"),
        CommandMissingError("/bin/sh is not installed"),
        Completed(127, "", "sh: 1: crm_resource: not found"),
        Completed(126, "", "sh: 1: crm_resource: Permission denied"),
        Completed(-9, "", ""),
    ],
)
def test_a_node_that_does_not_know_its_side_waits(
    node: Node, ended: Completed | CommandError
) -> None:
    node.ends["/bin/sh"] = ended
    told = plugin("reset", "guest1")
    assert (told.rc, node.slept) == (1, [25.0])
    assert "standby_check_command" in told.err


def test_without_a_standby_wait_no_command_is_needed_or_run(node: Node) -> None:
    env = {**SLIDES, "standby_check_command": "", "run_standby_wait": "no"}
    assert plugin("reset", "guest1", env=env).rc == 1
    assert (node.called, node.slept) == ([], [])


@pytest.mark.parametrize(
    ("ended", "seconds"),
    [
        (Completed(0, "guest1 guest2\n", ""), 0.0),
        (Completed(0, "guest1-b guest2\n", ""), 25.0),
        (Completed(0, "guest2\n", ""), 25.0),
        (Completed(102, "", "Connection to cluster failed"), 25.0),
    ],
)
def test_only_a_target_that_is_known_as_a_member_is_not_waited_for(
    node: Node, ended: Completed, seconds: float
) -> None:
    node.is_active(1)
    node.ends["crm_node"] = ended
    assert plugin("off", "guest1", run_online_check="yes").rc == 1
    assert node.slept == [seconds]
    assert node.called[-1] == ("crm_node", "--partition")


@pytest.mark.parametrize(
    ("ended", "slept"),
    [
        (Completed(0, "1\n", ""), [0.0, 10.0, 0.0]),
        (Completed(0, "0\n", ""), [0.0, 10.0, 25.0]),
        (Completed(106, "0\n", ""), [0.0, 10.0, 25.0]),
        (Completed(102, "", "no cluster"), [0.0, 10.0, 25.0]),
        (Completed(0, "", ""), [0.0, 10.0, 25.0]),
    ],
)
def test_no_quorum_is_a_wait_and_never_a_death(
    node: Node, ended: Completed, slept: list[float]
) -> None:
    node.is_active(0)
    node.ends["crm_node"] = ended
    assert plugin("reset", "guest1", run_quorum_check="yes").rc == 1
    assert node.slept == slept


@pytest.mark.parametrize(
    ("action", "told"),
    [
        ("reset", {}),
        ("reset", {"run_dead_check": "yes"}),
        ("reset", {"trust_dead_check": "no"}),
        ("off", {"trust_dead_check": "yes", "run_dead_check": "no"}),
    ],
)
def test_silence_is_no_death(node: Node, action: str, told: dict[str, str]) -> None:
    node.is_active(0)
    node.hears(SILENT, SILENT)
    assert plugin(action, "guest1", env={**SLIDES, **told}).rc == 1
    assert node.pings == []


@pytest.mark.parametrize("first", [SILENT, ANSWERS, BROKEN])
@pytest.mark.parametrize("second", [SILENT, ANSWERS, BROKEN])
def test_silence_counts_for_who_says_so_if_it_is_everywhere(
    node: Node, first: int, second: int
) -> None:
    node.is_active(0)
    node.hears(first, second)
    ended = plugin("reset", "guest1", trust_dead_check="yes")
    assert (ended.rc == 0) is ((first, second) == (SILENT, SILENT))
    argv = ("ping", "-n", "-q", "-c", "5", "-i", "1.0", "-W", "1.0")
    assert sorted(node.pings) == [(*argv, "192.168.1.1"), (*argv, "192.168.2.1")]


@pytest.mark.parametrize("error", [CommandMissingError("no ping"), CommandTimeoutError("too long")])
def test_a_ping_that_fails_is_no_silence(node: Node, error: CommandError) -> None:
    node.is_active(0)
    node.hears(SILENT, SILENT)
    node.ends["192.168.2.1"] = error
    ended = plugin("off", "guest1", trust_dead_check="yes")
    assert ended.rc == 1
    assert str(error) in ended.err


def test_addresses_with_a_way_out(node: Node) -> None:
    node.ends = {address: Completed(0, "", "") for address in ("fe80::1", "10.0.0.1")}
    node.is_active(0)
    env = {**SLIDES, "dead_check_target": "fe80::1%eth0,10.0.0.1%br0.7", "trust_dead_check": "yes"}
    assert plugin("off", "guest1", env={**env, "dead_check_trialcount": "2"}).rc == 1
    ends = sorted(argv[3:] for argv in node.pings)
    pace = ("-c", "2", "-i", "1.0", "-W", "1.0")
    assert ends == [(*pace, "-I", "br0.7", "10.0.0.1"), (*pace, "-I", "eth0", "fe80::1")]


@pytest.mark.parametrize(
    ("env", "complaint"),
    [
        ({}, "hostlist is empty"),
        ({"hostlist": "guest 1;reboot"}, "'1;reboot' is no node"),
        ({"standby_check_command": ""}, "standby_check_command is not set"),
        ({"standby_wait_time": "soon"}, "standby_wait_time is no number of seconds"),
        ({"standby_wait_time": "86400"}, "up to 3600"),
        ({"quorum_check_wait_time": "-1"}, "quorum_check_wait_time is no number"),
        ({"run_quorum_check": "maybe"}, "run_quorum_check is neither yes nor no"),
        ({"dead_check_trialcount": "0"}, "from 1 to 60"),
        ({"dead_check_trialcount": "1000"}, "from 1 to 60"),
        ({"trust_dead_check": "yes", "dead_check_target": ""}, "has no address"),
        ({"trust_dead_check": "yes", "dead_check_target": "-f"}, "'-f' is no address"),
        ({"trust_dead_check": "yes", "dead_check_target": "guest1"}, "is no address"),
        ({"trust_dead_check": "yes", "dead_check_target": "::1%-f"}, "no such interface"),
    ],
)
@pytest.mark.parametrize("action", ["status", "gethosts", "off", "reset", "on"])
def test_bad_parameters_are_exit_code_6(
    node: Node, action: str, env: dict[str, str], complaint: str
) -> None:
    ended = plugin(action, "guest1", env={**SLIDES, **env} if env else {})
    assert ended.rc == 6
    assert complaint in ended.err
    assert (node.called, node.slept) == ([], [])


def test_an_empty_value_is_one_that_is_not_set(node: Node) -> None:
    """In 2011 an empty run_quorum_check had it run."""
    node.is_active(0)
    empty = {one.name: "" for one in parameters.TABLE if one.name not in SLIDES}
    assert plugin("reset", "guest1", env={**SLIDES, **empty}).rc == 1
    assert node.called == [("/bin/sh", "-c", COMMAND)]


@pytest.mark.parametrize(
    "argv", [("reset", "guest2"), ("off", ""), ("reset",), ("on", "guest1"), ("monitor",), ()]
)
def test_what_it_can_not_do_fails_without_a_look(node: Node, argv: tuple[str, ...]) -> None:
    assert plugin(*argv).rc == 1
    assert (node.called, node.slept) == ([], [])


@pytest.mark.usefixtures("node")
def test_gethosts_looks_at_parameters_only() -> None:
    env = {**SLIDES, "hostlist": "guest1, guest2,guest3"}
    assert plugin("gethosts", env=env) == Completed(0, "guest1\nguest2\nguest3\n", "")


def test_status_has_a_shell_read_the_command_and_does_not_run_it(node: Node) -> None:
    node.is_active(0)
    assert plugin("status") == Completed(0, "", "")
    read, looked_up = node.called
    assert read == ("/bin/sh", "-n", "-c", COMMAND)
    assert looked_up[-2:] == ("sh", "/usr/sbin/crm_resource")
    assert COMMAND not in looked_up
    node.called.clear()
    env = {**SLIDES, "standby_check_command": "", "run_standby_wait": "no"}
    assert plugin("status", env=env) == Completed(0, "", "")
    assert node.called == []


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        ("grep -q 'open", "standby_check_command: the shell can't read it: "),
        ("nosuch-command -x", "standby_check_command: nosuch-command is not there"),
        ("/etc/passwd | grep x", "standby_check_command: /etc/passwd is not there, or is not exec"),
    ],
)
def test_status_says_that_the_command_can_not_be_run(command: str, complaint: str) -> None:
    ended = plugin("status", standby_check_command=command)
    assert ended.rc == 1
    assert complaint in ended.err


def test_a_status_without_a_shell_fails(node: Node) -> None:
    node.ends["/bin/sh"] = CommandTimeoutError("/bin/sh did not end within 10.0 s")
    ended = plugin("status")
    assert (ended.rc, ended.err) == (1, "ERROR: status: /bin/sh did not end within 10.0 s\n")


def test_what_it_says_of_itself_needs_no_parameters() -> None:
    names = plugin("getconfignames", env={}).out.split()
    of_2011 = (
        "hostlist run_dead_check run_quorum_check run_online_check run_standby_wait"
        " dead_check_target dead_check_trialcount standby_check_command standby_wait_time"
        " quorum_check_wait_time"
    )
    assert names == [*of_2011.split(), "trust_dead_check"]
    for one in ("devid", "devname", "devdescr", "devurl"):
        assert plugin(f"getinfo-{one}", env={}).out.strip()
    root = ET.fromstring(plugin("getinfo-xml", env={}).out)
    found = {one.get("name"): one.find("content") for one in root.iter("parameter")}
    assert list(found) == names
    defaults = {
        name: content.get("default") for name, content in found.items() if content is not None
    }
    assert defaults["standby_wait_time"] == "25"
    assert defaults["trust_dead_check"] == "no"
    # What differs from 2011 is said by name.
    said = plugin("getinfo-devdescr", env={}).out
    for name in ("run_dead_check", "trust_dead_check", "run_quorum_check"):
        assert name in said
