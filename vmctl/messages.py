# SPDX-License-Identifier: GPL-2.0-or-later
"""What vm-ctl says, by stable number: 1 to 27 as the vm-ctl of 2011, new ones from 30 on."""

from __future__ import annotations

from typing import NamedTuple

from pmkvm.errors import HaError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

TEXTS = {
    1: "Pacemaker is not running here: {reason}",
    2: "{path}: no such configuration file",
    3: "{domain}: no such domain in libvirt on this host",
    5: "{reason}",
    6: "{where}: {reason}",
    7: "{where}: {reason}",
    8: "{where}: {reason}",
    9: "{where}: {reason}",
    10: "{where}: {reason}",
    11: "{domain}: already registered as {resource}",
    12: "fencing is disabled in this cluster (stonith-enabled) while vm_stonith is on",
    13: "{domain}: running on {nodes}, stop it before it is deleted",
    14: "{node}: not online",
    15: "{domain}: no resource {resource} in this cluster",
    16: "{node}: no such node in this cluster",
    17: "another vm-ctl is at work: {reason}",
    18: "{domain}: not running, nothing to move",
    19: "{domain}: its constraints forbid it on {node}",
    20: "{domain}: its constraints allow it on no other node",
    21: "{domain}: runs on {node} already, nothing done",
    22: "{where}: {reason}",
    23: "{where}: {reason}",
    24: "{where}: {reason}",
    25: "{domain}: its resource is not managed by the cluster",
    26: "{domain}: the move was not started",
    27: "{domain}: the move failed: {reason}",
    30: "{domain}: not a name that vm-ctl can use: letters, digits, '.', '_' and '-' only",
    31: "{domain}: runs on {nodes}, Pacemaker would shut it down; stop it, or use --running",
    32: "{domain}: --running, but it runs on {nodes} and -a says {node}",
    33: "{domain}: no definition {path} on this host",
    34: "{node}: could not be asked whether the guests run there: {reason}",
    35: "{where}: score INFINITY: when {resource} cannot run, the guests stop; 100 avoids that",
    36: "the id {id} is in use in this cluster already",
    37: "{domain}: not {state} after {seconds} s{reason}",
    38: "{domain}: runs on more than one node: {nodes}",
    39: "{domain}: its resource is in {parent}, take it out first",
    40: "{where}: {resource} is no resource of this cluster",
    41: "libvirt was not asked: {reason}",
    42: "interrupted",
}


class Message(NamedTuple):
    """One thing to say; str() is its line."""

    number: int
    text: str

    def __str__(self) -> str:
        return f"MSG{self.number:02d} {self.text}"


def message(number: int, **words: object) -> Message:
    return Message(number, TEXTS[number].format(**words))


class RefusedError(HaError):
    """Nothing was changed, for these reasons."""

    def __init__(self, *problems: Message) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems: Sequence[Message] = problems
