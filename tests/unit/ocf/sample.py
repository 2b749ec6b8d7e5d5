# SPDX-License-Identifier: GPL-2.0-or-later
"""A small agent, and one call of an agent as Pacemaker makes it."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, NamedTuple

from pmkvm.ocf.agent import run
from pmkvm.ocf.codes import OcfCode
from pmkvm.ocf.table import Action, Agent, Parameter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pmkvm.ocf.context import Context

    Function = Callable[[Context], OcfCode]


class Called(NamedTuple):
    """What Pacemaker sees of a call."""

    rc: int
    out: str
    err: str

    @property
    def reason(self) -> str:
        """The last exit reason, which is the one that Pacemaker shows."""
        marked = [line for line in self.err.splitlines() if line.startswith("ocf-exit-reason:")]
        return marked[-1].partition(":")[2] if marked else ""

    @property
    def outcome(self) -> tuple[int, str]:
        """The code and the reason for it."""
        return self.rc, self.reason

    def says(self, rc: int, text: str) -> bool:
        """It ends so, and has said this; for a good end there is no reason."""
        return self.rc == rc and text in self.err and (rc != 0 or not self.reason)

    def fails(self, rc: int, beginning: str) -> bool:
        """It ends so, for a reason that begins with this."""
        return self.rc == rc != 0 and self.reason.startswith(beginning)

    def names(self, rc: int, text: str) -> bool:
        """It ends so, and this is in the reason for it."""
        return self.rc == rc and text in self.reason


def call(agent: Agent, *argv: str, env: Mapping[str, str] | None = None) -> Called:
    out, err = io.StringIO(), io.StringIO()
    rc = run(agent, argv, env or {}, out, err)
    assert isinstance(rc, OcfCode)
    return Called(int(rc), out.getvalue(), err.getvalue())


def succeed(_context: Context) -> OcfCode:
    return OcfCode.SUCCESS


PARAMETERS = (
    Parameter("config", "Config", "The file.", required=True, unique=True),
    Parameter("uri", "URI", "Where.", default="qemu:///system"),
    Parameter("count", "Count", "How many.", default=3, reloadable=True),
    Parameter("force", "Force", "At once.", default=False),
)


def agent_with(
    *functions: tuple[str, Function], parameters: tuple[Parameter, ...] = PARAMETERS
) -> Agent:
    """An agent with these actions, stop and monitor being tolerant as ours are."""
    actions = tuple(
        Action(
            name,
            30,
            function,
            interval_s=10 if name == "monitor" else None,
            tolerant=name in ("stop", "monitor"),
        )
        for name, function in functions
    )
    return Agent("Sample", "1.0", "A sample", "Does nothing.", parameters, actions)


def seen_by(name: str, env: Mapping[str, str]) -> Context:
    """The context that an action of this name gets."""
    seen: list[Context] = []

    def look(context: Context) -> OcfCode:
        seen.append(context)
        return OcfCode.SUCCESS

    called = call(agent_with((name, look)), name, env=env)
    assert seen, called.err
    return seen[0]
