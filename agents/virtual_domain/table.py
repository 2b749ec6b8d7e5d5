# SPDX-License-Identifier: GPL-2.0-or-later
"""The parameters of VirtualDomain, under the names of ocf:heartbeat:VirtualDomain."""

from __future__ import annotations

from pmkvm.ocf.table import Parameter

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
    ),
    Parameter(
        "migration_transport",
        "Transport to the other host",
        "How libvirt on the other host is reached for a migration: ssh, tcp, tls and so on."
        " ssh never asks for a password: keys and host keys must be in place.",
    ),
    Parameter(
        "migration_user",
        "User on the other host",
        "User for the connection to the other host. Ignored when remoteuri is set.",
    ),
    Parameter(
        "migration_network_suffix",
        "Host name suffix of the migration network",
        "Appended to the target's node name, before the first dot of it, both for the"
        " connection and for the guest's memory: host1 becomes host1-mig.",
    ),
    Parameter(
        "migrateport",
        "Port for the guest's memory",
        "Port on the other host, used together with migration_network_suffix. 0: libvirt chooses.",
        default=0,
    ),
    Parameter(
        "migrateuri",
        "URI for the guest's memory",
        "Where the guest's memory is sent, %n being the target's name. Takes precedence over"
        " migration_network_suffix and migrateport.",
    ),
    Parameter(
        "remoteuri",
        "URI of the other hypervisor",
        "The other host's hypervisor, %n being the target's node name. Takes precedence over"
        " migration_transport, migration_user and the suffix for the connection.",
    ),
    Parameter(
        "migrate_options",
        "Options of a migration",
        "Options as virsh migrate names them, such as --p2p --auto-converge --bandwidth 100.",
    ),
    Parameter(
        "monitor_scripts",
        "Further checks",
        "Programs, separated by blanks, that a start and a monitor run once the guest runs."
        " The guest counts as healthy when all of them end with 0. They get the domain's name in"
        " DOMAIN_NAME.",
    ),
)
