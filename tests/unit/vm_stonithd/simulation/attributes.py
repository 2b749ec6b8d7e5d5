# SPDX-License-Identifier: GPL-2.0-or-later
"""attrd in the simulated world: what each host says of itself travels to the others."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from daemons.vm_stonithd.model.host_report import HostReport, decode
from tests.unit.vm_stonithd.simulation.engine import HOSTS

if TYPE_CHECKING:
    from tests.unit.vm_stonithd.simulation.world import World


class Attributes:
    """attrd: each host's copy of all hosts' texts; a change travels."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.copies: dict[str, dict[str, tuple[int, str]]] = {host: {} for host in HOSTS}
        # Until when a host's attrd neither takes, gives nor hears anything.
        self.hangs_until = dict.fromkeys(HOSTS, 0.0)
        self._count = 0

    def write(self, host: str, text: str) -> None:
        self._count += 1
        stamped = (self._count, text)
        self.copies[host][host] = stamped
        for other in HOSTS:
            delay = self._world.engine.between(0.005, self._world.report_delay)
            self._world.engine.later(delay, partial(self._arrive, other, host, stamped))

    def _arrive(self, host: str, about: str, stamped: tuple[int, str]) -> None:
        if {host, about} & self._world.cib.cut:
            return
        if self.hangs(host):
            again = partial(self._arrive, host, about, stamped)
            self._world.engine.later(self.hangs(host), again)
            return
        if self.copies[host].get(about, (0, ""))[0] < stamped[0]:
            self.copies[host][about] = stamped
            self._world.reports_changed(host)

    def hangs(self, host: str) -> float:
        """For how long yet."""
        return max(0.0, self.hangs_until[host] - self._world.engine.now)

    def forget(self, about: str) -> None:
        for host in HOSTS:
            self.copies[host].pop(about, None)

    def read(self, host: str) -> dict[str, HostReport]:
        decoded = {about: decode(text) for about, (_, text) in self.copies[host].items()}
        return {about: report for about, report in decoded.items() if report is not None}
