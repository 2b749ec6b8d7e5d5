# SPDX-License-Identifier: GPL-2.0-or-later
"""What vm-stonithd answers, as a typed value. Pure.

Only the very words that it says for that operation are a yes; all else is a no with its reason.
"""

from __future__ import annotations

from pmkvm.light_types import NamedTuple
from pmkvm.ocf.log import one_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    # The words of 2011.
    Operation = Literal["on", "off", "reset", "status"]
    Power = Literal["on", "off", ""]

_LONGEST_REASON = 400
_POWER: dict[str, Power] = {"OK on": "on", "OK off": "off"}


class Answer(NamedTuple):
    """is_ok: it is done, or the token is good. power: of a status, where known.

    reason: why not, in one line. No answer at all is one that is not ok.
    """

    is_ok: bool
    power: Power = ""
    reason: str = ""

    def __str__(self) -> str:
        if self.is_ok:
            return f"OK {self.power}".rstrip()
        return self.reason


def parse(operation: Operation, body: str) -> Answer:
    text = one_line(body)[:_LONGEST_REASON]
    if operation == "status" and text in _POWER:
        return Answer(is_ok=True, power=_POWER[text])
    if text == "OK":
        # 2011's answer to a status, too: the token is good, no more is known.
        return Answer(is_ok=True)
    if text.split(" ")[0] == "NG":
        return Answer(is_ok=False, reason=text)
    return Answer(is_ok=False, reason=f"not understood: {text!r}")
