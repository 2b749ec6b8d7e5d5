# SPDX-License-Identifier: GPL-2.0-or-later
"""How seldom the cluster and attrd are asked while nothing is under way on any host. Pure.

Each question starts a program, which is nearly all that an idle host pays. What ends the rest is
seen without one: another CIB file, something new in its directory, a request. What these can't tell
of is noticed by the others' words at the latest (HEAR_S), and by reading the whole (WHOLE_S).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Optional

    from pmkvm.files import Stamp
    from pmkvm.pacemaker.cib import Version

    Stamps = tuple[Optional[Stamp], ...]

# Between two readings of the others' words. Their clocks' comparison counts on it (clocks).
HEAR_S = 4.0
# Between two looks at the clock: nothing has an end but the time of one's own next word.
TICK_S = 0.5
# Between two readings of the whole CIB.
WHOLE_S = 10.0
# Between two questions for the bans where the CIB's file tells nothing.
BANS_S = 1.0


def is_witness(file: Version | None, read: Version | None) -> bool:
    """Whether the CIB's file shows the next ban by being replaced. file: the version in it, read:
    the one that the CIB manager had at about that time.

    Its manager stops writing for good once it could not write. Then the file stays behind, as it
    does for a moment after each change; and a Pacemaker Remote node has none.
    """
    return file is not None and file == read
