# SPDX-License-Identifier: GPL-2.0-or-later
"""ocf:extra:VirtualDomain: a virtual machine as a Pacemaker resource."""

from __future__ import annotations

from agents.virtual_domain.parameters import PARAMETERS
from pmkvm.ocf import agent
from pmkvm.ocf.table import Action, Agent, lazy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

# Each action loads what it needs: a monitor runs every few seconds for every guest.
_start = lazy("agents.virtual_domain.actions.start:start", lasts=True)
_stop = lazy("agents.virtual_domain.actions.stop:stop", lasts=True)
_monitor = lazy("agents.virtual_domain.actions.monitor:monitor")
_migrate_to = lazy("agents.virtual_domain.actions.migrate_to:migrate_to", lasts=True)
_migrate_from = lazy("agents.virtual_domain.actions.migrate_from:migrate_from", lasts=True)
_validate_all = lazy("agents.virtual_domain.actions.validate:validate_all")
_reload_agent = lazy("agents.virtual_domain.actions.reload:reload_agent")

AGENT = Agent(
    name="VirtualDomain",
    version="2.0",
    shortdesc="Virtual machine run by libvirt",
    longdesc=(
        "Starts, stops, monitors and migrates a virtual machine through libvirt. The agent never"
        " reports the unknown as stopped. The process table tells whether a QEMU or KVM guest"
        " exists, also when libvirt does not answer."
    ),
    parameters=PARAMETERS,
    actions=(
        Action("start", 120, _start),
        Action("stop", 90, _stop, tolerant=True),
        Action("status", 30, _monitor, interval_s=10, tolerant=True),
        Action("monitor", 30, _monitor, interval_s=10, tolerant=True),
        Action("migrate_to", 300, _migrate_to),
        Action("migrate_from", 240, _migrate_from, tolerant=True),
        Action("reload-agent", 20, _reload_agent),
        Action("validate-all", 30, _validate_all),
    ),
)


def main() -> NoReturn:
    agent.main(AGENT)


if __name__ == "__main__":
    main()
