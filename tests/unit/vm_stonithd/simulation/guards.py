# SPDX-License-Identifier: GPL-2.0-or-later
"""The guarded writes as predicates on the small CIB of the simulated world."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

from daemons.vm_stonithd.model import actions
from daemons.vm_stonithd.model.facts import Standing, View
from pmkvm.fencing.role import STARTED, STOPPED, Written

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pmkvm.fencing.ban import Ban


def apply(action: actions.Action, host: str, view: View) -> View | None:
    """The CIB after the write; None if it does not match."""
    if isinstance(action, (actions.SwitchOff, actions.SwitchOn, actions.ForgetMark)):
        own = _role(action, view.resources[action.resource].own)
        return None if own is None else _written(view, action.resource, own)
    if isinstance(action, (actions.RemoveBan, actions.RemoveExpired)):
        return _drop(view, action.ban) if _may_remove(view, action) else None
    if isinstance(action, actions.RewriteBan):
        return _put(view, action.new) if _may_rewrite(view, action) else None
    if isinstance(action, actions.ForgetHistory):
        gone = (action.host, action.resource)
        return view._replace(histories={k: h for k, h in view.histories.items() if k != gone})
    assert isinstance(action, actions.SettleBan)
    return _put(view, action.ban) if _may_settle(view, action, host) else None


def _role(
    action: actions.SwitchOff | actions.SwitchOn | actions.ForgetMark, own: Written
) -> Written | None:
    if isinstance(action, actions.SwitchOff):
        return Written(STOPPED, action.by)
    is_off = own.role == STOPPED and bool(own.by)
    if isinstance(action, actions.SwitchOn):
        return own._replace(role=STARTED) if is_off else None
    return None if own.role == STOPPED else own._replace(by="")


def _written(view: View, name: str, own: Written) -> View:
    resource = view.resources[name]._replace(target_role=own.role or STARTED, own=own)
    return view._replace(resources={**view.resources, name: resource})


def create(wanted: Iterable[actions.CreateBan], view: View) -> View | None:
    """All are judged on the same CIB."""
    if not all(_may_create(view, each) for each in wanted):
        return None
    return reduce(_put, (each.ban for each in wanted), view)


def _may_remove(view: View, action: actions.RemoveBan | actions.RemoveExpired) -> bool:
    there = view.bans.get(action.ban.resource)
    if isinstance(action, actions.RemoveExpired):
        return there == action.ban
    is_it = there is not None and there.value == action.ban.value
    return is_it and view.is_recorded(action.ban.resource)


def _may_rewrite(view: View, action: actions.RewriteBan) -> bool:
    there = view.bans.get(action.old.resource)
    is_new = action.new.requester != action.old.requester
    is_it = there is not None and there.value == action.old.value
    return is_it and not (is_new and action.new.requester in view.bans)


def _may_create(view: View, action: actions.CreateBan) -> bool:
    ban = action.ban
    return (
        view.quorum
        and not view.maintenance
        and Standing.OTHER not in view.hosts.values()
        and not any(view.may_run(host, ban.resource) for host in view.hosts)
        and ban.resource in view.resources
        and view.bans.get(ban.resource) in (None, action.replaced)
        and ban.requester not in view.bans
        and view.call_id(ban.coordinator, ban.requester) <= action.read.requester
        and view.members <= dict(action.read.target).keys()
        and all(view.call_id(h, ban.resource) <= call for h, call in action.read.target)
        and view.busy(ban.resource) <= action.read.busy
    )


def _may_settle(view: View, action: actions.SettleBan, host: str) -> bool:
    resource = action.ban.resource
    here = view.history(host, resource)
    return (
        view.quorum
        and view.bans.get(resource) in (None, action.replaced)
        and here is not None
        and not here.ended
        and not here.pending
        and here.call_id <= action.call_id
        and all(view.has_ended(other, resource) for other in view.members - {host})
    )


def _put(view: View, ban: Ban) -> View:
    return view._replace(bans={**view.bans, ban.resource: ban})


def _drop(view: View, ban: Ban) -> View:
    return view._replace(bans={r: b for r, b in view.bans.items() if r != ban.resource})
