# SPDX-License-Identifier: GPL-2.0-or-later
"""The lines of doc/install-*.md that a person types, and why some are not typed in the lab."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from tests.lab.hosts.process import CHECKOUT
from tests.lab.slides.deviation import Deviation, changed

DEBIAN = "install-debian.md"
OTHERS = ("install-rhel.md", "install-suse.md")

# As a person reads them: what the page leaves to its reader.
CHANGES = [
    Deviation("a BMC's user is its owner's", "USER", "IPMIUser"),
    Deviation("and so is the password", "PASSWORD", "passwd"),
    Deviation(
        "ipmitool would wait 10 s for the list of ciphers, which the lab's BMCs have not",
        "lanplus=1",
        "lanplus=1 cipher=3",
    ),
]
# By beginning: what the lab has done before anybody types.
DONE = {
    "hosts# apt install ./": "the lab has put what is tested in its hosts",
    "guests# apt install ./": "the lab gives its guests what the hosts have",
}
# By beginning: what is marked as untried.
NOT_HAD = {
    "hosts# apt install pacemaker ": "what the lab's hosts run is in their root from the first",
    "hosts# apt install libvirt-daemon-system ": "what the lab's hosts run is in their root",
    "guests# apt install pacemaker ": "what the lab's guests run is in their image",
}

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PROMPT = re.compile(r"^(?=\w+# )", re.MULTILINE)
_MARK = re.compile(r" +# untried.*$", re.MULTILINE)


class Line(NamedTuple):
    """What a person types at a prompt: who it is for (host1, hosts, guests), and the text, with
    what belongs to it on further lines of the page."""

    whom: str
    text: str
    is_untried: bool = False

    def __str__(self) -> str:
        return f"{self.whom}# {self.text}"

    def begins(self, beginnings: dict[str, str]) -> bool:
        return any(str(self).startswith(one) for one in beginnings)


def page(name: str) -> str:
    return Path(CHECKOUT, "doc", name).read_text(encoding="utf-8")


def lines(text: str) -> list[Line]:
    """All lines of a page that have a prompt, in its order. Pure."""
    found = []
    for language, block in _BLOCK.findall(text):
        for one in [] if language else _PROMPT.split(block):
            whom, prompt, typed = one.partition("# ")
            if prompt and re.fullmatch(r"\w+", whom):
                found.append(Line(whom, _MARK.sub("", typed).rstrip(), bool(_MARK.search(typed))))
    return found


def typed() -> list[Line]:
    """What is typed in the lab, of the page for Debian."""
    return [one for one in lines(page(DEBIAN)) if not one.is_untried and not one.begins(DONE)]


def in_the_lab(line: Line) -> Line:
    """With what the page leaves to its reader."""
    wanted = [change for change in CHANGES if re.search(change.pattern, line.text)]
    return line._replace(text=changed(line.text, wanted))
