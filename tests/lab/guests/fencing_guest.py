# SPDX-License-Identifier: GPL-2.0-or-later
"""How a guest asks for a fence: by the modern agent, by cluster-glue's stonith, by vm-connect."""

from __future__ import annotations

from typing import NamedTuple

from tests.lab.cluster import stonith
from tests.lab.errors import LabError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.lab.guests.guest_commands import Command
    from tests.lab.guests.guests import Guest, Guests

AGENT, PLUGIN, CONNECT = "fence_vm_stonith", "external/vm-stonith", "vm-connect"
REQUEST_S = 20.0
GRACE_S = 40.0

# Takes the time in the guest, of the program alone.
_TIMED = """
import os, subprocess, sys, time
stdin, env = sys.stdin.read(), {**os.environ, "HA_LOGFILE": sys.argv[1]}
began = time.monotonic()
done = subprocess.run(sys.argv[2:], input=stdin, env=env, capture_output=True, text=True)
print(time.monotonic() - began, done.returncode)
print((done.stdout + done.stderr).strip())
"""
# Where the plugins' lines go in the guest.
LOG = "/run/lab/fences.log"
_ACTIONS = {"reset": "reboot"}
_GLUE = {"status": ["-S"], "list": ["-l"]}


class Answered(NamedTuple):
    """What the program that asked made of it, and after how long, as the guest measured it."""

    rc: int
    text: str
    took_s: float

    @property
    def is_ok(self) -> bool:
        """vm-connect ends with 0 whatever the answer says."""
        return self.rc == 0 and not self.text.startswith("NG")


class Asking(NamedTuple):
    """A request that is out."""

    command: Command

    def answered(self) -> Answered:
        """Waits for it. LabError if the guest ended before."""
        out = self.command.result().out
        figures, _, text = out.partition("\n")
        took, _, rc = figures.partition(" ")
        if not rc:
            raise LabError(f"nothing measured in the guest: {out!r}")
        return Answered(int(rc), text.strip(), float(took))


class Timed(NamedTuple):
    """A program to run in a guest, by its clock."""

    argv: list[str]
    stdin: str = ""
    timeout_s: float = REQUEST_S

    def begin(self, guests: Guests, guest: Guest) -> Asking:
        """Back when it runs there."""
        command = ["/usr/bin/python3", "-c", _TIMED, LOG, *self.argv]
        limit = self.timeout_s + GRACE_S
        return Asking(guests.begin(guest, command, timeout_s=limit, stdin=self.stdin))


class Ask(NamedTuple):
    """Through which program a guest asks for what, of which peer.

    token: instead of the one of 2011.
    """

    operation: str
    plug: str
    resource: str
    through: str = AGENT
    timeout_s: float = REQUEST_S
    token: str = ""

    def begin(self, guests: Guests, requester: Guest) -> Asking:
        """Back when the program runs in the guest."""
        argv, stdin = self._command()
        return Timed(argv, stdin, self.timeout_s).begin(guests, requester)

    def _command(self) -> tuple[list[str], str]:
        token = self.token or stonith.token(self.resource)
        hostlist = f"{self.plug}:{token}"
        seconds = f"{self.timeout_s:.0f}"
        if self.through == AGENT:
            action = _ACTIONS.get(self.operation, self.operation)
            values = {
                "action": action,
                "plug": self.plug,
                "hostlist": hostlist,
                "timeout": seconds,
            }
            return [AGENT], "".join(f"{name}={value}\n" for name, value in values.items())
        if self.through == PLUGIN:
            arguments = _GLUE.get(self.operation, ["-T", self.operation, self.plug])
            device = ["-t", PLUGIN, f"hostlist={hostlist}", f"timeout={seconds}"]
            return ["stonith", *device, *arguments], ""
        argv = [CONNECT, "-t", "stonith", "-r", f"{self.operation} {token}"]
        return [*argv, "--timeout", seconds], ""
