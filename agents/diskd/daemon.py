# SPDX-License-Identifier: GPL-2.0-or-later
"""diskd as a program of vm-anything's, which starts, finds and ends it; and what it says of itself.

No action touches a disk that is checked, nor waits for one that does: diskd's children that wait
for a disk are in sessions of their own, and have not the mark by which vm-anything finds a program.
"""

from __future__ import annotations

from agents.vm_anything import pidfile
from pmkvm import settings
from pmkvm.errors import HaError
from pmkvm.ocf.codes import OcfCode
from pmkvm.ocf.context import FALSE
from pmkvm.ocf.errors import OcfError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pmkvm.deadline import Deadline
    from pmkvm.ocf.context import Context
    from pmkvm.ocf.table import Value

PROGRAM = "/usr/sbin/diskd"
# What is asked is in its memory.
_ASK_S = 10.0


def is_oneshot(context: Context) -> bool:
    text = context.text("oneshot").lower()
    return bool(text) and text not in FALSE


def arguments(context: Context) -> list[str]:
    """Of diskd. Raises OcfError."""
    # Loaded here only: a monitor needs none of it.
    import shlex

    what = [word for path in context.text("device").split() for word in ("-N", path)]
    if context.text("write_dir"):
        what += ["-w", "-d", context.text("write_dir")]
    try:
        options = shlex.split(context.text("options"))
    except ValueError as error:
        raise OcfError(OcfCode.CONFIGURED, f"parameter options: {error}") from error
    pace = ["-i", str(context.number("interval")), "-m", context.text("dampen")]
    return ["-a", context.text("name"), *what, *pace, *options]


def as_program(context: Context, cmdline_options: str = "") -> Context:
    """The same action, as vm-anything is asked for it."""
    parameters: dict[str, Value] = {
        "binfile": PROGRAM,
        "cmdline_options": cmdline_options,
        "workdir": "",
        "pidfile": context.text("pidfile"),
        "logfile": "/dev/null",
        "errlogfile": "",
        "user": "root",
        "monitor_hook": "",
        "stop_timeout": 0,
        "login_shell": False,
    }
    return context._replace(parameters=parameters)


def oneshot_file(context: Context) -> str:
    """It is there while a resource without a daemon is started."""
    return f"{pidfile.path(as_program(context))}.oneshot"


def failures(context: Context, deadline: Deadline) -> list[str]:
    """What diskd says that a monitor is to fail for. Raises HaError if it does not answer."""
    import json

    from pmkvm.service import status_socket

    path = settings.diskd_socket(context.text("name"))
    text = status_socket.ask("diskd", path, deadline.at_most(_ASK_S))
    try:
        said = json.loads(text)["failures"]
    except (ValueError, KeyError, TypeError) as error:
        raise HaError(f"diskd's answer is not understood: {text[:200]}") from error
    return [str(each) for each in said]
