# SPDX-License-Identifier: GPL-2.0-or-later
"""What an agent is: a table of parameters and actions, from which everything else follows."""

from __future__ import annotations

from pmkvm.light_types import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Union

    from pmkvm.ocf.codes import OcfCode
    from pmkvm.ocf.context import Context

    Value = Union[str, int, bool]


class Parameter(NamedTuple):
    """One OCF_RESKEY_name. The default's type is the parameter's type; numbers are 0 or more.

    choices are the words that it may be, where it can't be just anything.
    """

    name: str
    shortdesc: str
    longdesc: str
    default: Value = ""
    required: bool = False
    unique: bool = False
    reloadable: bool = False
    choices: tuple[str, ...] = ()

    @property
    def content_type(self) -> str:
        if isinstance(self.default, bool):
            return "boolean"
        return "integer" if isinstance(self.default, int) else "string"


class Action(NamedTuple):
    """One action. timeout_s and interval_s are what the metadata recommends.

    An action that must tell the truth even when the parameters are bad (stop, monitor) has
    tolerant=True: bad values are logged and replaced by their defaults.
    """

    name: str
    timeout_s: int
    function: Callable[[Context], OcfCode]
    interval_s: int | None = None
    tolerant: bool = False


def lazy(function: str, *, lasts: bool = False) -> Callable[[Context], OcfCode]:
    """An action's function as "module:name". Its module is loaded when the action is carried out.

    lasts: the action may outlive an upgrade, so it loads all that it may need before it begins.
    Not by importlib, which most actions would load for this alone.
    """
    module, _, name = function.partition(":")

    def act(context: Context) -> OcfCode:
        action = getattr(__import__(module, fromlist=(name,)), name)
        if lasts:
            # Loaded here only: a monitor ends before its modules go.
            from pmkvm import whole

            whole.load()
        code: OcfCode = action(context)
        return code

    return act


class Agent(NamedTuple):
    """A resource agent: what its metadata says and what its actions do."""

    name: str
    version: str
    shortdesc: str
    longdesc: str
    parameters: tuple[Parameter, ...]
    actions: tuple[Action, ...]

    def action(self, name: str) -> Action | None:
        return next((action for action in self.actions if action.name == name), None)
