# SPDX-License-Identifier: GPL-2.0-or-later
"""Start: run diskd, and wait until attrd has the attribute."""

from __future__ import annotations

import os
import shlex

from agents.diskd import daemon
from agents.vm_anything import program
from agents.vm_anything import start as starting
from agents.vm_anything import stop as stopping
from pmkvm import files
from pmkvm.errors import HaError
from pmkvm.ocf.codes import OcfCode
from pmkvm.ocf.errors import OcfError
from pmkvm.run import run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pmkvm.deadline import Deadline
    from pmkvm.ocf.context import Context

_POLL_S = 0.2
# Left to end a diskd that does not come so far, and at most a quarter of what there is.
_RESERVE_S = 6.0


def start(context: Context) -> OcfCode:
    """Idempotent."""
    arguments = _valid_arguments(context)
    if daemon.is_oneshot(context):
        path = daemon.oneshot_file(context)
        try:
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            files.write_atomically(path, "")
        except OSError as error:
            raise OcfError(OcfCode.GENERIC, f"{path} can't be written: {error.strerror}") from error
        return OcfCode.SUCCESS
    what = daemon.as_program(context, shlex.join(arguments))
    code = starting.start(what)
    reserve_s = min(_RESERVE_S, context.deadline.remaining() / 4)
    try:
        _wait_until_set(context, context.deadline.less(reserve_s))
    except HaError:
        stopping.stop(what)
        raise
    return code


def validate_all(context: Context) -> OcfCode:
    _valid_arguments(context)
    return OcfCode.SUCCESS


def _valid_arguments(context: Context) -> list[str]:
    """diskd itself knows its options. Raises OcfError."""
    arguments = daemon.arguments(context)
    program.from_context(daemon.as_program(context))
    done = run([daemon.PROGRAM, *arguments, "--validate"], timeout_s=context.deadline.remaining())
    if done.rc != 0:
        said = done.err.strip().rpartition("\n")[2]
        raise OcfError(OcfCode.CONFIGURED, said or f"diskd --validate ended with {done.rc}")
    return arguments


def _wait_until_set(context: Context, deadline: Deadline) -> None:
    """Raises HaError with what is in the way."""
    while True:
        try:
            failures = daemon.failures(context, deadline)
        except HaError as error:
            failures = [str(error)]
        if not failures:
            return
        if deadline.less(_POLL_S).expired():
            raise OcfError(OcfCode.GENERIC, f"diskd is not ready: {'; '.join(failures)}")
        deadline.pause(_POLL_S)
