# SPDX-License-Identifier: GPL-2.0-or-later
"""The parameters of VirtualDomain, under the names of ocf:heartbeat:VirtualDomain."""

from __future__ import annotations

from agents.virtual_domain.parameters_migration import MIGRATION
from pmkvm.ocf.table import Parameter

_UTILIZATION = (
    (
        "autoset",
        "Set the resource's utilization attribute {name} to the guest's {what} when it differs:"
        " at a start, on arrival, and in a monitor with OCF_CHECK_LEVEL 10 or more.",
    ),
    (
        "unset",
        "Remove the resource's utilization attribute {name} at a start, on arrival, and in a"
        " monitor with OCF_CHECK_LEVEL 10 or more, unless autoset_utilization_{name} is on.",
    ),
)

PARAMETERS = (
    Parameter(
        "config",
        "Domain definition",
        "Absolute path of the domain's definition (libvirt's XML). A start needs the file."
        " Afterwards the agent knows the guest by the name and uuid that were in it.",
        required=True,
        unique=True,
    ),
    Parameter(
        "hypervisor",
        "Hypervisor URI",
        "libvirt's URI of this host's hypervisor. If not set: qemu:///system for QEMU and KVM"
        " guests, libvirt's default for all others.",
    ),
    Parameter(
        "force_stop",
        "Destroy at once on stop",
        "A stop destroys the guest without asking it to shut down. The guest finds its file"
        " systems as after a power failure.",
        default=False,
        reloadable=True,
    ),
    Parameter(
        "shutdown_mode",
        "Ways to ask the guest to shut down",
        "How a stop asks the guest to shut down: acpi, agent, initctl, signal or paravirt, as in"
        " `virsh shutdown --mode`. Several ways, separated by commas, are used one after the"
        " other: agent,acpi asks the guest agent first. If not set, libvirt chooses the first way,"
        " and the second way for a QEMU guest is the power button.",
        reloadable=True,
    ),
    Parameter(
        "shutdown_resend",
        "Seconds between two requests to shut down",
        "A guest that still runs after so many seconds is asked again, since a guest that boots"
        " hears nothing. Each request uses the next way of shutdown_mode. The last way is"
        " repeated. 0: the guest is asked once.",
        default=10,
        reloadable=True,
    ),
    Parameter(
        "destroy_margin",
        "Seconds kept back for the destroy",
        "A guest that has not shut down is destroyed so many seconds before the stop's timeout"
        " ends. At most two thirds of the timeout count. 0: a third of the timeout, 20 seconds at"
        " most.",
        default=0,
        reloadable=True,
    ),
    Parameter(
        "on_io_error",
        "What a guest paused by an I/O error counts as",
        "ok: it counts as running. degraded: it counts as running, and the monitor ends with 190,"
        " which Pacemaker shows without recovering the guest. failed: Pacemaker recovers it."
        " resume: a monitor that finds it paused resumes it and ends with 190.",
        default="degraded",
        choices=("ok", "degraded", "failed", "resume"),
        reloadable=True,
    ),
    Parameter(
        "snapshot",
        "Directory for the guest's memory",
        "A stop saves the guest's memory to NAME.state in this directory instead of shutting the"
        " guest down. The next start goes on from that memory and removes the file. The directory"
        " must be the same one on all hosts. A guest that can't be saved in time is shut down.",
        reloadable=True,
    ),
    Parameter(
        "save_config_on_stop",
        "Save the definition",
        "When the guest stops or migrates, and in a monitor with OCF_CHECK_LEVEL 10 or more, the"
        " agent writes libvirt's definition of it into the file config, if they differ. It replaces"
        " the file as a whole and keeps its owner and rights.",
        default=False,
        reloadable=True,
    ),
    Parameter(
        "sync_config_on_stop",
        "Save the definition on all hosts",
        "As save_config_on_stop. In addition csync2 brings a changed file to the other hosts.",
        default=False,
        reloadable=True,
    ),
    Parameter(
        "backingfile",
        "Image that the guest's disk begins with",
        "The guest's disk is a qcow2 file over this image. The image is never changed. The qcow2"
        " file has the name of config with .qcow2 in place of .xml. It is made when it is not"
        " there, and the definition must use it as a disk. The image counts as raw, unless the"
        " backingStore of that disk names the image and its format.",
    ),
    Parameter(
        "stateless",
        "Make a new disk at each start",
        "Each start makes the qcow2 file over backingfile again, whatever was in it.",
        default=False,
    ),
    Parameter(
        "copyindirs",
        "Directories for a new disk",
        "Directories, separated by blanks. virt-copy-in copies them to the root of each new qcow2"
        " file over backingfile.",
    ),
    Parameter(
        "start_resources",
        "Start pools and networks",
        "The agent starts the libvirt networks and storage pools that the guest's definition"
        " names: on this host before a start, and on the other host before a migration. It"
        " refreshes pools that are active.",
        default=False,
        reloadable=True,
    ),
    Parameter(
        "monitor_scripts",
        "Further checks",
        "Programs, separated by blanks. A start and a monitor run them once the guest runs. The"
        " guest counts as healthy when all of them end with 0. They get the domain's name in the"
        " variable DOMAIN_NAME.",
        reloadable=True,
    ),
    *(
        Parameter(
            f"{verb}_utilization_{name}",
            f"{verb.capitalize()} utilization {name}",
            text.format(name=name, what=what),
            default=False,
            reloadable=True,
        )
        for verb, text in _UTILIZATION
        for name, what in (
            ("cpu", "number of virtual CPUs"),
            ("host_memory", "memory in MiB"),
            ("hv_memory", "memory in MiB"),
        )
    ),
    *MIGRATION,
)
