# SPDX-License-Identifier: GPL-2.0-or-later
"""stonith-helper's parameters, under the names and with the defaults of 2011, and their values
once checked. Pure.
"""

from __future__ import annotations

import re

from pmkvm.light_types import NamedTuple
from pmkvm.ocf.context import parse_boolean
from stonith.plugin.parameters import HOST, LONGEST_S, Parameter, ParameterError, seconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_TRIALS = 60

# linux/if.h: 15 bytes, no "/"; never the beginning of an option.
_INTERFACE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,14}", re.ASCII)

HOSTLIST = Parameter(
    "hostlist",
    "string",
    "Nodes",
    "The nodes that this device is used for, separated by commas or blanks.",
    required=True,
    argument="list",
)
RUN_DEAD_CHECK = Parameter(
    "run_dead_check",
    "boolean",
    "Whether to ping the target",
    "Whether the target is pinged. It is pinged only if trust_dead_check is set too.",
    default="yes",
    argument="yes|no",
)
RUN_QUORUM_CHECK = Parameter(
    "run_quorum_check",
    "boolean",
    "Whether a partition without quorum waits",
    "Whether this node asks for quorum after quorum_check_wait_time. Without quorum it waits"
    " standby_wait_time, so that the partition with quorum fences first. The answer is no in any"
    " case.",
    default="no",
    argument="yes|no",
)
RUN_ONLINE_CHECK = Parameter(
    "run_online_check",
    "boolean",
    "Whether members are fenced without a wait",
    "Whether the standby waits only for a target that has left the partition. A target that is"
    " still a member has no lost connection as a reason to fence this node at the same time.",
    default="no",
    argument="yes|no",
)
RUN_STANDBY_WAIT = Parameter(
    "run_standby_wait",
    "boolean",
    "Whether the standby side waits",
    "Whether the node on which standby_check_command fails waits standby_wait_time.",
    default="yes",
    argument="yes|no",
)
DEAD_CHECK_TARGET = Parameter(
    "dead_check_target",
    "string",
    "Addresses of the target",
    "All addresses of the target that can be pinged from here, separated by commas or blanks. Give"
    " numbers, not names. ADDRESS%INTERFACE names the interface to use. Needed with"
    " trust_dead_check.",
    argument="list",
)
DEAD_CHECK_TRIALCOUNT = Parameter(
    "dead_check_trialcount",
    "integer",
    "Pings for each address",
    f"How often each address is pinged, once a second. At most {MOST_TRIALS}.",
    default="5",
    argument="number",
)
STANDBY_CHECK_COMMAND = Parameter(
    "standby_check_command",
    "string",
    "Command that succeeds on the active node",
    "Command line that /bin/sh runs as root, in a minimal environment, for 10 s at most. Exit code"
    " 0 says that this node is the active one. Any other code says that it is the standby. Needed"
    " with run_standby_wait. No other parameter is run by a shell.",
    argument="command",
)
STANDBY_WAIT_TIME = Parameter(
    "standby_wait_time",
    "second",
    "Time that the standby side waits",
    "How long the standby waits, so that the active node fences first. It must be longer than the"
    " active node's fence takes.",
    default="25",
    argument="seconds",
)
QUORUM_CHECK_WAIT_TIME = Parameter(
    "quorum_check_wait_time",
    "second",
    "Time before quorum is asked for",
    "How long to wait before asking for quorum. The cluster finds out in this time whether it lost"
    " quorum.",
    default="10",
    argument="seconds",
)
TRUST_DEAD_CHECK = Parameter(
    "trust_dead_check",
    "boolean",
    "Whether a target that answers no ping counts as fenced",
    "yes: a target is reported as fenced if none of its addresses answers, as in 2011. If a switch"
    " is broken, its resources then run twice. no: silence proves nothing, and the fencer asks the"
    " next device.",
    default="no",
    argument="yes|no",
)

# The order of 2011, which getconfignames has; then what is new.
TABLE = (
    HOSTLIST,
    RUN_DEAD_CHECK,
    RUN_QUORUM_CHECK,
    RUN_ONLINE_CHECK,
    RUN_STANDBY_WAIT,
    DEAD_CHECK_TARGET,
    DEAD_CHECK_TRIALCOUNT,
    STANDBY_CHECK_COMMAND,
    STANDBY_WAIT_TIME,
    QUORUM_CHECK_WAIT_TIME,
    TRUST_DEAD_CHECK,
)


class Address(NamedTuple):
    """One address of the target; interface: the way out to it, or empty."""

    text: str
    interface: str


class Device(NamedTuple):
    """What is to be done before the next device is asked.

    addresses: to be pinged, none without a dead check that counts. standby_command: empty without
    a standby wait.
    """

    hosts: tuple[str, ...]
    addresses: tuple[Address, ...]
    trials: int
    standby_command: str
    standby_wait_s: float
    passes_members: bool
    asks_for_quorum: bool
    quorum_wait_s: float

    def has(self, host: str) -> bool:
        """Without regard to case: libstonith gives all names in lower case."""
        return host.lower() in (known.lower() for known in self.hosts)


def device(values: Mapping[str, str]) -> Device:
    """Raises ParameterError, with all that is wrong. An empty value is one that is not set."""
    problems: list[str] = []
    trusts = _is_set(values, TRUST_DEAD_CHECK, problems)
    pings = _is_set(values, RUN_DEAD_CHECK, problems) and trusts
    waits = _is_set(values, RUN_STANDBY_WAIT, problems)
    command = _value(values, STANDBY_CHECK_COMMAND).strip() if waits else ""
    if waits and not command:
        problems.append("standby_check_command is not set (run_standby_wait=no needs none)")
    made = Device(
        hosts=_hosts(values, problems),
        addresses=_addresses(values, problems) if pings else (),
        trials=_trials(values, problems),
        standby_command=command,
        standby_wait_s=_seconds(values, STANDBY_WAIT_TIME, problems),
        passes_members=_is_set(values, RUN_ONLINE_CHECK, problems),
        asks_for_quorum=_is_set(values, RUN_QUORUM_CHECK, problems),
        quorum_wait_s=_seconds(values, QUORUM_CHECK_WAIT_TIME, problems),
    )
    if problems:
        raise ParameterError("; ".join(problems))
    return made


def _value(values: Mapping[str, str], parameter: Parameter) -> str:
    return values.get(parameter.name) or parameter.default


def _split(text: str) -> list[str]:
    return text.replace(",", " ").split()


def _is_set(values: Mapping[str, str], parameter: Parameter, problems: list[str]) -> bool:
    try:
        return parse_boolean(_value(values, parameter).strip())
    except ValueError:
        problems.append(f"{parameter.name} is neither yes nor no")
        return False


def _seconds(values: Mapping[str, str], parameter: Parameter, problems: list[str]) -> float:
    found = seconds(_value(values, parameter))
    if found is None:
        problems.append(f"{parameter.name} is no number of seconds up to {LONGEST_S:.0f}")
    return found or 0.0


def _trials(values: Mapping[str, str], problems: list[str]) -> int:
    text = _value(values, DEAD_CHECK_TRIALCOUNT).strip()
    if not re.fullmatch(r"[0-9]{1,3}", text) or not 0 < int(text) <= MOST_TRIALS:
        problems.append(f"dead_check_trialcount is no number from 1 to {MOST_TRIALS}")
        return 1
    return int(text)


def _hosts(values: Mapping[str, str], problems: list[str]) -> tuple[str, ...]:
    names = _split(values.get(HOSTLIST.name, ""))
    if not names:
        problems.append("hostlist is empty")
    problems += [f"hostlist: {name!r} is no node" for name in names if not HOST.fullmatch(name)]
    return tuple(names)


def _addresses(values: Mapping[str, str], problems: list[str]) -> tuple[Address, ...]:
    # Loaded here: only who trusts pings needs it.
    import ipaddress

    found = []
    for target in _split(_value(values, DEAD_CHECK_TARGET)):
        text, has_interface, interface = target.partition("%")
        try:
            ipaddress.ip_address(text)
        except ValueError:
            problems.append(f"dead_check_target: {target!r} is no address")
            continue
        if has_interface and not _INTERFACE.fullmatch(interface):
            problems.append(f"dead_check_target: {target!r} has no such interface")
        found.append(Address(text, interface))
    if not found:
        problems.append("dead_check_target has no address")
    return tuple(found)
