# SPDX-License-Identifier: GPL-2.0-or-later
"""fence_vm_stonith, called as pacemaker-fenced and a person call it."""

from __future__ import annotations

import io
import sys
import time
from typing import TYPE_CHECKING

import pytest

from pmkvm.run import Completed, run
from stonith.plugin import fence_agent, fence_options
from stonith.vm_stonith.fence_agent import AGENT
from stonith.vm_stonith.options import OPTIONS
from stonith.vm_stonith.texts import TEXTS
from tests import tree
from tests.unit.stonith.connectd import Connectd, one_is_bad

if TYPE_CHECKING:
    from pathlib import Path


TOKENS = {"guest1": "dG9rZW4x==", "guest2": "dG9rZW4y"}
HOSTLIST = " ".join(f"{host}:{token}" for host, token in TOKENS.items())


def _run(argv: list[str], stdin: str) -> Completed:
    out, err = io.StringIO(), io.StringIO()
    env = {"HA_LOGFACILITY": "none"}
    rc = fence_agent.run(AGENT, argv, io.StringIO(stdin), env, out, err)
    return Completed(rc, out.getvalue(), err.getvalue())


def by_stdin(**values: str) -> Completed:
    """hostlist is there unless it is given."""
    lines = {"hostlist": HOSTLIST, **values}
    return _run([], "".join(f"{name}={value}\n" for name, value in lines.items()))


def by_options(*argv: str) -> Completed:
    return _run([f"--hostlist={HOSTLIST}", *argv], "action=off\nplug=guest1\n")


@pytest.mark.parametrize(
    ("action", "sent", "out"),
    [
        ("on", "on", "Success: Powered ON\n"),
        ("off", "off", "Success: Powered OFF\n"),
        ("reboot", "reset", "Success: Rebooted\n"),
        ("", "reset", "Success: Rebooted\n"),
        ("REBOOT", "reset", "Success: Rebooted\n"),
    ],
)
def test_a_fence(run_dir: Path, action: str, sent: str, out: str) -> None:
    with Connectd(run_dir, lambda _: "OK") as connectd:
        assert by_stdin(action=action, plug="guest2") == Completed(0, out, "")
        assert connectd.bodies == [f"{sent} {TOKENS['guest2']}"]


@pytest.mark.parametrize("said", ["NG not allowed", "OK off", "", "okay"])
@pytest.mark.parametrize("action", ["on", "off", "reboot"])
def test_a_fence_without_the_word_ok_has_failed(run_dir: Path, action: str, said: str) -> None:
    with Connectd(run_dir, lambda _: said):
        ended = by_stdin(action=action, plug="guest2")
    assert (ended.rc, ended.out) == (1, "")
    assert f"{action} of guest2: " in ended.err


@pytest.mark.parametrize(
    ("said", "rc", "out"),
    [
        ("OK on", 0, "Status: ON\n"),
        ("OK off", 2, "Status: OFF\n"),
        ("OK", 1, ""),
        ("NG unknown resource", 1, ""),
        ("nonsense", 1, ""),
    ],
)
def test_status_is_on_off_or_unknown(run_dir: Path, said: str, rc: int, out: str) -> None:
    with Connectd(run_dir, lambda _: said):
        ended = by_stdin(action="status", plug="guest2")
    assert (ended.rc, ended.out) == (rc, out)
    assert bool(ended.err) == (rc == 1)


def test_monitor_is_the_way_to_vm_stonithd_and_back_for_each_token(run_dir: Path) -> None:
    with Connectd(run_dir, lambda _: "OK off") as connectd:
        assert by_stdin(action="monitor", nodename="guest1") == Completed(0, "", "")
        assert connectd.bodies == [f"status {token}" for token in TOKENS.values()]


def test_monitor_fails_by_one_bad_token(run_dir: Path) -> None:
    with Connectd(run_dir, one_is_bad(TOKENS["guest1"])):
        ended = by_stdin(action="monitor")
    assert (ended.rc, ended.err) == (1, "ERROR: monitor, guest1: NG bad token\n")


def test_monitor_fails_without_a_channel(run_dir: Path) -> None:
    ended = by_stdin(action="monitor", timeout="0.2")
    assert ended.rc == 1
    assert str(run_dir) in ended.err


def test_list_needs_no_channel() -> None:
    assert by_stdin(action="list") == Completed(0, "guest1,\nguest2,\n", "")


def test_list_status_says_unknown_where_it_is(run_dir: Path) -> None:
    with Connectd(run_dir, one_is_bad(TOKENS["guest2"], others="OK off")):
        assert by_stdin(action="list-status").out == "guest1,,OFF\nguest2,,UNKNOWN\n"


@pytest.mark.parametrize(
    ("names", "host"),
    [
        ({"plug": "guest1", "port": "guest2", "nodename": "guest2"}, "guest1"),
        ({"nodename": "guest2", "port": "guest1"}, "guest1"),
        ({"nodename": "GUEST1"}, "guest1"),
        ({"plug": "", "nodename": "guest1"}, "guest1"),
    ],
)
def test_the_target_is_plug_over_port_over_nodename(
    run_dir: Path, names: dict[str, str], host: str
) -> None:
    with Connectd(run_dir, lambda _: "OK") as connectd:
        assert by_stdin(action="off", **names).rc == 0
        assert connectd.bodies == [f"off {TOKENS[host]}"]


def test_a_guest_that_is_unknown_is_not_off_and_not_replaced_by_the_node_name() -> None:
    assert by_stdin(action="status", plug="guest3").rc == 1
    assert by_stdin(action="status").rc == 1
    ended = by_stdin(action="off", plug="guest3", nodename="guest1")
    assert ended == Completed(1, "", "ERROR: guest3: there is no such guest in hostlist\n")


def test_stdin_as_pacemaker_may_write_it(run_dir: Path) -> None:
    text = (
        "# a comment\n\n  action = off  \nplug=guest1\nagent=fence_vm_stonith\nnodename=guest1\n"
        f"hostlist=\nunknown\n=\npcmk_host_list=guest9\npriority=2\nhostlist={HOSTLIST}\nplug=guest2"
    )
    with Connectd(run_dir, lambda _: "OK") as connectd:
        assert _run([], text).rc == 0
        assert connectd.bodies == [f"off {TOKENS['guest2']}"]


@pytest.mark.parametrize(
    "argv",
    [
        ("-o", "off", "-n", "guest2"),
        ("-ooff", "-nguest2", "-q"),
        ("--action=off", "--plug=guest2", "--timeout=5s"),
        ("--action", "off", "--plug", "guest1", "--plug", "guest2", "--power-timeout=20"),
        ("-o", "off", "-n", "guest2", "--login-timeout", "5", "--disable-timeout=1", "-C", ","),
    ],
)
def test_options_and_no_stdin(run_dir: Path, argv: tuple[str, ...]) -> None:
    with Connectd(run_dir, lambda _: "OK") as connectd:
        assert by_options(*argv) == Completed(0, "Success: Powered OFF\n", "")
        assert connectd.bodies == [f"off {TOKENS['guest2']}"]


@pytest.mark.parametrize(
    "argv", [("--no-such=dG9rZW4y",), ("-Z", "dG9rZW4y"), ("off", "dG9rZW4y"), ("--plug",)]
)
def test_a_bad_command_line_says_no_value(argv: tuple[str, ...]) -> None:
    ended = by_options(*argv)
    assert ended.rc == 1
    assert "see --help" in ended.err
    assert "dG9rZW4y" not in ended.err


def test_quiet_and_verbose(run_dir: Path, tmp_path: Path) -> None:
    debug = tmp_path / "debug"
    with Connectd(run_dir, lambda _: "NG no"):
        assert by_stdin(action="off", plug="guest2", quiet="1").err == ""
        loud = by_stdin(action="off", plug="guest2", verbose="yes", debug_file=str(debug)).err
    assert "off guest2: NG no (" in loud
    assert "off guest2: NG no (" in debug.read_text(encoding="utf-8")
    assert TOKENS["guest2"] not in loud + debug.read_text(encoding="utf-8")


@pytest.mark.parametrize("action", ["off", "reboot"])
def test_delay_comes_before_the_request_and_takes_nothing_of_its_time(
    run_dir: Path, action: str
) -> None:
    began = time.monotonic()
    with Connectd(run_dir, lambda _: "OK") as connectd:
        assert by_stdin(action=action, plug="guest2", delay="1", timeout="60").rc == 0
        took_s = time.monotonic() - began
        assert took_s >= 1
        # What the rest took at the most, on any machine.
        assert connectd.requests[0].seconds > 60 - (took_s - 0.9)


@pytest.mark.parametrize("action", ["on", "status", "monitor"])
def test_delay_is_for_off_and_reboot_only(run_dir: Path, action: str) -> None:
    began = time.monotonic()
    with Connectd(run_dir, lambda sent: "OK" if sent.body.startswith("on ") else "OK on"):
        assert by_stdin(action=action, plug="guest2", delay="60").rc == 0
    assert time.monotonic() - began < 60


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"hostlist": ""}, "hostlist is empty"),
        ({"delay": "long"}, "delay"),
        ({"timeout": "0"}, "timeout"),
        ({"plug": "guest3"}, "guest3"),
        ({"action": "destroy"}, "there is no such action: destroy"),
    ],
)
def test_validate_all_checks_parameters(values: dict[str, str], complaint: str) -> None:
    assert by_stdin(action="validate-all") == Completed(0, "", "")
    assert by_stdin(action="validate-all", plug="guest2").rc == 0
    ended = by_stdin(**{"action": "validate-all", **values})
    assert ended.rc == 1
    assert complaint in ended.err


def test_words_about_it_need_no_device() -> None:
    assert _run(["-o", "metadata"], "") == _run([], "action=meta-data\n")
    assert "fence_vm_stonith 2" in _run(["-V"], "").out
    help_text = _run(["-h"], "").out
    manual = _run([], "action=manpage\n").out
    for one in OPTIONS:
        assert f"--{fence_options.long(one)}" in help_text or one.replaced_by
    for name, _ in TEXTS.actions:
        assert name in help_text
        assert name.replace("-", "\\-") in manual


def test_every_action_of_the_metadata_is_one(run_dir: Path) -> None:
    with Connectd(run_dir, lambda sent: "OK on" if sent.body.startswith("status") else "OK"):
        for name, _ in TEXTS.actions:
            assert by_stdin(action=name, plug="guest2").rc == 0, name


def test_list_loads_little() -> None:
    code = (
        "import io, sys; from stonith.plugin import fence_agent\n"
        "from stonith.vm_stonith.fence_agent import AGENT\n"
        "given = ['hostlist=g:t', 'action=list']\n"
        "rc = fence_agent.run(AGENT, [], given, {}, io.StringIO(), sys.stderr)\n"
        "slow = {'json', 'socket', 'typing', 'xml', 'argparse', 'logging', 'cryptography'}\n"
        "print(rc, sorted(slow & set(sys.modules)))"
    )
    code = f"import sys; sys.path.insert(0, {str(tree.ROOT)!r})\n{code}"
    assert run([sys.executable, "-IS", "-c", code], timeout_s=120) == Completed(0, "0 []\n", "")
