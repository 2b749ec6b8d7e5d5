# SPDX-License-Identifier: GPL-2.0-or-later
"""How often the cluster and attrd are asked while somebody waits. Pure.

Each reading starts a program or two, as root. A guest may ask for what stays impossible for
minutes, and again and again. So the longer nothing has changed in what is waited for, the longer
is the pause before the next reading. What does change is seen late by a tenth of the time that
it took.
"""

from __future__ import annotations

SHARE = 0.1
TICK_S, BUSY_TICK_S = 0.2, 0.05
# Nobody waits for anything.
NOTHING = float("inf")


def pause_s(quiet_s: float, least_s: float, most_s: float) -> float:
    """quiet_s: since when nothing has changed for those who wait; NOTHING if nobody waits."""
    return min(most_s, max(least_s, quiet_s * SHARE))


def tick_s(quiet_s: float) -> float:
    """Between two looks at the clock, which start no program.

    They stay close while anybody waits, however quiet it is: an answer leaves at the first one
    behind its deadline, and of the time kept for its way to the guest little may be lost to that.
    """
    return TICK_S if quiet_s == NOTHING else BUSY_TICK_S
