# SPDX-License-Identifier: GPL-2.0-or-later
"""Both faces started by the programs that start them: cluster-glue's stonith, Pacemaker's
fence_legacy, pcs, crm and crm_resource.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest

from tests.tools.guest import needs_root
from tests.unit.stonith.connectd import Connectd

if TYPE_CHECKING:
    import subprocess

    from tests.tools.guest import Guest

pytestmark = needs_root

TOKENS = {"guest1": "U2FsdGVkX1+one==", "guest2": "U2FsdGVkX1+two="}
HOSTLIST = " ".join(f"{host}:{token}" for host, token in TOKENS.items())


def stonith(guest: Guest, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return guest.run("stonith", "-t", "external/vm-stonith", *arguments, **env)


def test_stonith_lists_it_and_asks_its_names(guest: Guest) -> None:
    assert "external/vm-stonith" in guest.run("stonith", "-L").stdout.split()
    assert stonith(guest, "-n").stdout.split() == ["hostlist", "delimeter", "delimiter", "timeout"]
    assert '<parameter name="hostlist"' in stonith(guest, "-m").stdout


def test_stonith_lists_hosts(guest: Guest) -> None:
    assert stonith(guest, f"hostlist={HOSTLIST}", "-l").stdout.split() == list(TOKENS)
    assert stonith(guest, "-E", "-l", hostlist=HOSTLIST).stdout.split() == list(TOKENS)


def test_stonith_asks_the_status(guest: Guest) -> None:
    with connectd(guest, "OK on") as server:
        assert stonith(guest, f"hostlist={HOSTLIST}", "-S").returncode == 0
        assert server.bodies == [f"status {token}" for token in TOKENS.values()]
    with connectd(guest, "NG bad token"):
        done = stonith(guest, f"hostlist={HOSTLIST}", "-S")
        assert done.returncode != 0
        assert "status of guest2: NG bad token" in done.stderr


@pytest.mark.parametrize("operation", ["on", "off", "reset"])
def test_stonith_fences(guest: Guest, operation: str) -> None:
    # It gives the name in lower case.
    arguments = (f"hostlist={HOSTLIST}", "-T", operation, "GUEST2")
    with connectd(guest, "OK") as server:
        assert stonith(guest, *arguments).returncode == 0
        assert server.bodies == [f"{operation} {TOKENS['guest2']}"]
    with connectd(guest, "NG not allowed"):
        done = stonith(guest, *arguments)
        # S_RESETFAIL.
        assert done.returncode == 5
        assert "NG not allowed" in done.stderr
        assert TOKENS["guest2"] not in done.stdout + done.stderr


def test_the_other_delimiter_reaches_the_plugin(guest: Guest) -> None:
    for name in ("delimeter", "delimiter"):
        done = stonith(guest, "hostlist=guest1@x guest2@y", f"{name}=@", "-l")
        assert done.stdout.split() == ["guest1", "guest2"]
    assert stonith(guest, f"hostlist={HOSTLIST}", "delimeter=@", "-l").returncode != 0


def test_pacemakers_bridge_gives_what_the_slides_say(guest: Guest) -> None:
    """As pacemaker-fenced starts it for stonith:external/vm-stonith of appendix B."""
    given = f"plugin=external/vm-stonith\npriority=2\nstonith-timeout=30s\nhostlist={HOSTLIST}\n"
    with connectd(guest, "OK") as server:
        reboot = guest.run("fence_legacy", stdin=f"{given}action=reboot\nnodename=guest2\n")
        assert reboot.returncode == 0, reboot.stderr
        assert server.bodies == [f"reset {TOKENS['guest2']}"]
    with connectd(guest, "OK off") as server:
        assert guest.run("fence_legacy", stdin=f"{given}action=monitor\n").returncode == 0
        assert len(server.bodies) == 2


def test_the_agent_by_its_name(guest: Guest) -> None:
    with connectd(guest, "OK off") as server:
        given = f"action=status\nnodename=guest1\nplug=guest1\nhostlist={HOSTLIST}\n"
        done = guest.run("fence_vm_stonith", stdin=given)
        assert (done.returncode, done.stdout, done.stderr) == (2, "Status: OFF\n", "")
        assert server.bodies == [f"status {TOKENS['guest1']}"]


@pytest.mark.parametrize(
    "command",
    [
        "pcs stonith describe fence_vm_stonith",
        "crm ra info stonith:fence_vm_stonith",
        "crm ra info stonith:external/vm-stonith",
        "crm_resource --show-metadata stonith:fence_vm_stonith",
    ],
)
def test_cluster_tools_describe_it(guest: Guest, command: str) -> None:
    done = guest.run(*shlex.split(command))
    assert done.returncode == 0, done.stderr
    assert "hostlist" in done.stdout


def connectd(guest: Guest, said: str) -> Connectd:
    (guest.run_dir / "vm-connectd.sock").unlink(missing_ok=True)
    return Connectd(guest.run_dir, lambda _: said)
