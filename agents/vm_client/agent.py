# SPDX-License-Identifier: GPL-2.0-or-later
"""ocf:extra:vm-client: node attributes of a guest's host, as attributes of the guest."""

from __future__ import annotations

from agents.vm_client.parameters import LONGDESC, PARAMETERS
from pmkvm.ocf import agent
from pmkvm.ocf.table import Action, Agent, lazy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

# Each action loads what it needs: a monitor runs every few seconds.
_start = lazy("agents.vm_client.start:start", lasts=True)
_stop = lazy("agents.vm_client.stop:stop", lasts=True)
_monitor = lazy("agents.vm_client.monitor:monitor")
_validate_all = lazy("agents.vm_client.start:validate_all")

AGENT = Agent(
    name="vm-client",
    version="2.0",
    shortdesc="Node attributes of the host, in its guest",
    longdesc=LONGDESC,
    parameters=PARAMETERS,
    actions=(
        Action("start", 90, _start),
        Action("stop", 100, _stop, tolerant=True),
        Action("monitor", 20, _monitor, interval_s=10, tolerant=True),
        Action("validate-all", 30, _validate_all),
    ),
)


def main() -> NoReturn:
    agent.main(AGENT)


if __name__ == "__main__":
    main()
