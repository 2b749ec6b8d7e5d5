# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether a guest that is connected answers: when to ask it, and from when on it is mute. Pure.

Its patience is counted in looks, between which this daemon has read what guests have said. So a
pause of the daemon itself is nobody's silence.
"""

from __future__ import annotations

LOOK_S = 2.0
# A guest that has said nothing for so long is asked.
QUIET_S = 60.0
# So many looks for an answer, 10 s: a live migration stops a guest for less than a second, and a
# busy guest that QEMU emulates takes seconds to answer.
ANSWER_LOOKS = 5
# And for the guest's first word, 60 s: it may be booting.
GREETING_LOOKS = 30


class Pulse:
    """Of one connection, which begins with our hello. Times are the caller's monotonic clock."""

    def __init__(self, now: float) -> None:
        self.is_mute = False
        self._heard_at = now
        self._answers_echo = False
        # None: nothing is asked of it.
        self._looks_left: int | None = GREETING_LOOKS

    def quiet_s(self, now: float) -> float:
        """Since its last word, or since it was connected."""
        return now - self._heard_at

    def greeted(self, *, answers_echo: bool) -> None:
        self._answers_echo = answers_echo

    def asked(self) -> None:
        self._looks_left = ANSWER_LOOKS

    def heard(self, now: float) -> None:
        """Any frame."""
        self.is_mute = False
        self._heard_at = now
        self._looks_left = None

    def look(self, now: float) -> bool:
        """Whether to ask it now. Who has not answered yet is not asked again."""
        if self._looks_left is None:
            return self._answers_echo and self.quiet_s(now) >= QUIET_S
        self._looks_left -= 1
        self.is_mute = self._looks_left <= 0
        return False
