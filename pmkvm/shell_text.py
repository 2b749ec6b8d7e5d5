# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether a shell could run a command line of root's own, found out without running it.

It says what is wrong at the time when an administrator can still mend it: else such a command first
fails in a fence, or in a monitor.
"""

from __future__ import annotations

import re

from pmkvm import run
from pmkvm.light_types import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pmkvm.deadline import Deadline

# The word that is looked for, behind variables that are set for it. What begins with anything else
# (a bracket, a quote, another variable) only the shell itself can read.
_FIRST = re.compile(r"\s*(?:[A-Za-z_]\w*=[\w./:-]*\s+)*([\w./+-]+)(?=[\s;|&<>)]|$)", re.ASCII)
# A path is looked at, any other word looked up: it may be a word of the shell itself.
_LOOK_UP = 'case $1 in */*) [ -f "$1" ] && [ -x "$1" ] ;; *) command -v "$1" >/dev/null ;; esac'


class Fault(NamedTuple):
    """is_everywhere: the text itself is wrong, on whatever host."""

    text: str
    is_everywhere: bool


def fault(text: str, deadline: Deadline) -> Fault | None:
    """Of a command line for /bin/sh -c; None if there is none to be seen. Raises HaError."""
    read = run.run(["/bin/sh", "-n", "-c", text], timeout_s=deadline.remaining())
    if read.rc != 0:
        said = read.err.strip().rpartition("\n")[2]
        return Fault(f"the shell can't read it: {said}", is_everywhere=True)
    word = first_word(text)
    if word is None:
        return None
    found = run.run(["/bin/sh", "-c", _LOOK_UP, "sh", word], timeout_s=deadline.remaining())
    if found.rc == 0:
        return None
    return Fault(f"{word} is not there, or is not executable", is_everywhere=False)


def first_word(text: str) -> str | None:
    """What would be executed first; None where only the shell can tell."""
    match = _FIRST.match(text)
    return match[1] if match else None
