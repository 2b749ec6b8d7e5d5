# SPDX-License-Identifier: GPL-2.0-or-later
"""ocf:extra:vm-anything: any program that stays in the foreground, as a Pacemaker resource."""

from __future__ import annotations

from agents.vm_anything.parameters import LONGDESC, PARAMETERS
from pmkvm.ocf import agent
from pmkvm.ocf.table import Action, Agent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from pmkvm.ocf.codes import OcfCode
    from pmkvm.ocf.context import Context


# Each action loads what it needs: a monitor runs every few seconds.
def _start(context: Context) -> OcfCode:
    from agents.vm_anything.start import start

    return start(context)


def _stop(context: Context) -> OcfCode:
    from agents.vm_anything.stop import stop

    return stop(context)


def _monitor(context: Context) -> OcfCode:
    from agents.vm_anything.monitor import monitor

    return monitor(context)


def _validate_all(context: Context) -> OcfCode:
    from agents.vm_anything.program import from_context
    from pmkvm.ocf.codes import OcfCode

    from_context(context)
    return OcfCode.SUCCESS


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
