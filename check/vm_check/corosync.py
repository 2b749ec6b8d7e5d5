# SPDX-License-Identifier: GPL-2.0-or-later
"""corosync's times: of the running one, else of its configuration."""

from __future__ import annotations

import re

from pmkvm import files, run
from pmkvm.errors import HaError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pmkvm.deadline import Deadline

CONF = "/etc/corosync/corosync.conf"
_LONGEST = 1 << 20
TIMES = ("token", "consensus")
_KEY = re.compile(r"runtime\.config\.totem\.(\w+) \(u32\) = (\d+)", re.ASCII)
_SETTING = re.compile(r"(\w+)\s*:\s*(\S+)", re.ASCII)


def read(deadline: Deadline, conf: str = CONF) -> dict[str, str]:
    """By name, in milliseconds; what neither tells is not there."""
    try:
        argv = ("corosync-cmapctl", "runtime.config.totem.")
        done = run.run(argv, timeout_s=deadline.remaining())
        found = of_map(done.out) if done.rc == 0 else {}
    except HaError:
        found = {}
    if found:
        return found
    try:
        return of_file(files.read_text(conf, _LONGEST) or "")
    except (OSError, UnicodeDecodeError):
        return {}


def of_map(text: str) -> dict[str, str]:
    """What corosync counts with, its own defaults and those by the number of hosts among it."""
    found = (_KEY.fullmatch(line.strip()) for line in text.splitlines())
    return {each[1]: each[2] for each in found if each and each[1] in TIMES}


def of_file(text: str) -> dict[str, str]:
    """Of totem's own lines; braces are counted, and what stands in another section is its own."""
    found: dict[str, str] = {}
    sections: list[str] = []
    for line in (each.strip() for each in text.splitlines()):
        setting = _SETTING.fullmatch(line)
        if line.endswith("{") and not line.startswith("#"):
            sections.append(line[:-1].strip())
        elif line == "}":
            del sections[-1:]
        elif setting and sections == ["totem"] and setting[1] in TIMES:
            found[setting[1]] = setting[2]
    return found
