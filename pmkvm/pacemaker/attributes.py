# SPDX-License-Identifier: GPL-2.0-or-later
"""Node attributes. Private ones are in attrd's memory on all hosts, and never in the CIB."""

from __future__ import annotations

import re

from pmkvm.pacemaker import tools
from pmkvm.pacemaker.errors import ExitCode, ToolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pmkvm.deadline import Deadline

# Pacemaker 2.1.5 prints values unescaped; ours hold neither double quotes nor line breaks.
_LINE = re.compile(r'name="([^"\n]+)" host="([^"\n]+)" value="([^"\n]*)"', re.ASCII)


def say(name: str, text: str, deadline: Deadline) -> None:
    """This host's value; back when attrd has taken it. Raises HaError."""
    tools.call(("attrd_updater", "--private", "--name", name, "--update", text), deadline)


def take_back(name: str, node: str, deadline: Deadline) -> None:
    """That host's value, whoever said it. Raises HaError."""
    argv = ("attrd_updater", "--private", "--name", name, "--delete", "--node", node)
    tools.call(argv, deadline)


def publish(name: str, text: str, delay: int | str, deadline: Deadline) -> None:
    """This host's value of one that is not private: the cluster's status shows it after that
    delay, in seconds where no unit is named. An attribute that is there keeps the delay that it
    has. It is a change of the CIB, which has Pacemaker plan anew. Raises HaError."""
    options = (f"--name={name}", f"--update={text}", f"--delay={delay}")
    tools.call(("attrd_updater", *options), deadline)


def publish_with_delay(name: str, text: str, delay: int | str, deadline: Deadline) -> None:
    """The same, and this delay from now on, also of one that is there; in seconds where no unit is
    named. The text may be anybody's. Raises HaError."""
    # As a word of its own Pacemaker's tools would take a text such as -inf for options.
    options = (f"--name={name}", f"--update-both={text}", f"--delay={delay}")
    tools.call(("attrd_updater", *options), deadline)


def withdraw(name: str, deadline: Deadline) -> None:
    """This host has no value of one that is not private. Raises HaError."""
    tools.call(("attrd_updater", f"--name={name}", "--delete"), deadline)


def hear(name: str, deadline: Deadline) -> dict[str, str]:
    """All hosts' values. Raises HaError."""
    argv = ("attrd_updater", "--query", "--all", "--name", name)
    try:
        done = tools.call(argv, deadline, also_fine=(ExitCode.NOSUCH,))
    except ToolError as error:
        # 2.1.5 says 78 where nobody has said anything yet, as it does of a query it can't read.
        if error.rc == ExitCode.CONFIG and "attribute does not exist" in str(error):
            return {}
        raise
    return parse(done.out, name) if done.rc == 0 else {}


def parse(answer: str, name: str) -> dict[str, str]:
    """Lines of another form say nothing."""
    matches = (_LINE.fullmatch(line.strip()) for line in answer.splitlines())
    return {match[2]: match[3] for match in matches if match and match[1] == name}
