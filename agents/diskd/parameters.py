# SPDX-License-Identifier: GPL-2.0-or-later
"""The parameters of diskd, under the names and with the defaults that they had in 2011."""

from __future__ import annotations

from pmkvm.ocf.table import Parameter

LONGDESC = (
    "Runs diskd, which checks disks and keeps a node attribute: normal, or ERROR where a disk fails"
    " or hangs. Use it as a clone, and keep resources away from hosts with ERROR by a rule. diskd"
    " reads a block of each device that is named in device, or writes a file to write_dir; one of"
    " the two parameters must be set. A disk that hangs is ERROR within the interval and the"
    " check's timeout (options, -t) together. The check of a disk is done by a process of its own,"
    " so neither diskd nor an action waits for a disk that hangs. A start ends when the attribute"
    " is set. A monitor fails where diskd does not go on with its checks, or the attribute is not"
    " set; that a disk is bad is no failure of it. A stop deletes the attribute."
)

PARAMETERS = (
    Parameter("name", "Attribute", "Name of the node attribute.", "diskd", unique=True),
    Parameter(
        "device",
        "Disks to read",
        "Paths of the devices that are read, with blanks between them. The attribute is ERROR where"
        " one of them is bad.",
    ),
    Parameter(
        "write_dir",
        "Directory to write to",
        "A directory in which a file of 4 KiB is written, and removed again.",
    ),
    Parameter(
        "interval", "Interval", "Seconds from one check of a disk to the next, 1 to 3600.", 30
    ),
    Parameter(
        "dampen",
        "Dampening",
        "How long Pacemaker's attribute manager waits for further changes before the cluster gets"
        " to know of one.",
        "0",
    ),
    Parameter(
        "options",
        "Further options",
        "Options of diskd(8) for all that has no parameter: -t SECONDS is the time after which a"
        " disk hangs (60), -r N how often a check that failed is repeated (1), -I SECONDS the time"
        " before that (5).",
    ),
    Parameter(
        "pidfile",
        "PID file",
        "File in which the agent remembers diskd. If not set: a file below"
        " /run/pm_kvm_tools/anything.",
        unique=True,
    ),
    Parameter(
        "oneshot",
        "Check in the monitor",
        "Any text but no, false, off, n and 0: no diskd runs, and no attribute is set. Each monitor"
        " makes one check, and fails where that is bad. interval and dampen have no effect then.",
    ),
)
