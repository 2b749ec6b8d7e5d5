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
        "Remove the resource's utilization attribute {name} at the same times, unless it is set"
        " automatically.",
    ),
)

PARAMETERS = (
    Parameter(
        "config",
        "Domain definition",
        "Absolute path of the domain's definition, libvirt's XML. Needed when the guest is"
        " started; afterwards the guest is known by the name and uuid that were in it.",
        required=True,
        unique=True,
    ),
    Parameter(
        "hypervisor",
        "Hypervisor URI",
        "libvirt's URI of this host's hypervisor. Not set: qemu:///system for QEMU and KVM"
        " guests, libvirt's default for all others.",
    ),
    Parameter(
        "force_stop",
        "Destroy at once on stop",
        "Stop without asking the guest to shut down. The guest finds its file systems as after"
        " a power failure.",
        default=False,
        reloadable=True,
    ),
    Parameter(
        "shutdown_mode",
        "Ways to ask the guest to shut down",
        "acpi, agent, initctl, signal or paravirt, as `virsh shutdown --mode` has them; or several,"
        " separated by commas, for one request after the other: agent,acpi asks the guest agent"
        " first. Not set: libvirt chooses, and QEMU guests get the power button next.",
        reloadable=True,
    ),
    Parameter(
        "shutdown_resend",
        "Seconds between two requests to shut down",
        "A guest that still runs is asked again after so many seconds, by the next way of"
        " shutdown_mode or the last one again: a guest that boots hears nothing. 0: asked once.",
        default=10,
        reloadable=True,
    ),
    Parameter(
        "destroy_margin",
        "Seconds kept back for the destroy",
        "So long before the end of the stop's timeout a guest that has not shut down is destroyed."
        " At most two thirds of the timeout. 0: a third of it, 20 seconds at most.",
        default=0,
        reloadable=True,
    ),
    Parameter(
        "on_io_error",
        "What a guest paused by an I/O error is",
        "ok: it runs. degraded: it runs, and the monitor ends with 190, which Pacemaker shows and"
        " does not recover. failed: it is recovered. resume: each monitor resumes it, and is"
        " degraded once for each.",
        default="degraded",
        choices=("ok", "degraded", "failed", "resume"),
        reloadable=True,
    ),
    Parameter(
        "snapshot",
        "Directory for the guest's memory",
        "A stop saves the guest's memory to NAME.state in this directory instead of shutting the"
        " guest down, and the next start goes on from there; the file is removed then. It must be"
        " the same directory on all hosts. A guest that can't be saved in time is shut down.",
        reloadable=True,
    ),
    Parameter(
        "save_config_on_stop",
        "Save the definition",
        "When the guest stops or migrates, write the definition that libvirt has of it into config,"
        " as a whole, with its owner and rights, if it differs.",
        default=False,
        reloadable=True,
    ),
    Parameter(
        "sync_config_on_stop",
        "Save the definition on all hosts",
        "As save_config_on_stop, and have csync2 bring a changed file to the other hosts.",
        default=False,
        reloadable=True,
    ),
    Parameter(
        "backingfile",
        "Image that the guest's disk begins with",
        "The guest's disk is a qcow2 file over this image, which is never changed. The file is"
        " named as config is, with .qcow2 in the place of .xml; the definition must use it as a"
        " disk. It is made when it is not there. The image is raw unless that disk's backingStore"
        " names it and its format.",
    ),
    Parameter(
        "stateless",
        "Begin anew at each start",
        "Make the qcow2 file over backingfile at each start, whatever was in it.",
        default=False,
    ),
    Parameter(
        "copyindirs",
        "Directories for a new disk",
        "Directories, separated by blanks, that virt-copy-in copies into each new qcow2 file over"
        " backingfile, at its root.",
    ),
    Parameter(
        "start_resources",
        "Start pools and networks",
        "Before the guest starts, and at the other host before it migrates, start the libvirt"
        " networks and storage pools that its definition names; pools that are active are"
        " refreshed.",
        default=False,
        reloadable=True,
    ),
    Parameter(
        "monitor_scripts",
        "Further checks",
        "Programs, separated by blanks, that a start and a monitor run once the guest runs."
        " The guest counts as healthy when all of them end with 0. They get the domain's name in"
        " DOMAIN_NAME.",
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
