# SPDX-License-Identifier: GPL-2.0-or-later
"""The parameters of vm-client: those of 2011, and how often and how patiently it asks."""

from __future__ import annotations

from pmkvm.ocf.table import Parameter

LONGDESC = (
    "For guests. Runs vm-client, which asks the host's vm-managerd for node attributes and keeps"
    " them as attributes of this guest's node. So a rule in the guests' cluster can move a service"
    " away from a guest whose host has lost its gateway or a disk. Use it as a clone; the guest"
    " needs vm-connectd and its channel. An attribute that is not defined on the host, or that the"
    " host does not show to guests, is not defined in the guest. Where the host has not answered"
    " for host_timeout, all of them are deleted: a rule should hold for not_defined too. That a"
    " host is mute is no failure of this resource: start waits for one question only, and a"
    " monitor says degraded. A monitor fails where vm-client does not go on. A stop deletes the"
    " attributes."
)

PARAMETERS = (
    Parameter(
        "attribute_list",
        "Attributes",
        "Names of node attributes of the host, with blanks between them; at most 32. They have the"
        " same names in the guest. Names by which Pacemaker itself acts, such as standby, are"
        " refused.",
        required=True,
    ),
    Parameter("interval", "Interval", "Seconds from one question to the next, 1 to 3600.", 5),
    Parameter(
        "host_timeout",
        "Patience with the host",
        "Seconds, 1 to 3600. If the host has not answered for so long, the attributes are deleted.",
        15,
    ),
    Parameter(
        "dampen",
        "Dampening",
        "How long Pacemaker's attribute manager waits for further changes before the cluster gets"
        " to know of one. A restart of vm-client that is done within this time moves no service.",
        "5s",
    ),
    Parameter(
        "state",
        "State file",
        "File in which the agent remembers vm-client. If not set: a file below"
        " /run/pm_kvm_tools/anything.",
        unique=True,
    ),
    Parameter("debug", "Log more", "yes: vm-client logs more.", default=False),
)
