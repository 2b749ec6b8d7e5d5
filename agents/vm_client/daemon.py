# SPDX-License-Identifier: GPL-2.0-or-later
"""vm-client as a program of vm-anything's, which starts, finds and ends it; and what it says."""

from __future__ import annotations

from agents.vm_anything import pidfile
from pmkvm import settings
from pmkvm.errors import HaError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pmkvm.deadline import Deadline
    from pmkvm.ocf.context import Context
    from pmkvm.ocf.table import Value

PROGRAM = "/usr/sbin/vm-client"
# What is asked is in its memory.
_ASK_S = 10.0
# Questions and writes have deadlines, some 7 s in all; a busy guest takes its time.
_STALL_S = 60.0
_LONGEST_REASON = 200


def arguments(context: Context) -> list[str]:
    """Of vm-client."""
    options = ["--attributes", " ".join(context.text("attribute_list").split())]
    options += ["--interval", str(context.number("interval"))]
    options += ["--host-timeout", str(context.number("host_timeout"))]
    # As one word: a text that begins with a dash is no option.
    options += [f"--dampen={context.text('dampen')}", f"--instance={instance(context)}"]
    return [*options, "--debug"] if context.flag("debug") else options


def instance(context: Context) -> str:
    """The resource; of an anonymous clone's instances without their number."""
    return pidfile.instance(as_program(context))


def as_program(context: Context, cmdline_options: str = "") -> Context:
    """The same action, as vm-anything is asked for it."""
    parameters: dict[str, Value] = {
        "binfile": PROGRAM,
        "cmdline_options": cmdline_options,
        "workdir": "",
        "pidfile": context.text("state"),
        "logfile": "/dev/null",
        "errlogfile": "",
        "user": "root",
        "monitor_hook": "",
        "stop_timeout": 0,
        "login_shell": False,
    }
    return context._replace(parameters=parameters)


def trouble(context: Context, deadline: Deadline) -> str:
    """Why the host's attributes are not kept for now, empty if they are. Raises HaError if
    vm-client does not answer or does not go on."""
    import json

    from pmkvm.service import status_socket

    path = settings.vm_client_socket(instance(context))
    text = status_socket.ask("vm-client", path, deadline.at_most(_ASK_S))
    try:
        said = json.loads(text)
        ago_s, pause_s = float(said["round_seconds_ago"]), float(said["interval_seconds"])
        host, is_mute = str(said["host"]), bool(said["host_is_mute"])
    except (ValueError, KeyError, TypeError) as error:
        raise HaError(f"vm-client's answer is not understood: {text[:200]}") from error
    if ago_s > pause_s + _STALL_S:
        raise HaError(f"vm-client does not go on: its last question is {ago_s:.0f} s old")
    return f"the host is mute: {host[:_LONGEST_REASON]}" if is_mute else ""
