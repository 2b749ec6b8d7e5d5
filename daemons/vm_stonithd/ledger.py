# SPDX-License-Identifier: GPL-2.0-or-later
"""This host's debts, as files under /run, for the machine."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from daemons.vm_stonithd import processes
from daemons.vm_stonithd.actions import RemoveDebt, TouchDebt, WriteDebt
from pmkvm.fencing import debt as debts

if TYPE_CHECKING:
    from typing import Union

    from pmkvm.fencing.debt import Debt
    from pmkvm.process import Life

    Change = Union[WriteDebt, TouchDebt, RemoveDebt]

CHANGES = (WriteDebt, TouchDebt, RemoveDebt)


def read() -> dict[str, tuple[Debt, tuple[Life, ...]]]:
    """Each with the living QEMUs of its uuid. Raises OSError."""
    found = {}
    for resource in debts.resources():
        debt = debts.load(resource)
        if debt is not None:
            found[resource] = (debt, processes.lives_of(debt.uuid))
    return found


def change(wanted: Change) -> None:
    """Raises OSError."""
    if isinstance(wanted, WriteDebt):
        debts.store(wanted.resource, wanted.debt)
    elif isinstance(wanted, TouchDebt):
        debts.touch(wanted.resource, wanted.debt, time.monotonic())
    else:
        there = debts.load(wanted.resource)
        # Its stamp may have been renewed.
        if there is not None and there._replace(stamp=wanted.debt.stamp) == wanted.debt:
            debts.remove(wanted.resource)
