# SPDX-License-Identifier: GPL-2.0-or-later
"""The machine's guarded writes, each a call with a deadline that says how it ended.

Bans that are wanted at one moment are created by one write: each write costs every host's CIB
manager some 20 ms and lets Pacemaker think anew, and who asks it anything meanwhile waits.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Union, get_args

from daemons.vm_stonithd.cluster import queries
from daemons.vm_stonithd.host import qemu_processes
from daemons.vm_stonithd.model import actions
from daemons.vm_stonithd.model.events import Outcome
from pmkvm.deadline import Deadline
from pmkvm.fencing import guard, role

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from daemons.vm_stonithd.model.actions import Action
    from daemons.vm_stonithd.model.facts import Sender

# A write blocks for corosync's token time and more when a host is lost: 5.1 s measured.
WRITE_S = 15.0
# A guard takes up to 12,000 characters in a cluster of 32 hosts, of what fits into an argument.
AT_ONCE = 10


# Each but those that create a ban.
Write = Union[
    actions.RewriteBan,
    actions.SettleBan,
    actions.RemoveBan,
    actions.RemoveExpired,
    actions.ForgetHistory,
    actions.SwitchOff,
    actions.SwitchOn,
    actions.ForgetMark,
]
WRITES = get_args(Write)


class WriteEnd(NamedTuple):
    """How a write ended, and why so if it was not DONE."""

    outcome: Outcome
    reason: str


class CreateBans(NamedTuple):
    """Several that one write may create."""

    wanted: tuple[actions.CreateBan, ...]


def together(wanted: Iterable[Action]) -> Iterator[Action | CreateBans]:
    """The same actions in the same order, those that create bans in groups."""
    group: list[actions.CreateBan] = []
    for each in wanted:
        if group and not _fits(each, group):
            yield CreateBans(tuple(group))
            group = []
        if isinstance(each, actions.CreateBan):
            group.append(each)
        else:
            yield each
    if group:
        yield CreateBans(tuple(group))


def _fits(one: Action, group: Sequence[actions.CreateBan]) -> bool:
    if not isinstance(one, actions.CreateBan) or len(group) == AT_ONCE:
        return False
    return all(guard.independent(one.ban, other.ban) for other in group)


def create(wanted: CreateBans) -> dict[int, WriteEnd]:
    """By ticket. What is refused together is tried one by one, to tell which of them it was."""
    told, alive = {}, []
    for each in wanted.wanted:
        gone = _gone(each.sender)
        if gone is None:
            alive.append(each)
        else:
            told[each.ticket] = gone
    if alive:
        creations = [guard.Creation(each.ban, each.read, each.replaced) for each in alive]
        done = WriteEnd(*queries.write(partial(guard.create, *creations), Deadline(WRITE_S)))
        if done.outcome is Outcome.NOT_MATCHED and len(alive) > 1:
            for each in alive:
                told |= create(CreateBans((each,)))
        else:
            told |= dict.fromkeys((each.ticket for each in alive), done)
    return told


def carry_out(action: Write) -> WriteEnd:
    """Any other."""
    deadline = Deadline(WRITE_S)
    if isinstance(action, actions.RewriteBan) and action.sender is not None:
        gone = _gone(action.sender)
        if gone is not None:
            return gone
    return WriteEnd(*queries.write(partial(_guarded, action, deadline), deadline))


def _guarded(action: Write, deadline: Deadline) -> guard.Write:
    """Raises HaError, if what a role stands in can't be read."""
    if isinstance(action, (actions.SwitchOff, actions.SwitchOn, actions.ForgetMark)):
        return _guarded_role(action, deadline)
    if isinstance(action, actions.RewriteBan):
        return guard.rewrite(action.old, action.new)
    if isinstance(action, actions.SettleBan):
        ban = action.ban
        return guard.settle(ban, ban.coordinator, action.call_id, action.replaced)
    if isinstance(action, actions.RemoveBan):
        return guard.remove(action.ban)
    if isinstance(action, actions.RemoveExpired):
        return guard.remove_expired(action.ban)
    return guard.forget_history(action.host, action.resource)


def _guarded_role(
    action: actions.SwitchOff | actions.SwitchOn | actions.ForgetMark, deadline: Deadline
) -> guard.Write:
    if isinstance(action, actions.ForgetMark):
        return role.forget_mark(action.resource)
    now = queries.primitive(action.resource, deadline)
    if isinstance(action, actions.SwitchOff):
        return role.switch_off(now, action.resource, action.by)
    return role.switch_on(now, action.resource)


def _gone(sender: Sender) -> WriteEnd | None:
    """Immediately before the write: a dead guest fences nobody."""
    if qemu_processes.is_alive(sender):
        return None
    return WriteEnd(Outcome.SENDER_GONE, f"QEMU {sender.life.pid} of {sender.uuid} is gone")
