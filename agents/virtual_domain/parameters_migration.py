# SPDX-License-Identifier: GPL-2.0-or-later
"""The parameters of VirtualDomain that are about migration."""

from __future__ import annotations

from pmkvm.ocf.table import Parameter

MIGRATION = (
    Parameter(
        "migration_transport",
        "Transport to the other host",
        "How this host reaches libvirt on the other host for a migration: ssh, tcp, tls and so on."
        " ssh never asks for a password, so keys and host keys must be in place.",
        reloadable=True,
    ),
    Parameter(
        "migration_user",
        "User on the other host",
        "User for the connection to the other host. Ignored when remoteuri is set.",
        reloadable=True,
    ),
    Parameter(
        "migration_network_suffix",
        "Host name suffix of the migration network",
        "Text that is added to the target's node name, before its first dot, for the connection"
        " and for the guest's memory. With -mig host1.example becomes host1-mig.example.",
        reloadable=True,
    ),
    Parameter(
        "migrateport",
        "Port for the guest's memory",
        "Port on the other host for the guest's memory. It counts only with"
        " migration_network_suffix. 0: libvirt chooses.",
        default=0,
        reloadable=True,
    ),
    Parameter(
        "migrateuri",
        "URI for the guest's memory",
        "Where the guest's memory is sent. %n stands for the target's node name with"
        " migration_network_suffix. This takes precedence over migration_network_suffix and"
        " migrateport.",
        reloadable=True,
    ),
    Parameter(
        "remoteuri",
        "URI of the other hypervisor",
        "The other host's hypervisor. %n stands for the target's node name. For the connection"
        " this takes precedence over migration_transport, migration_user and"
        " migration_network_suffix.",
        reloadable=True,
    ),
    Parameter(
        "migrate_options",
        "Options of a migration",
        "Options as virsh migrate names them, such as --p2p --auto-converge --bandwidth 100."
        " --bandwidth counts instead of migration_speed. --migrateuri counts instead of"
        " migrateport, but the parameter migrateuri counts instead of it.",
        reloadable=True,
    ),
    Parameter(
        "migration_mode",
        "How the guest's memory travels",
        "One or more of these words, separated by commas, such as p2p,tls. native: from QEMU to"
        " QEMU, steered by the agent. p2p: steered by libvirtd, which lives longer than an agent."
        " tunnelled: through libvirtd's own connection, which is encrypted with"
        " migration_transport ssh or tls. tls: with QEMU's own TLS, which needs certificates on"
        " both hosts. Without tunnelled or tls the memory is not encrypted, whatever"
        " migration_transport says.",
        default="native",
        reloadable=True,
    ),
    Parameter(
        "migration_speed",
        "Limit of bandwidth",
        "MiB/s that a migration may use. 0: this parameter sets no limit.",
        default=0,
        reloadable=True,
    ),
    Parameter(
        "migration_downtime",
        "Limit of downtime",
        "Milliseconds that the guest may be paused at the end of a migration. 0: libvirt's"
        " default.",
        default=0,
        reloadable=True,
    ),
    Parameter(
        "migration_auto_converge",
        "Slow busy guests down",
        "Throttle a guest that changes its memory faster than it can be sent.",
        default=False,
        reloadable=True,
    ),
    Parameter(
        "migration_postcopy",
        "Finish by post-copy",
        "When half of the action's time is over and the memory was sent once, the guest goes on at"
        " the other host, and the rest of its memory follows. From then on there is no way back:"
        " if the network breaks, the guest is lost. Off: a migration that takes too long is"
        " aborted, and the guest stays.",
        default=False,
        reloadable=True,
    ),
)
