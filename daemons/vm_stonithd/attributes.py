# SPDX-License-Identifier: GPL-2.0-or-later
"""The hosts' words in attrd: one private attribute for each host, never in the CIB."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from daemons.vm_stonithd import words
from pmkvm.pacemaker import tools
from pmkvm.pacemaker.errors import ExitCode, ToolError

if TYPE_CHECKING:
    from daemons.vm_stonithd.words import Words
    from pmkvm.deadline import Deadline

NAME = "vm-stonith"
# Pacemaker 2.1.5 prints values unescaped; ours hold neither double quotes nor line breaks.
_LINE = re.compile(r'name="vm-stonith" host="([^"\n]+)" value="([^"\n]*)"', re.ASCII)


def say(own: Words, deadline: Deadline) -> None:
    """Back when attrd has taken them. Raises HaError."""
    text = words.encode(own)
    tools.call(("attrd_updater", "--private", "--name", NAME, "--update", text), deadline)


def hear(deadline: Deadline) -> dict[str, Words]:
    """All hosts' words; who has none is not in it. Raises HaError."""
    argv = ("attrd_updater", "--query", "--all", "--name", NAME)
    try:
        done = tools.call(argv, deadline, also_fine=(ExitCode.NOSUCH,))
    except ToolError as error:
        # 2.1.5 says 78 where nobody has said anything yet, as it does of a query it can't read.
        if error.rc == ExitCode.CONFIG and "attribute does not exist" in str(error):
            return {}
        raise
    return parse(done.out) if done.rc == 0 else {}


def parse(answer: str) -> dict[str, Words]:
    """Lines that are none of ours, and values that can't be read, say nothing."""
    found = {}
    for line in answer.splitlines():
        match = _LINE.fullmatch(line.strip())
        said = words.decode(match[2]) if match else None
        if match and said is not None:
            found[match[1]] = said
    return found
