# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether the program lives, and root's own further check of it."""

from __future__ import annotations

from agents.vm_anything import pidfile
from pmkvm.ocf.codes import OcfCode
from pmkvm.ocf.errors import OcfError
from pmkvm.process import is_alive

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agents.vm_anything.pidfile import Record
    from pmkvm.deadline import Deadline
    from pmkvm.ocf.context import Context
    from pmkvm.process import Life

# Left of the action's time when the hook is killed: nobody else would do it.
_HOOK_RESERVE_S = 1.0


def monitor(context: Context) -> OcfCode:
    """Probe, recurring monitor and status.

    A program that has ended while processes of its session live is neither running nor stopped.
    """
    record = pidfile.load(context)
    if (record.life is not None and is_alive(record.life)) or _is_found(context, record):
        if not context.is_probe:
            run_hook(context, context.deadline.less(_HOOK_RESERVE_S))
        return OcfCode.SUCCESS
    if record.doubt is not None:
        raise record.doubt
    if record.life is not None:
        _check_ended(record.life)
    return OcfCode.NOT_RUNNING


def _is_found(context: Context, record: Record) -> bool:
    # Loaded here only, as below: as a rule the program lives, and its pid file says so.
    from agents.vm_anything import mark

    found = mark.find(context, record.life)
    if found:
        mark.note(context, found)
    return bool(found)


def _check_ended(life: Life) -> None:
    """Raises OcfError if somebody of its session lives."""
    from agents.vm_anything.session import Session, members

    left = members(Session(life))
    if left:
        raise OcfError(
            OcfCode.GENERIC,
            f"program {life.pid} has ended, but of its session there lives {left[0].pid}"
            + (f" and {len(left) - 1} more" if left[1:] else ""),
        )


def run_hook(context: Context, deadline: Deadline) -> None:
    """Raises OcfError unless the parameter monitor_hook is content, or not set."""
    text = context.text("monitor_hook")
    if not text:
        return
    # Starting processes is not on the way of a monitor without a hook.
    from pmkvm.errors import CommandError, CommandExhaustedError
    from pmkvm.run import run

    try:
        done = run(
            ["/bin/sh", "-c", text],
            timeout_s=deadline.remaining(),
            environment={"OCF_RESOURCE_INSTANCE": context.instance},
        )
    except CommandExhaustedError:
        # The hook has said nothing: it is asked again.
        raise
    except CommandError as error:
        raise OcfError(OcfCode.GENERIC, f"monitor_hook: {error}") from error
    if done.rc != 0:
        said = (done.err or done.out).strip().rpartition("\n")[2]
        raise OcfError(OcfCode.GENERIC, f"monitor_hook ended with {done.rc}: {said}")
