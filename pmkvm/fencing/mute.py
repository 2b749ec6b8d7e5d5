# SPDX-License-Identifier: GPL-2.0-or-later
"""Which guests of a host don't answer it, as its vm-connectd tells all hosts. Pure.

One line without double quotes (Pacemaker 2.1.5 prints values unescaped):
    at=1795370042 mute=prmVMCTL_guest1,prmVMCTL_guest2
Ids stand as ban.quote() writes them. A word that a later release adds is passed over. The word
"more" tells of further guests, which had no room.
"""

from __future__ import annotations

from pmkvm.fencing.ban import quote, unquote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

ATTRIBUTE = "vm-connectd"
# How often it is said again where nothing has changed.
REPEAT_S = 600.0
# A host whose vm-connectd has ended says nothing any more. The clocks of two hosts differ a little.
FRESH_S = 1500.0
LONGEST = 32_000

_MORE = " more"


def encode(at: float, resources: Iterable[str]) -> str:
    """at: the time of day."""
    head = f"at={at:.0f} mute="
    room = LONGEST - len(head) - len(_MORE)
    listed: list[str] = []
    for each in map(quote, sorted(resources)):
        room -= len(each) + 1
        if room < 0:
            return head + ",".join(listed) + _MORE
        listed.append(each)
    return head + ",".join(listed)


def resources(text: str, now: float) -> frozenset[str]:
    """The ids in it; none where nothing is said that counts at that time of day."""
    said = dict(part.partition("=")[::2] for part in text.split(" "))
    try:
        age_s = now - float(said["at"])
        listed = frozenset(unquote(each) for each in said["mute"].split(",") if each)
    except (KeyError, ValueError):
        return frozenset()
    # Not the other way round: a time that is no number is of no time.
    return listed if abs(age_s) <= FRESH_S else frozenset()
