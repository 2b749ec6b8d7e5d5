# SPDX-License-Identifier: GPL-2.0-or-later
"""The parameters of vm-anything, under the names and with the defaults that they had in 2011."""

from __future__ import annotations

from pmkvm.ocf.table import Parameter

LONGDESC = (
    "Runs any program that stays in the foreground. The agent starts it without a shell, in a"
    " session of its own, and knows it by its pid and start time. If the pid file is lost, the"
    " agent finds the program by the variable VM_ANYTHING in its environment, unless the program"
    " has cleaned its environment or changed its user. The program counts as started when it says"
    " READY=1 through NOTIFY_SOCKET, as services of systemd do. A program that says nothing there"
    " in its first second counts as started then, if it still lives. A stop ends the program and"
    " every process of its session. The agent does not find processes that leave the session"
    " (setsid, as daemons do that put themselves into the background): use a program's foreground"
    " mode."
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
        "Arguments of the program. The agent splits them at blanks and by quotes as a shell would."
        " No shell runs, so variables, wildcards and redirections mean nothing.",
    ),
    Parameter(
        "workdir",
        "Working directory",
        "Directory in which the program is started. If not set: the user's home with login_shell,"
        " otherwise the directory in which the agent is called.",
    ),
    Parameter(
        "pidfile",
        "PID file",
        "File in which the agent remembers the program, in one line: pid, and start time in clock"
        " ticks since boot. The agent believes only a file of root's. A line with nothing but a"
        " pid, as other tools write it, counts if that process runs binfile. If not set: a file"
        " below /run/pm_kvm_tools/anything.",
        unique=True,
    ),
    Parameter(
        "logfile",
        "File for output",
        "File to which the program's output is appended. It is opened with the user's rights."
        " Error output goes there too, unless errlogfile is set. If the file can't be opened"
        " because its disk is full, read-only or broken, the program starts and its output is"
        " lost.",
        default="/dev/null",
    ),
    Parameter(
        "errlogfile",
        "File for error output",
        "File to which the program's error output is appended. It is opened with the user's"
        " rights. If the program dies while it starts, the last line of its error output becomes"
        " the exit reason.",
    ),
    Parameter("user", "User", "User that the program runs as, with all its groups.", "root"),
    Parameter(
        "monitor_hook",
        "Further check",
        "Command line that /bin/sh runs as root, in a minimal environment, in each recurring"
        " monitor and at the end of a start. Any exit code but 0 is a failure. No other parameter"
        " is run by a shell.",
    ),
    Parameter(
        "stop_timeout",
        "Seconds between SIGTERM and SIGKILL",
        "Seconds that the program has to end by itself before it is killed. 0: two thirds of the"
        " operation's timeout, or 10 if it has none.",
        default=0,
    ),
    Parameter(
        "login_shell",
        "Environment of a login",
        "true: the program gets the environment of a login of the user: HOME, USER, LOGNAME, SHELL"
        " and PATH. false: the program gets the agent's environment with these names set, except"
        " PATH, which stays. So HA_* and OCF_* names, such as the log facility, reach the program."
        " No shell is run in either case, so nothing of the user's profile is read.",
        default=True,
    ),
)
