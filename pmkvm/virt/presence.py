# SPDX-License-Identifier: GPL-2.0-or-later
"""A host's presence: of which guests a QEMU lives there, as its vm-stonithd tells all hosts. Pure.

One line without double quotes (Pacemaker 2.1.5 prints values unescaped):
    at=1795370042.250 guests=0123abcd222233334444555555555555,...
A word that a later release adds is passed over. A uuid has all its digits: those that people write
by hand often begin alike. 968 guests have room. Of further ones the word "more" tells, as of a QEMU
that says no uuid, and then nothing is said of a guest that is not named.
"""

from __future__ import annotations

import re

from pmkvm.light_types import IntEnum

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

ATTRIBUTE = "vm-stonith-guests"
# How often it is said again where nothing has changed.
REPEAT_S = 5.0
# From the look to a reader that still believes it: the time to repeat it, and what a busy host
# takes for that. The clocks of two hosts differ a little; a value from a later time is of a clock
# that is off.
FRESH_S = 8.0
AHEAD_S = 2.0
LONGEST = 32_000

_MORE = "more"
_UUID = re.compile(r"[0-9a-f]{32}")


class Word(IntEnum):
    """What a host says of one guest. SILENT: nothing that counts now."""

    ABSENT = 0
    LIVES = 1
    SILENT = 2


def encode(at: float, uuids: Iterable[str]) -> str:
    """at: the time of day before the look. A QEMU that was taken over may say anything for its
    uuid, words of ours among it."""
    head = f"at={at:.3f} guests="
    wanted = set(map(_digits, uuids))
    room = (LONGEST - len(head) - len(f" {_MORE}") + 1) // 33
    listed = sorted(filter(_UUID.fullmatch, wanted))[:room]
    return head + ",".join(listed) + (f" {_MORE}" if len(listed) < len(wanted) else "")


def word(text: str, uuid: str, now: float) -> Word:
    """What this text says of the guest at that time of day."""
    said = dict(part.partition("=")[::2] for part in text.split(" "))
    try:
        age_s = now - float(said["at"])
        named = said["guests"].split(",")
    except (KeyError, ValueError):
        return Word.SILENT
    # Not the other way round: a time that is no number is of no time.
    if not uuid or not -AHEAD_S <= age_s <= FRESH_S:
        return Word.SILENT
    if _digits(uuid) in named:
        return Word.LIVES
    return Word.SILENT if _MORE in said else Word.ABSENT


def _digits(uuid: str) -> str:
    return uuid.lower().replace("-", "")
