# SPDX-License-Identifier: GPL-2.0-or-later
"""The parameters of vm-anything, under the names and with the defaults that they had in 2011."""

from __future__ import annotations

from pmkvm.ocf.table import Parameter

LONGDESC = (
    "Runs any program that stays in the foreground. It is started without a shell, in a session"
    " of its own, and known by its pid and start time. Where the pid file is lost it is found by"
    " the variable VM_ANYTHING in its environment, unless it has cleaned that or changed its user."
    " It counts as started when it says READY=1 through NOTIFY_SOCKET, as services of systemd do; a"
    " program that says nothing there in its first second counts as started then, if it still"
    " lives. A stop ends the program and every process of its session. Processes that leave the"
    " session (setsid, as daemons do that put themselves into the background) are not found: use a"
    " program's foreground mode."
)

PARAMETERS = (
    Parameter(
        "binfile",
        "Program",
        "Absolute path of the program. It must stay in the foreground.",
        required=True,
    ),
    Parameter(
        "cmdline_options",
        "Arguments",
        "Arguments of the program, split at blanks and by quotes as a shell would, but no shell"
        " runs: variables, wildcards and redirections mean nothing.",
    ),
    Parameter(
        "workdir",
        "Working directory",
        "Where the program is started. Not set: the user's home with login_shell, else where"
        " the agent is called.",
    ),
    Parameter(
        "pidfile",
        "PID file",
        "Where the agent remembers the program, as one line: pid and start time in clock ticks"
        " since boot. Only a file of root's is believed. A line with nothing but a pid, as other"
        " tools write it, counts if that process runs binfile. Not set: a file below"
        " /run/pm_kvm_tools/anything.",
        unique=True,
    ),
    Parameter(
        "logfile",
        "File for output",
        "File to which the program's output is appended, opened with the user's rights; its error"
        " output as well, unless errlogfile is set. Where it can't be opened because its disk is"
        " full, read-only or broken, the output is lost and the program starts.",
        default="/dev/null",
    ),
    Parameter(
        "errlogfile",
        "File for error output",
        "File to which the program's error output is appended, opened with the user's rights."
        " If the program dies while it starts, the last line of it becomes the exit reason.",
    ),
    Parameter("user", "User", "User that the program runs as, with all its groups.", "root"),
    Parameter(
        "monitor_hook",
        "Further check",
        "Text that /bin/sh runs as root in each recurring monitor and at the end of a start, in a"
        " minimal environment; anything but 0 is a failure. The only text that is run by a shell.",
    ),
    Parameter(
        "stop_timeout",
        "Seconds between SIGTERM and SIGKILL",
        "Seconds that the program has to end in order before it is killed. 0: two thirds of"
        " the operation's timeout, 10 without one.",
        default=0,
    ),
    Parameter(
        "login_shell",
        "Environment of a login",
        "true: the program gets the environment of a login of the user: HOME, USER, LOGNAME,"
        " SHELL and PATH. false: the agent's environment with these names set (PATH stays), so that"
        " HA_* and OCF_* names, such as the log facility, reach the program. No shell is run in"
        " either case, so nothing of the user's profile is read.",
        default=True,
    ),
)
