# SPDX-License-Identifier: GPL-2.0-or-later
"""The face of a plugin for Pacemaker's fencer, as FenceAgentAPI.md wants it.

Parameters are name=value lines on stdin, or options. The other face is stonith.plugin.glue.
"""

from __future__ import annotations

import os
import sys

from pmkvm import thread_call
from pmkvm.errors import HaError
from pmkvm.light_types import NamedTuple
from pmkvm.version import VERSION
from stonith.plugin import fence_options
from stonith.plugin.fence_options import UsageError
from stonith.plugin.journal import Journal
from stonith.plugin.parameters import ParameterError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import TextIO

    from stonith.plugin.fence_texts import Texts
    from stonith.plugin.parameters import Parameter

DONE = 0
FAILED = 1
IS_OFF = 2

DEFAULT_ACTION = "reboot"
# Pacemaker names the target by the parameter that the metadata has, and by nodename always.
_TARGET = ("plug", "port", "nodename")


class Call(NamedTuple):
    """One run of an agent: its action and parameters, and where its words go."""

    action: str
    values: dict[str, str]
    stdout: TextIO
    journal: Journal

    @property
    def target(self) -> str:
        """Who is meant; empty if nobody is."""
        return next((self.values[name] for name in _TARGET if self.values.get(name)), "")

    def print(self, line: str) -> None:
        print(line, file=self.stdout, flush=True)


class Agent(NamedTuple):
    """What one agent is. Its actions return an exit code, or raise HaError. texts: loaded by who
    asks for them only."""

    name: str
    options: Sequence[Parameter]
    actions: Mapping[str, Callable[[Call], int]]
    texts: Callable[[], Texts]


def main(agent: Agent) -> int:
    # A name that is no UTF-8 is simply not found.
    with open(0, encoding="utf-8", errors="replace", closefd=False) as stdin:
        rc = run(agent, sys.argv[1:], stdin, os.environ, sys.stdout, sys.stderr)
        return thread_call.leave(rc)


def run(
    agent: Agent,
    argv: Sequence[str],
    stdin: Iterable[str],
    env: Mapping[str, str],
    stdout: TextIO,
    stderr: TextIO,
) -> int:
    try:
        values = (
            fence_options.from_arguments(argv, agent.options)
            if argv
            else fence_options.from_stdin(stdin)
        )
    except UsageError as error:
        print(f"{agent.name}: {error}; see --help", file=stderr)
        return FAILED
    action = (values.get("action") or DEFAULT_ACTION).lower()
    text = _text(agent, action, values)
    if text:
        print(text, file=stdout)
        return DONE
    journal = Journal(
        agent.name,
        env,
        stderr,
        is_quiet=fence_options.is_set(values, "quiet"),
        is_verbose=fence_options.is_set(values, "verbose"),
        debug_file=values.get("debug_file", ""),
    )
    try:
        if action not in agent.actions:
            raise ParameterError(f"there is no such action: {action}")
        return agent.actions[action](Call(action, values, stdout, journal))
    except HaError as error:
        journal.complain(str(error))
        return FAILED


def _text(agent: Agent, action: str, values: dict[str, str]) -> str:
    """What needs no device."""
    from stonith.plugin import fence_texts

    if fence_options.is_set(values, "help"):
        return fence_texts.usage(agent.texts())
    if fence_options.is_set(values, "version"):
        return f"{agent.name} {VERSION}"
    if action in ("metadata", "meta-data"):
        return fence_texts.metadata(agent.texts())
    return fence_texts.manpage(agent.texts()) if action == "manpage" else ""
