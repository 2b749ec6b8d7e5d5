# SPDX-License-Identifier: GPL-2.0-or-later
"""Cluster options that Pacemaker has renamed: which value counts, and what they are called."""

from __future__ import annotations

from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# crm_feature_set of 3.0.2, the first release with the new names, in crm_mon's XML as well. That of
# 3.0.1 is 3.20.1.
_NEW_SINCE = (3, 20, 5)


class Renamed(NamedTuple):
    """new is not known before 3.0.2; old still is, is warned of, and will go."""

    new: str
    old: str

    def value(self, options: Mapping[str, str]) -> str | None:
        """None if neither is set. The new name wins, whatever its value is, as in Pacemaker."""
        return options.get(self.new, options.get(self.old))

    def name(self, feature_set: str) -> str:
        """What the Pacemaker with this crm_feature_set calls it; an unknown one counts as old."""
        return self.new if _numbers(feature_set) >= _NEW_SINCE else self.old


FENCING_ENABLED = Renamed("fencing-enabled", "stonith-enabled")
FENCING_TIMEOUT = Renamed("fencing-timeout", "stonith-timeout")


def _numbers(feature_set: str) -> tuple[int, ...]:
    parts = feature_set.split(".")
    return tuple(map(int, parts)) if all(each.isdecimal() for each in parts) else ()
