# SPDX-License-Identifier: GPL-2.0-or-later
"""The environment that Pacemaker gives an action, read once and typed."""

from __future__ import annotations

from pmkvm.deadline import Deadline
from pmkvm.light_types import NamedTuple
from pmkvm.ocf.codes import OcfCode
from pmkvm.ocf.errors import OcfError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from pmkvm.ocf.log import Log
    from pmkvm.ocf.table import Action, Agent, Parameter, Value

# As ocf_is_true of ocf-shellfuncs, and crm_str_to_boolean of Pacemaker.
TRUE = ("yes", "true", "1", "on", "y")
FALSE = ("no", "false", "0", "off", "n")

_META = "OCF_RESKEY_CRM_meta_"

# Pacemaker kills with SIGKILL and no warning: the action must have spoken before that.
_MARGIN_SHARE = 0.1
_MARGIN_MAX_S = 3.0


class Context(NamedTuple):
    """One call of one action.

    begun: what it has begun so far, for the tries that follow where this host lacks memory or the
    like (pmkvm.ocf.agent).
    """

    action: str
    instance: str
    parameters: Mapping[str, Value]
    meta: Mapping[str, str]
    check_level: int
    deadline: Deadline
    log: Log
    begun: set[str]

    def text(self, name: str) -> str:
        return str(self.parameters[name])

    def flag(self, name: str) -> bool:
        return bool(self.parameters[name])

    def number(self, name: str) -> int:
        return int(self.parameters[name])

    @property
    def is_probe(self) -> bool:
        """A monitor with interval 0. Without an interval in the environment it is none."""
        return self.action == "monitor" and self.meta.get("interval") == "0"

    @property
    def timeout_s(self) -> float:
        """The whole time that Pacemaker allows, 0 if it did not say."""
        return _timeout_s(self.meta.get("timeout", ""), 0.0)


def deadline_of(action: Action, env: Mapping[str, str]) -> Deadline:
    """When the action must have spoken, counted from now."""
    timeout_s = _timeout_s(env.get(f"{_META}timeout", ""), float(action.timeout_s))
    return Deadline(timeout_s - min(_MARGIN_MAX_S, timeout_s * _MARGIN_SHARE))


def make_context(
    agent: Agent, action: Action, env: Mapping[str, str], log: Log, deadline: Deadline
) -> Context:
    """Read the environment. Raises OcfError CONFIGURED that lists every bad parameter."""
    problems: list[str] = []
    parameters = {
        parameter.name: _value(parameter, env, problems) for parameter in agent.parameters
    }
    if problems and not action.tolerant:
        raise OcfError(OcfCode.CONFIGURED, "; ".join(problems))
    for problem in problems:
        log.warning(problem)
    meta = {name[len(_META) :]: value for name, value in env.items() if name.startswith(_META)}
    level = env.get("OCF_CHECK_LEVEL", "")
    return Context(
        action=action.name,
        instance=env.get("OCF_RESOURCE_INSTANCE", agent.name),
        parameters=parameters,
        meta=meta,
        check_level=int(level) if level.isdecimal() else 0,
        deadline=deadline,
        log=log,
        begun=set(),
    )


def parse_boolean(text: str) -> bool:
    """Raises ValueError for anything but the words that Pacemaker knows, in any case."""
    value = text.lower()
    if value in TRUE:
        return True
    if value in FALSE:
        return False
    raise ValueError(text)


def _value(parameter: Parameter, env: Mapping[str, str], problems: list[str]) -> Value:
    """The typed value; an empty one counts as not set."""
    text = env.get(f"OCF_RESKEY_{parameter.name}", "").strip()
    if not text:
        if parameter.required:
            problems.append(f"parameter {parameter.name} is required and not set")
        return parameter.default
    try:
        return _parse(parameter, text)
    except ValueError:
        problems.append(f"parameter {parameter.name}={text!r} must be {_allowed(parameter)}")
        return parameter.default


def _parse(parameter: Parameter, text: str) -> Value:
    """Raises ValueError."""
    if parameter.content_type == "boolean":
        return parse_boolean(text)
    if parameter.content_type == "integer":
        # int() alone takes a sign, 1_000 and the digits of every script.
        if not (text.isascii() and text.isdigit()):
            raise ValueError(text)
        return int(text)
    if parameter.choices and text not in parameter.choices:
        raise ValueError(text)
    return text


def _allowed(parameter: Parameter) -> str:
    if parameter.choices:
        return f"one of {', '.join(parameter.choices)}"
    return {"boolean": "yes or no", "integer": "a whole number"}.get(parameter.content_type, "")


def _timeout_s(text: str, default_s: float) -> float:
    """CRM_meta_timeout is in milliseconds; absent when a person calls the agent."""
    return int(text) / 1000 if text.isdecimal() and int(text) > 0 else default_s
