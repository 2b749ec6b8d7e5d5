# SPDX-License-Identifier: GPL-2.0-or-later
"""ocf:extra:vm-anything: any program that stays in the foreground, as a Pacemaker resource."""

from __future__ import annotations

from agents.vm_anything.parameters import LONGDESC, PARAMETERS
from pmkvm.ocf import agent
from pmkvm.ocf.table import Action, Agent, lazy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

# Each action loads what it needs: a monitor runs every few seconds.
_start = lazy("agents.vm_anything.start:start", lasts=True)
_stop = lazy("agents.vm_anything.stop:stop", lasts=True)
_monitor = lazy("agents.vm_anything.monitor:monitor")
_validate_all = lazy("agents.vm_anything.program:validate_all")

AGENT = Agent(
    name="vm-anything",
    version="2.0",
    shortdesc="Any program as a resource",
    longdesc=LONGDESC,
    parameters=PARAMETERS,
    actions=(
        Action("start", 20, _start),
        Action("stop", 20, _stop, tolerant=True),
        Action("status", 20, _monitor, interval_s=10, tolerant=True),
        Action("monitor", 20, _monitor, interval_s=10, tolerant=True),
        Action("validate-all", 5, _validate_all),
    ),
)


def main() -> NoReturn:
    agent.main(AGENT)


if __name__ == "__main__":
    main()
