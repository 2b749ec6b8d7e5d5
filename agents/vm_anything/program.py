# SPDX-License-Identifier: GPL-2.0-or-later
"""What is to be started, read from the parameters and checked as a whole."""

from __future__ import annotations

import os
import shlex
from typing import NamedTuple

from agents.vm_anything import user
from agents.vm_anything.mark import VARIABLE
from pmkvm import settings
from pmkvm.ocf.codes import OcfCode
from pmkvm.ocf.errors import OcfError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import pwd
    from collections.abc import Iterator, Mapping

    from pmkvm.ocf.context import Context
    from pmkvm.run import Account

# What systemd, or another start of this agent, tells the agent's own ancestors and nobody else.
_NOT_INHERITED = ("NOTIFY_SOCKET", "WATCHDOG_", "LISTEN_", VARIABLE)


class Program(NamedTuple):
    """A program that can be started. directory None: where the agent is."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    directory: str | None
    account: Account | None


def from_context(context: Context) -> Program:
    """Raises OcfError that lists every problem, CONFIGURED if one is the same on every node."""
    problems = list(_wrong_everywhere(context))
    if problems:
        raise OcfError(OcfCode.CONFIGURED, "; ".join(problems))
    entry = user.entry_of(context.text("user"))
    account = user.account_of(entry)
    with user.rights_of(account):
        problems = list(_wrong_here(context))
    if problems:
        raise OcfError(OcfCode.INSTALLED, "; ".join(problems))
    return Program(
        argv=(context.text("binfile"), *shlex.split(context.text("cmdline_options"))),
        environment=_environment(entry, is_login=context.flag("login_shell")),
        directory=context.text("workdir") or _home(entry, is_login=context.flag("login_shell")),
        account=account,
    )


def validate_all(context: Context) -> OcfCode:
    """Also what a start would find out only when the program runs."""
    from_context(context)
    text = context.text("monitor_hook")
    if text:
        from pmkvm import shell_text

        found = shell_text.fault(text, context.deadline)
        if found is not None:
            code = OcfCode.CONFIGURED if found.is_everywhere else OcfCode.INSTALLED
            raise OcfError(code, f"parameter monitor_hook: {found.text}")
    return OcfCode.SUCCESS


def _wrong_everywhere(context: Context) -> Iterator[str]:
    for name in ("binfile", "workdir", "pidfile", "logfile", "errlogfile"):
        path = context.text(name)
        if path and not os.path.isabs(path):
            yield f"parameter {name}={path!r} must be an absolute path"
    try:
        shlex.split(context.text("cmdline_options"))
    except ValueError as error:
        yield f"parameter cmdline_options: {error}"


def _wrong_here(context: Context) -> Iterator[str]:
    """To be called with the rights of the user."""
    binfile, workdir = context.text("binfile"), context.text("workdir")
    name = context.text("user")
    if not os.path.isfile(binfile):
        yield f"{binfile} does not exist, or {name} can't see it"
    elif not os.access(binfile, os.X_OK, effective_ids=True):
        yield f"{binfile} is not executable for {name}"
    if workdir and not os.path.isdir(workdir):
        yield f"{workdir} is no directory, or {name} can't see it"
    elif workdir and not os.access(workdir, os.X_OK, effective_ids=True):
        yield f"{workdir} may not be entered by {name}"


def _environment(entry: pwd.struct_passwd, *, is_login: bool) -> dict[str, str]:
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(_NOT_INHERITED)
    }
    return {
        "PATH": settings.CHILD_ENVIRONMENT["PATH"],
        **({} if is_login else kept),
        "HOME": entry.pw_dir,
        "USER": entry.pw_name,
        "LOGNAME": entry.pw_name,
        "SHELL": entry.pw_shell or "/bin/sh",
    }


def _home(entry: pwd.struct_passwd, *, is_login: bool) -> str | None:
    """As login does: a user whose home is not there starts at the root."""
    if not is_login:
        return None
    return entry.pw_dir if os.path.isdir(entry.pw_dir) else "/"
