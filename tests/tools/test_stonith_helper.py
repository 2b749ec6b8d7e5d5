# SPDX-License-Identifier: GPL-2.0-or-later
"""external/stonith-helper started by cluster-glue's stonith and by Pacemaker's fence_legacy, with
the parameters of the slides' appendix B as they are printed there; fence_vm_helper by its name, and
the text of doc/stonith-helper.md as crm and pcs take it.
"""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

from stonith.stonith_helper import parameters
from tests import tree
from tests.tools.guest import needs_root

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.tools.guest import Guest

pytestmark = needs_root

# crm_resource's words about a resource, in the place of a cluster that runs it here.
HERE = "echo resource guest_resource1 is running on: `uname -n` | grep -q `uname -n`"
ELSEWHERE = "echo resource guest_resource1 is running on: another | grep -q `uname -n`"
COMMAND = "/usr/sbin/crm_resource -r guest_resource1 -W | grep -q `hostname`"
SLIDES = {
    "priority": "1",
    "stonith-timeout": "40",
    "hostlist": "guest1",
    "dead_check_target": "192.168.xxx.xxx 192.168.yyy.xxx",
    "standby_check_command": COMMAND,
}
# cluster-glue's S_RESETFAIL.
RESET_FAILED = 5


def stonith(guest: Guest, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return guest.run("stonith", "-t", "external/stonith-helper", *arguments, **env)


def legacy(
    guest: Guest, action: str, **parameters_: str
) -> tuple[subprocess.CompletedProcess[str], float]:
    """As pacemaker-fenced starts it, and how long it took."""
    lines = {"plugin": "external/stonith-helper", **SLIDES, **parameters_, "action": action}
    given = "".join(f"{name}={value}\n" for name, value in lines.items())
    began = time.monotonic()
    return guest.run("fence_legacy", stdin=f"{given}nodename=guest1\n"), time.monotonic() - began


def test_stonith_lists_it_and_asks_its_names(guest: Guest) -> None:
    assert "external/stonith-helper" in guest.run("stonith", "-L").stdout.split()
    assert stonith(guest, "-n").stdout.split() == [one.name for one in parameters.TABLE]
    described = stonith(guest, "-m").stdout
    assert '<parameter name="standby_check_command"' in described
    assert "Other than in 2011" in stonith(guest, "-h").stdout


def test_the_slides_parameters_are_taken_as_printed(guest: Guest) -> None:
    assert stonith(guest, "-E", "-S", **SLIDES).returncode == 0
    assert stonith(guest, "-E", "-l", **SLIDES).stdout.split() == ["guest1"]
    monitored, _ = legacy(guest, "monitor")
    assert monitored.returncode == 0, monitored.stderr


def test_a_missing_parameter_is_named(guest: Guest) -> None:
    done = stonith(guest, "hostlist=guest1", "-S")
    assert done.returncode != 0
    assert "standby_check_command is not set" in done.stderr


@pytest.mark.parametrize("action", ["reboot", "off"])
@pytest.mark.parametrize(
    ("command", "said", "at_least_s"),
    [
        (HERE, "no wait, this node is the active one", 0),
        (ELSEWHERE, "waiting 3 s, this node is the standby", 3),
    ],
)
def test_the_active_node_is_not_delayed_and_the_standby_is(
    guest: Guest, tmp_path: Path, action: str, command: str, said: str, at_least_s: float
) -> None:
    """The command reaches a shell with its backquotes and its pipe."""
    log = tmp_path / "log"
    given = {"standby_check_command": command, "standby_wait_time": "3", "HA_LOGFILE": str(log)}
    done, took_s = legacy(guest, action, **given)
    # The next device of the topology is asked in both cases.
    assert done.returncode != 0
    assert said in log.read_text(encoding="utf-8")
    assert took_s >= at_least_s


def test_the_slides_own_command_is_no_where_no_cluster_runs(guest: Guest) -> None:
    done, took_s = legacy(guest, "reboot", standby_wait_time="2")
    assert done.returncode != 0
    assert took_s >= 2


def test_crm_loads_the_slides_text(guest: Guest, tmp_path: Path) -> None:
    """Appendix B, to the letter; the value with the backquotes arrives as it is."""
    cib = tmp_path / "cib.xml"
    cib.write_text(guest.run("cibadmin", "--empty").stdout, encoding="utf-8")
    text = tmp_path / "slides"
    text.write_text(
        "primitive helper-guest1 stonith:external/stonith-helper \\\n  params \\\n"
        + "".join(f'    {name}="{value}" \\\n' for name, value in SLIDES.items())
        + '  op start interval="0s" timeout="60s" \\\n'
        + '  op monitor interval="10s" timeout="60s" \\\n'
        + '  op stop interval="0s" timeout="60s"\n',
        encoding="utf-8",
    )
    argv = ("crm", "--force", "configure", "load", "update", str(text))
    done = guest.run(*argv, CIB_file=str(cib), HOME=str(tmp_path))
    assert done.returncode == 0, done.stderr
    pairs = ElementTree.parse(cib).iterfind(".//primitive/instance_attributes/nvpair")
    assert {pair.get("name"): pair.get("value") for pair in pairs} == SLIDES


def test_a_command_that_can_not_be_run_is_named(guest: Guest) -> None:
    wrong = {**SLIDES, "standby_check_command": "/nowhere/check -x"}
    done = stonith(guest, "-E", "-S", **wrong)
    assert done.returncode != 0
    assert "/nowhere/check is not there" in done.stderr
    monitored, _ = legacy(guest, "monitor", standby_check_command="grep -q 'open")
    assert monitored.returncode != 0
    assert "the shell can't read it" in monitored.stderr


@pytest.mark.parametrize(("command", "at_least_s"), [(HERE, 0), (ELSEWHERE, 3)])
def test_the_fence_agent_delays_the_standby_and_says_no(
    guest: Guest, command: str, at_least_s: float
) -> None:
    given = f"hostlist=guest1\nstandby_check_command={command}\nstandby_wait_time=3\n"
    assert guest.run("fence_vm_helper", stdin=f"{given}action=monitor\n").returncode == 0
    began = time.monotonic()
    done = guest.run("fence_vm_helper", stdin=f"{given}action=reboot\nnodename=guest1\n")
    assert time.monotonic() - began >= at_least_s
    assert (done.returncode, done.stdout) == (1, "")
    assert "the next device is asked" in done.stderr


@pytest.mark.parametrize(
    "command",
    [
        "pcs stonith describe fence_vm_helper",
        "crm ra info stonith:fence_vm_helper",
        "crm_resource --show-metadata stonith:fence_vm_helper",
    ],
)
def test_cluster_tools_describe_the_fence_agent(guest: Guest, command: str) -> None:
    done = guest.run(*command.split())
    assert done.returncode == 0, done.stderr
    assert "standby_check_command" in done.stdout


def documented(begins: str) -> str:
    """The block of the page that sets stonith-helper up and begins so."""
    page = (tree.ROOT / "doc" / "stonith-helper.md").read_text(encoding="utf-8")
    blocks = page.partition("## Set stonith-helper up")[2].split("```\n")[1::2]
    (found,) = [block for block in blocks if block.startswith(begins)]
    return found


def levels(cib: Path) -> list[tuple[str | None, str | None, str | None]]:
    found = ElementTree.parse(cib).iter("fencing-level")
    return sorted((one.get("target"), one.get("index"), one.get("devices")) for one in found)


LEVELS = [
    (host, index, f"prm{device}-{host}")
    for host in ("host1", "host2")
    for index, device in (("1", "Helper"), ("2", "Ipmi"))
]


def commands(cib: Path) -> list[str]:
    """What the standby is found out by, as Pacemaker gives it to the agent."""
    pairs = ElementTree.parse(cib).iterfind(".//nvpair[@name='standby_check_command']")
    return [str(pair.get("value")) for pair in pairs]


def test_crm_loads_the_pages_text(guest: Guest, tmp_path: Path) -> None:
    cib, text = tmp_path / "cib.xml", tmp_path / "text"
    cib.write_text(guest.run("cibadmin", "--empty").stdout, encoding="utf-8")
    ipmi = "".join(
        f"primitive prmIpmi-{host} stonith:fence_ipmilan params ip=192.0.2.1 username=u\n"
        for host in ("host1", "host2")
    )
    text.write_text(ipmi + documented("primitive prmHelper-host1"), encoding="utf-8")
    argv = ("crm", "configure", "load", "update", str(text))
    done = guest.run(*argv, CIB_file=str(cib), HOME=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert levels(cib) == LEVELS
    assert commands(cib) == ["crm_resource -r prmVMCTL_guest1 -W | grep -qw `uname -n`"] * 2


def test_pcs_takes_the_pages_text(guest: Guest, tmp_path: Path) -> None:
    cib, script = tmp_path / "cib.xml", tmp_path / "script"
    cib.write_text(guest.run("cibadmin", "--empty").stdout, encoding="utf-8")
    ipmi = "".join(
        f"pcs stonith create prmIpmi-{host} fence_ipmilan ip=192.0.2.1 username=u\n"
        for host in ("host1", "host2")
    )
    text = ipmi + documented("pcs stonith create prmHelper-host1")
    # Without a cluster nobody knows the nodes of the levels.
    text = text.replace("level add", "level --force add").replace("pcs ", f"pcs -f {cib} ")
    script.write_text(f"set -e\n{text}", encoding="utf-8")
    done = guest.run("sh", str(script))
    assert done.returncode == 0, done.stdout + done.stderr
    assert levels(cib) == LEVELS
    assert commands(cib) == ["crm_resource -r prmVMCTL_guest1 -W | grep -qw `uname -n`"] * 2


@pytest.fixture
def silent_address() -> Iterator[str]:
    """An address of this machine that nobody answers for: a bridge without members."""
    name = f"pmhelper{os.getpid() % 10**6}"
    subprocess.run(["ip", "link", "add", name, "type", "bridge"], check=True, timeout=10)
    try:
        for arguments in (
            ["address", "add", "192.0.2.1/24", "dev", name],
            ["link", "set", name, "up"],
        ):
            subprocess.run(["ip", *arguments], check=True, timeout=10)
        yield "192.0.2.7"
    finally:
        subprocess.run(["ip", "link", "delete", name], check=True, timeout=10)


@pytest.mark.parametrize(
    ("second", "trust", "rc"),
    [
        ("", "no", RESET_FAILED),
        ("", "yes", 0),
        # One that answers, one that can't be asked.
        ("127.0.0.1", "yes", RESET_FAILED),
        ("127.0.0.1%nosuch0", "yes", RESET_FAILED),
    ],
)
def test_silence_is_a_death_only_for_who_says_so(
    guest: Guest, silent_address: str, second: str, trust: str, rc: int
) -> None:
    done = stonith(
        guest,
        "hostlist=guest1",
        "run_standby_wait=no",
        f"dead_check_target={silent_address} {second}",
        "dead_check_trialcount=1",
        f"trust_dead_check={trust}",
        "-T",
        "reset",
        "guest1",
    )
    assert done.returncode == rc, done.stderr
