# SPDX-License-Identifier: GPL-2.0-or-later
"""What can be seen of the target and of this node. What can't be seen is None, and is logged."""

from __future__ import annotations

from pmkvm import run
from pmkvm.deadline import Deadline
from pmkvm.errors import HaError
from pmkvm.pacemaker import tools
from pmkvm.pacemaker.errors import ExitCode
from pmkvm.thread_call import Call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from stonith.plugin.journal import Journal
    from stonith.stonith_helper.decision import Reply
    from stonith.stonith_helper.parameters import Address

# sh's own, for a command that is not executable or not there.
_NOT_EXECUTED = (126, 127)
COMMAND_S = 10.0
TOOL_S = 5.0
_PING_S = 1.0
# Beyond what the pings themselves may take.
_PING_MARGIN_S = 5.0


def replies(addresses: Sequence[Address], trials: int, journal: Journal) -> list[Reply]:
    """Of all addresses at the same time."""
    limit_s = trials * 2 * _PING_S + _PING_MARGIN_S
    calls = [_Ping(address, trials, limit_s) for address in addresses]
    deadline = Deadline(limit_s + _PING_MARGIN_S)
    return [call.reply(deadline, journal) for call in calls]


class _Ping:
    """One address; ping says 0 if it answered at all, 1 if it did not, else that it can't ask."""

    def __init__(self, address: Address, trials: int, limit_s: float) -> None:
        way = ("-I", address.interface) if address.interface else ()
        pace = ("-c", str(trials), "-i", str(_PING_S), "-W", str(_PING_S))
        argv = ("ping", "-n", "-q", *pace, *way, address.text)
        self._address = address.text
        self._call = Call(f"pinging {address.text}", lambda: run.run(argv, timeout_s=limit_s))

    def reply(self, deadline: Deadline, journal: Journal) -> Reply:
        try:
            if not self._call.is_done(deadline):
                raise self._call.abandon()
            done = self._call.result()
        except HaError as error:
            journal.complain(f"ping {self._address}: {error}")
            return None
        if isinstance(done, run.Completed) and done.rc in (0, 1):
            return done.rc == 0
        journal.complain(f"ping {self._address} could not ask: {done}")
        return None


def is_active(command: str, journal: Journal) -> bool | None:
    """Whether root's own command says that this node is the active one."""
    try:
        done = run.run(["/bin/sh", "-c", command], timeout_s=COMMAND_S)
    except HaError as error:
        journal.complain(f"standby_check_command: {error}")
        return None
    if done.rc in _NOT_EXECUTED or done.rc < 0:
        journal.complain(f"standby_check_command ended with {done.rc}: {done.err}")
        return None
    return done.rc == 0


def is_member(host: str, journal: Journal) -> bool | None:
    """Whether that node is in this partition. A name that only begins so is another node."""
    try:
        done = tools.call(["crm_node", "--partition"], Deadline(TOOL_S))
    except HaError as error:
        journal.complain(f"the members are not known: {error}")
        return None
    return host.lower() in done.out.lower().split()


def has_quorum(journal: Journal) -> bool | None:
    try:
        # No quorum is also an exit code of its own, in some versions.
        done = tools.call(["crm_node", "--quorum"], Deadline(TOOL_S), also_fine=(ExitCode.QUORUM,))
    except HaError as error:
        journal.complain(f"quorum is not known: {error}")
        return None
    return {"1": True, "0": False}.get(done.out.strip())
