# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs one action of an agent as Pacemaker calls it: one word in, one exit code out."""

from __future__ import annotations

import os
import sys

from pmkvm.errors import HaError, is_exhaustion
from pmkvm.ocf.codes import OcfCode
from pmkvm.ocf.context import deadline_of, make_context
from pmkvm.ocf.errors import OcfError
from pmkvm.ocf.log import Log, one_line
from pmkvm.thread_call import Call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import NoReturn, TextIO

    from pmkvm.ocf.context import Context
    from pmkvm.ocf.table import Action, Agent

# A host that lacks memory or the like is asked again so soon.
_RETRY_S = 0.2


def main(agent: Agent) -> NoReturn:
    """Run the action that this process was started for, and leave.

    By os._exit: a call into a hung libvirtd may still be under way in another thread, and
    a monitor every few seconds for every guest need not tear an interpreter down.
    """
    code = OcfCode.GENERIC
    try:
        code = run(agent, sys.argv[1:], os.environ, sys.stdout, sys.stderr)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        # Without memory even words may fail: then the code alone speaks.
        os._exit(code)


def run(
    agent: Agent,
    argv: Sequence[str],
    env: Mapping[str, str],
    stdout: TextIO,
    stderr: TextIO,
) -> OcfCode:
    """Carry out the action named by the first argument; further ones are ignored (OCF 1.1).

    Never raises: whatever goes wrong is one line of exit reason and a code of the specification.
    """
    name = argv[0] if argv else "usage"
    if name in ("usage", "help", "--help", "-h"):
        print(_usage(agent), file=stdout)
        return OcfCode.SUCCESS if argv else OcfCode.ARGS
    if name == "meta-data":
        # Loaded here only: no other action needs XML.
        from pmkvm.ocf.metadata import metadata

        print(metadata(agent, ocf_1_1=_speaks_ocf_1_1(env)), file=stdout)
        return OcfCode.SUCCESS
    action = agent.action(name)
    if action is None:
        print(f"{agent.name}: unknown action {name!r}\n{_usage(agent)}", file=stderr)
        return OcfCode.UNIMPLEMENTED
    ident = f"{agent.name}({env.get('OCF_RESOURCE_INSTANCE', agent.name)})"
    log = Log(ident, env, stderr)
    try:
        return _act(agent, action, env, log)
    except OcfError as error:
        reason, code = str(error), error.code
        if code == OcfCode.DEGRADED and not (name == "monitor" and _speaks_ocf_1_1(env)):
            # OCF 1.1 has it, and for a monitor only: anybody else would call it a failure.
            log.warning(reason)
            return OcfCode.SUCCESS
    except HaError as error:
        reason, code = str(error), OcfCode.GENERIC
    except Exception as error:  # noqa: BLE001 - the program's boundary
        reason, code = _unexpected(name, error, log), OcfCode.GENERIC
    log.error(reason)
    print(f"{env.get('OCF_EXIT_REASON_PREFIX', 'ocf-exit-reason:')}{one_line(reason)}", file=stderr)
    return code


def _act(agent: Agent, action: Action, env: Mapping[str, str], log: Log) -> OcfCode:
    """Again and again while this host lacks memory or the like: what an action does twice is done
    once (OCF resource agent API)."""
    deadline = deadline_of(action, env)
    last_try = deadline.less(_RETRY_S)
    context: Context | None = None
    while True:
        try:
            if context is None:
                context = make_context(agent, action, env, log, deadline)
            code = _act_in_time(action, context)
            break
        except Exception as error:
            if not _is_lack(error) or last_try.expired():
                raise
        try:
            deadline.pause(_RETRY_S)
        except MemoryError:
            continue
    if not isinstance(code, OcfCode):
        raise TypeError(f"{action.name} returned {code!r}, which is no OcfCode")
    return code


def _is_lack(error: Exception) -> bool:
    """Whether this host lacks memory or the like. Who finds none to tell has the answer."""
    try:
        return isinstance(error, MemoryError) or is_exhaustion(error)
    except MemoryError:
        return True


def _act_in_time(action: Action, context: Context) -> object:
    """The backstop of every wait: also a read from a dead file system ends at the deadline."""

    def act() -> OcfCode:
        return action.function(context)

    what = f"in {action.name}"
    call = Call(what, act)
    if not call.has_begun:
        # Loaded here only: as a rule there are threads.
        from pmkvm.alarm import before_alarm

        return before_alarm(context.deadline, what, act)
    if not call.is_done(context.deadline):
        raise call.abandon()
    return call.result()


def _unexpected(name: str, error: Exception, log: Log) -> str:
    """The reason. Without memory there is none for a traceback either."""
    if isinstance(error, MemoryError):
        return f"out of memory in {name}"
    log.error(_traceback())
    return f"{name} failed: {error!r}"


def _usage(agent: Agent) -> str:
    names = [action.name for action in agent.actions]
    return f"usage: {agent.name} {{{'|'.join([*names, 'meta-data', 'usage'])}}}"


def _speaks_ocf_1_1(env: Mapping[str, str]) -> bool:
    major, minor = env.get("OCF_RA_VERSION_MAJOR", "1"), env.get("OCF_RA_VERSION_MINOR", "0")
    return major == "1" and minor.isdecimal() and int(minor) >= 1


def _traceback() -> str:
    import traceback

    return traceback.format_exc()
