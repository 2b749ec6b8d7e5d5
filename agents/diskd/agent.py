# SPDX-License-Identifier: GPL-2.0-or-later
"""ocf:extra:diskd, and ocf:pacemaker:diskd as in 2011: disks that fail or hang, as an attribute."""

from __future__ import annotations

from agents.diskd.parameters import LONGDESC, PARAMETERS
from pmkvm.ocf import agent
from pmkvm.ocf.table import Action, Agent, lazy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

# Each action loads what it needs: a monitor runs every few seconds.
_start = lazy("agents.diskd.start:start", lasts=True)
_stop = lazy("agents.diskd.stop:stop", lasts=True)
_monitor = lazy("agents.diskd.monitor:monitor")
_validate_all = lazy("agents.diskd.start:validate_all")

AGENT = Agent(
    name="diskd",
    version="2.0",
    shortdesc="Disks that fail or hang, as a node attribute",
    longdesc=LONGDESC,
    parameters=PARAMETERS,
    actions=(
        Action("start", 60, _start),
        Action("stop", 60, _stop, tolerant=True),
        Action("monitor", 60, _monitor, interval_s=10, tolerant=True),
        Action("validate-all", 30, _validate_all),
    ),
)


def main() -> NoReturn:
    agent.main(AGENT)


if __name__ == "__main__":
    main()
