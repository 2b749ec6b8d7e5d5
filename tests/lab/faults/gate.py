# SPDX-License-Identifier: GPL-2.0-or-later
"""A gate before the agents of a host: it notes each call and how that ended, keeps one waiting
until the test lets it on, and runs calls under limits.

It stands in the agents' own place. What it is told and what it tells is on the shared storage,
which no shortage of the host touches.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NamedTuple

from tests.lab.faults.situations import wait_until
from tests.lab.hosts.machine import SHARED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.lab.hosts.machine import Machine
    from tests.lab.lab import Lab

PLACE = "/usr/lib/ocf/resource.d/extra"
# Where the agents themselves are meanwhile. Pacemaker lists no agents there.
BEHIND = "/usr/lib/ocf/lib/behind-the-gate"
AGENTS = ("VirtualDomain", "vm-anything")
REACHED_S = 90.0

SCRIPT = """#!/bin/sh
at={directory}
agent={behind}/{agent}
case "$1" in meta-data|usage) exec "$agent" "$@" ;; esac
resource=${{OCF_RESOURCE_INSTANCE%%:*}}
interval=${{OCF_RESKEY_CRM_meta_interval:-0}}
case "$interval" in 0) kind=once ;; *) kind=again ;; esac
if mv "$at/hold-$resource-$1-$kind" "$at/held" 2>/dev/null; then
    while [ ! -e "$at/go" ]; do sleep .02; done
fi
limits=
read -r limits 2>/dev/null <"$at/limits"
echo "$(date +%s.%N) begin $$ $resource $1 $kind $limits" >>"$at/calls"
# A shell of its own: it becomes the agent, and $$ is its number.
sh -c "${{limits:-true}}"' && exec "$@"' sh "$agent" "$@"
rc=$?
echo "$(date +%s.%N) end $$ $rc" >>"$at/calls"
exit $rc
"""


class Call(NamedTuple):
    """One call of an agent; rc is None while it runs, and if it was killed with its gate."""

    host: str
    resource: str
    action: str
    # A recurring one has an interval.
    is_recurring: bool
    limits: str
    began_s: float
    ended_s: float | None = None
    rc: int | None = None

    @property
    def is_monitor(self) -> bool:
        return self.action == "monitor"


class Gate:
    """On all hosts, from install() to remove()."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab

    def install(self) -> None:
        for host in self._lab.hosts:
            directory = self._inside(host)
            Path(self._outside(host)).mkdir(parents=True, exist_ok=True)
            host.must(["mkdir", "-p", BEHIND])
            for agent in AGENTS:
                place, behind = f"{PLACE}/{agent}", f"{BEHIND}/{agent}"
                text = SCRIPT.format(directory=directory, behind=BEHIND, agent=agent)
                host.write(f"{behind}.gate", text, "0755")
                # The one that Pacemaker calls is there at any moment.
                host.must(["cp", "--preserve", place, behind])
                host.must(["mv", "-T", f"{behind}.gate", place])
        self.open()

    def remove(self) -> None:
        self.open()
        for host in self._lab.hosts:
            for agent in AGENTS:
                host.must(["mv", "-T", f"{BEHIND}/{agent}", f"{PLACE}/{agent}"])
            host.must(["rm", "-rf", BEHIND])
            shutil.rmtree(self._outside(host))

    def open(self) -> None:
        """Nobody is kept, nothing is limited, what was noted is forgotten."""
        for host in self._lab.hosts:
            directory = Path(self._outside(host))
            (directory / "go").touch()
            for path in directory.iterdir():
                if path.name != "go":
                    # A call that was kept may have taken it.
                    path.unlink(missing_ok=True)

    def hold(self, host: Machine, resource: str, action: str, *, is_recurring: bool) -> None:
        """The next such call waits until let_go()."""
        directory = Path(self._outside(host))
        for name in ("go", "held"):
            (directory / name).unlink(missing_ok=True)
        kind = "again" if is_recurring else "once"
        (directory / f"hold-{resource}-{action}-{kind}").touch()

    def wait_held(self, host: Machine, what: str) -> None:
        """Raises LabError if it does not come."""
        held = os.path.join(self._outside(host), "held")
        wait_until(lambda: os.path.exists(held), f"{what} on {host.name}", REACHED_S)

    def let_go(self, host: Machine) -> None:
        (Path(self._outside(host)) / "go").touch()

    def limit(self, host: Machine, limits: str) -> None:
        """From now on each call begins with this, in the shell that becomes the agent. Empty: with
        nothing."""
        path = Path(self._outside(host)) / "limits"
        if limits:
            path.write_text(f"{limits}\n", encoding="ascii")
        else:
            path.unlink(missing_ok=True)

    def calls(self) -> list[Call]:
        """Of all hosts, in the order in which they began."""
        found = []
        for host in self._lab.hosts:
            path = Path(self._outside(host)) / "calls"
            if path.exists():
                found += read(host.name, path.read_text(encoding="ascii"))
        return sorted(found, key=lambda call: call.began_s)

    def _inside(self, host: Machine) -> str:
        return f"{SHARED}/gate/{host.name}"

    def _outside(self, host: Machine) -> str:
        return self._lab.guests.outside(self._inside(host))


def read(host: str, text: str) -> list[Call]:
    """The calls that a gate has noted. Pure."""
    found: list[Call] = []
    # Where the last call of a process number stands; numbers are given again.
    open_at: dict[str, int] = {}
    for line in text.splitlines():
        at, event, number, *fields = line.split(maxsplit=6)
        if event == "begin":
            open_at[number] = len(found)
            resource, action, kind, *limits = fields
            found.append(Call(host, resource, action, kind == "again", "".join(limits), float(at)))
        elif number in open_at:
            # Of others the begin has been forgotten.
            index = open_at.pop(number)
            found[index] = found[index]._replace(ended_s=float(at), rc=int(fields[0]))
    return found
