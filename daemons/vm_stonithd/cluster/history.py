# SPDX-License-Identifier: GPL-2.0-or-later
"""What a node_state of the CIB says of its host, and of one resource's history there. Pure.

The same words as the XPaths of pmkvm.fencing.status_words, which guard the writes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemons.vm_stonithd.model.facts import History, Standing, Transition

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_UNKNOWN_RC = "193"
_PENDING_STATUS = "-1"
# OCF_SUCCESS, and OCF_DEGRADED.
_RUNS = ("0", "190")
# Of a monitor: OCF_NOT_RUNNING, and the codes for what can't run on this host as it is: wrong
# arguments, unimplemented, no permission, not installed, not configured.
_FOUND_NONE = ("7", "2", "3", "4", "5", "6")
_COMES = ("start", "migrate_from")
_KEY_PARTS = 4
# The key holds the uuid of the DC's life and the number of its transition: call ids begin anew
# with each life of the executor.
_LAST = ("transition-key", "call-id", "rc-code", "op-status")


def is_cluster_node(state: Element) -> bool:
    """A remote node's has neither join nor crmd nor expected."""
    return "remote_node" not in state.attrib


def standing(state: Element) -> Standing:
    """Pacemaker 2.1 writes crmd and in_ccm in words, 3.0 as times, where 0 is no."""
    crmd, in_ccm = state.get("crmd"), state.get("in_ccm")
    both = {state.get("join"), state.get("expected")}
    is_there = crmd not in (None, "offline", "0") and in_ccm not in (None, "false", "0")
    if is_there and both == {"member"}:
        return Standing.OK
    if crmd in ("offline", "0") and both == {"down"}:
        return Standing.DOWN
    return Standing.OTHER


def is_remote_up(state: Element) -> bool:
    """Pacemaker 2.1 writes in_ccm in words, 3.0 as a time."""
    return state.get("in_ccm") not in ("false", "0")


def read(entry: Element) -> History | None:
    """An lrm_resource. One without operations says nothing, as if it were not there."""
    operations = entry.findall("lrm_rsc_op")
    if not operations:
        return None
    last_id = f"{entry.get('id', '')}_last_0"
    last = next((each for each in operations if each.get("id") == last_id), None)
    is_pending = any(map(_is_pending, operations))
    is_open = last is None or is_pending or any(_came_after(each, last) for each in operations)
    kind, rc = ("", "") if last is None else (last.get("operation"), last.get("rc-code"))
    ended = not is_open and (kind, rc) in (("stop", "0"), ("monitor", "7"))
    departure = _departure(operations)
    has_no_agent = not is_open and (kind, rc) == ("monitor", "5")
    return History(
        ended=ended,
        recorded=not is_open and (kind == "stop" or (kind == "monitor" and rc in ("7", "5"))),
        pending=is_pending,
        call_id=max(map(_call, operations)),
        is_leaving=_is_leaving(operations),
        last="" if last is None else " ".join(last.get(name, "-") for name in _LAST),
        has_life=_has_life(operations),
        is_down=ended or has_no_agent,
        left_for="" if departure is None else departure.get("migrate_target", ""),
        left_in=None if departure is None else _transition(departure),
        known=tuple(filter(None, map(_known, operations))),
    )


def _is_pending(operation: Element) -> bool:
    return operation.get("rc-code") == _UNKNOWN_RC or operation.get("op-status") == _PENDING_STATUS


def _has_life(operations: list[Element]) -> bool:
    """By the latest operation that has a result. A stop that is under way is of a life; a start or
    an arrival that is under way, or has failed, has begun none."""
    if any(_is_pending(each) and each.get("operation") == "stop" for each in operations):
        return True
    finished = [each for each in operations if not _is_pending(each)]
    if not finished:
        return False
    latest = max(finished, key=_call)
    kind, rc = latest.get("operation"), latest.get("rc-code")
    if kind in ("start", "migrate_from"):
        return rc in _RUNS
    if kind in ("stop", "migrate_to"):
        return rc != "0"
    return rc not in _FOUND_NONE


def _came_after(operation: Element, last: Element) -> bool:
    """After a live migration _last_0 is still "monitor 7" on the host where the guest now runs."""
    if operation.get("operation") != "migrate_from":
        return False
    came, closed = operation.get("call-id"), last.get("call-id")
    return came is None or closed is None or _call(operation) >= _call(last)


def _is_leaving(operations: list[Element]) -> bool:
    """Whether the latest is a migrate_to; one that is under way has no call id yet."""
    latest = [each for each in operations if _is_pending(each)]
    latest = latest or [max(operations, key=_call)]
    return any(each.get("operation") == "migrate_to" for each in latest)


def _departure(operations: list[Element]) -> Element | None:
    """Its migrate_to, however it ended, unless it has started or arrived here since."""
    came = [_call(each) for each in operations if each.get("operation") in _COMES]
    for each in operations:
        if each.get("operation") == "migrate_to" and (
            _is_pending(each) or _call(each) > max(came, default=-1)
        ):
            return each
    return None


def _known(operation: Element) -> Transition | None:
    """A probe comes before all else of its transition."""
    found = _transition(operation)
    if found is None or operation.get("operation") != "monitor":
        return found
    return found._replace(number=found.number - 1)


def _transition(operation: Element) -> Transition | None:
    """transition-key is ACTION:TRANSITION:EXPECTED:DC."""
    parts = operation.get("transition-key", "").split(":")
    if len(parts) != _KEY_PARTS or not parts[1].isdigit():
        return None
    return Transition(parts[3], int(parts[1]))


def _call(operation: Element) -> int:
    try:
        return int(operation.get("call-id", "-1"))
    except ValueError:
        return -1
