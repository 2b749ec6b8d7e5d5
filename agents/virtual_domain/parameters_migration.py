# SPDX-License-Identifier: GPL-2.0-or-later
"""The parameters of VirtualDomain that are about migration."""

from __future__ import annotations

from pmkvm.ocf.table import Parameter

MIGRATION = (
    Parameter(
        "migration_transport",
        "Transport to the other host",
        "How libvirt on the other host is reached for a migration: ssh, tcp, tls and so on."
        " ssh never asks for a password: keys and host keys must be in place.",
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
        "Appended to the target's node name, before the first dot of it, both for the"
        " connection and for the guest's memory: host1 becomes host1-mig.",
        reloadable=True,
    ),
    Parameter(
        "migrateport",
        "Port for the guest's memory",
        "Port on the other host, used together with migration_network_suffix. 0: libvirt chooses.",
        default=0,
        reloadable=True,
    ),
    Parameter(
        "migrateuri",
        "URI for the guest's memory",
        "Where the guest's memory is sent, %n being the target's name. Takes precedence over"
        " migration_network_suffix and migrateport.",
        reloadable=True,
    ),
    Parameter(
        "remoteuri",
        "URI of the other hypervisor",
        "The other host's hypervisor, %n being the target's node name. Takes precedence over"
        " migration_transport, migration_user and the suffix for the connection.",
        reloadable=True,
    ),
    Parameter(
        "migrate_options",
        "Options of a migration",
        "Options as virsh migrate names them, such as --p2p --auto-converge --bandwidth 100."
        " They go before the parameters here.",
        reloadable=True,
    ),
    Parameter(
        "migration_mode",
        "Way of the guest's memory",
        "native: QEMU to QEMU, steered from here. p2p: steered by libvirtd, which lives longer than"
        " an agent. tunnelled: through libvirtd's own connection (with migration_transport ssh or"
        " tls: encrypted). tls: QEMU's own TLS, which needs its certificates. Words separated by"
        " commas: p2p,tls. Without tunnelled or tls the memory travels in the clear, whatever"
        " migration_transport says.",
        default="native",
        reloadable=True,
    ),
    Parameter(
        "migration_speed",
        "Limit of bandwidth",
        "MiB/s that a migration may take. 0: no limit of ours.",
        default=0,
        reloadable=True,
    ),
    Parameter(
        "migration_downtime",
        "Limit of downtime",
        "Milliseconds that the guest may be paused at the end of a migration. 0: as libvirt does.",
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
        "When half of the action's time is over and the memory was sent once, let the guest run at"
        " the other host and its memory follow. From then on there is no way back: if the network"
        " breaks the guest is lost. Off: such a migration is aborted, and the guest stays.",
        default=False,
        reloadable=True,
    ),
)
