# SPDX-License-Identifier: GPL-2.0-or-later
"""Both faces started by the programs that start them: cluster-glue's stonith, Pacemaker's
fence_legacy, pcs, crm and crm_resource. They look in fixed places, so each runs with our programs
laid over those in a mount namespace of its own.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import tree
from tests.unit.stonith.connectd import Connectd

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mount namespaces need root")

TOKENS = {"guest1": "U2FsdGVkX1+one==", "guest2": "U2FsdGVkX1+two="}
HOSTLIST = " ".join(f"{host}:{token}" for host, token in TOKENS.items())
PLACES = {
    "external": ("/usr/lib/stonith/plugins/external", "vm-stonith"),
    "fence_agent": ("/usr/sbin", "fence_vm_stonith"),
}
PROGRAM = """\
#!{python} -I
import sys
sys.dont_write_bytecode = True
sys.path.insert(0, {root!r})
from pmkvm import settings
settings.RUN_DIR = {run_dir!r}
from stonith.vm_stonith.{module} import main
sys.exit(main())
"""


class Guest:
    """A guest's file system with our programs in it."""

    def __init__(self, directory: Path) -> None:
        self.run_dir = directory / "run"
        self._mounts = []
        for module, (place, name) in PLACES.items():
            program = directory / module / name
            program.parent.mkdir()
            text = PROGRAM.format(
                python=sys.executable, root=str(tree.ROOT), run_dir=str(self.run_dir), module=module
            )
            program.write_text(text, encoding="utf-8")
            program.chmod(0o755)
            self._mounts.append(
                f"mount -t overlay overlay -o lowerdir={program.parent}:{place} {place}"
            )

    def run(self, *words: str, stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
        script = " && ".join([*self._mounts, f"exec {shlex.join(words)}"])
        return subprocess.run(
            ["unshare", "--mount", "sh", "-c", script],
            input=stdin,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HA_LOGFACILITY": "none", **env},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def stonith(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        return self.run("stonith", "-t", "external/vm-stonith", *words, **env)


@pytest.fixture(scope="module")
def guest() -> Iterator[Guest]:
    # Not pytest's directory: libstonith refuses what others may write to, and everyone must get in.
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        yield Guest(Path(directory))


def test_stonith_lists_it_and_asks_its_names(guest: Guest) -> None:
    assert "external/vm-stonith" in guest.run("stonith", "-L").stdout.split()
    names = guest.stonith("-n").stdout.split()
    assert names == ["hostlist", "delimeter", "delimiter", "timeout"]
    assert '<parameter name="hostlist"' in guest.stonith("-m").stdout


def test_stonith_lists_hosts(guest: Guest) -> None:
    assert guest.stonith(f"hostlist={HOSTLIST}", "-l").stdout.split() == list(TOKENS)
    assert guest.stonith("-E", "-l", hostlist=HOSTLIST).stdout.split() == list(TOKENS)


def test_stonith_asks_the_status(guest: Guest) -> None:
    with connectd(guest, "OK on") as server:
        assert guest.stonith(f"hostlist={HOSTLIST}", "-S").returncode == 0
        assert server.bodies == [f"status {token}" for token in TOKENS.values()]
    with connectd(guest, "NG bad token"):
        done = guest.stonith(f"hostlist={HOSTLIST}", "-S")
        assert done.returncode != 0
        assert "status of guest2: NG bad token" in done.stderr


@pytest.mark.parametrize("operation", ["on", "off", "reset"])
def test_stonith_fences(guest: Guest, operation: str) -> None:
    # It gives the name in lower case.
    words = (f"hostlist={HOSTLIST}", "-T", operation, "GUEST2")
    with connectd(guest, "OK") as server:
        assert guest.stonith(*words).returncode == 0
        assert server.bodies == [f"{operation} {TOKENS['guest2']}"]
    with connectd(guest, "NG not allowed"):
        done = guest.stonith(*words)
        # S_RESETFAIL.
        assert done.returncode == 5
        assert "NG not allowed" in done.stderr
        assert TOKENS["guest2"] not in done.stdout + done.stderr


def test_the_other_delimiter_reaches_the_plugin(guest: Guest) -> None:
    for name in ("delimeter", "delimiter"):
        done = guest.stonith("hostlist=guest1@x guest2@y", f"{name}=@", "-l")
        assert done.stdout.split() == ["guest1", "guest2"]
    assert guest.stonith(f"hostlist={HOSTLIST}", "delimeter=@", "-l").returncode != 0


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
    "words",
    [
        "pcs stonith describe fence_vm_stonith",
        "crm ra info stonith:fence_vm_stonith",
        "crm ra info stonith:external/vm-stonith",
        "crm_resource --show-metadata stonith:fence_vm_stonith",
    ],
)
def test_cluster_tools_describe_it(guest: Guest, words: str) -> None:
    done = guest.run(*shlex.split(words))
    assert done.returncode == 0, done.stderr
    assert "hostlist" in done.stdout


def connectd(guest: Guest, said: str) -> Connectd:
    (guest.run_dir / "vm-connectd.sock").unlink(missing_ok=True)
    return Connectd(guest.run_dir, lambda _: said)
