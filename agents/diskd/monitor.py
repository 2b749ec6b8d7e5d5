# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether diskd lives, goes on with its checks, and has the attribute set."""

from __future__ import annotations

import os

from agents.diskd import daemon
from agents.vm_anything.monitor import monitor as look
from pmkvm.ocf.codes import OcfCode
from pmkvm.ocf.errors import OcfError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pmkvm.deadline import Deadline
    from pmkvm.ocf.context import Context

# Left to end a check that does not come back and to say so, and at most a quarter of what there is.
_RESERVE_S = 3.0


def monitor(context: Context) -> OcfCode:
    """Probe and recurring monitor. A bad disk is no failure of diskd: the attribute tells it."""
    if daemon.is_oneshot(context):
        return _check(context)
    code = look(daemon.as_program(context))
    if code != OcfCode.SUCCESS or context.is_probe:
        return code
    failures = daemon.failures(context, _with_reserve(context.deadline))
    if failures:
        raise OcfError(OcfCode.GENERIC, f"diskd: {'; '.join(failures)}")
    return OcfCode.SUCCESS


def _check(context: Context) -> OcfCode:
    """oneshot: this very monitor checks."""
    if not os.path.exists(daemon.oneshot_file(context)):
        return OcfCode.NOT_RUNNING
    if context.is_probe:
        return OcfCode.SUCCESS
    from pmkvm.errors import CommandError, CommandExhaustedError
    from pmkvm.run import run

    argv = [daemon.PROGRAM, *daemon.arguments(context), "-o"]
    try:
        done = run(argv, timeout_s=_with_reserve(context.deadline).remaining())
    except CommandExhaustedError:
        # Nothing was found out: it is tried again.
        raise
    except CommandError as error:
        raise OcfError(OcfCode.GENERIC, str(error)) from error
    if done.rc != 0:
        said = "; ".join(done.err.strip().splitlines())
        raise OcfError(OcfCode.GENERIC, said or f"diskd -o ended with {done.rc}")
    return OcfCode.SUCCESS


def _with_reserve(deadline: Deadline) -> Deadline:
    return deadline.less(min(_RESERVE_S, deadline.remaining() / 4))
