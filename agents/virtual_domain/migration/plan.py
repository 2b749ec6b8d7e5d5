# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a migration goes and how: from parameters and a node name to libvirt's URIs and flags.

Pure. A tunnel takes no URI for the memory: it goes through the connection (libvirt-domain.h,
VIR_MIGRATE_TUNNELLED).
"""

from __future__ import annotations

import re

from agents.virtual_domain.migration.policy import Steering
from agents.virtual_domain.migration.virsh_options import (
    AUTO_CONVERGE,
    PEER_TO_PEER,
    POSTCOPY,
    TLS,
    TUNNELLED,
    parse_options,
)
from pmkvm.light_types import NamedTuple
from pmkvm.ocf.codes import OcfCode
from pmkvm.ocf.errors import OcfError
from pmkvm.virt.migration_uri import Transport

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from agents.virtual_domain.migration.virsh_options import Options, Value
    from pmkvm.ocf.context import Context

_USER = re.compile(r"[A-Za-z_][-A-Za-z0-9_.]*")


# The modes of migration_mode and libvirt's flags; a tunnel is dug from libvirtd to libvirtd.
_MODES = {"native": 0, "p2p": PEER_TO_PEER, "tunnelled": TUNNELLED | PEER_TO_PEER, "tls": TLS}


class Migration(NamedTuple):
    """What libvirt is asked for, and what is done while it is at work.

    parameters are virDomainMigrate3's typed ones; those in files have their text in a file.
    """

    remote_uri: str
    parameters: Mapping[str, Value]
    files: Mapping[str, str]
    flags: int
    steering: Steering

    @property
    def is_peer_to_peer(self) -> bool:
        return bool(self.flags & PEER_TO_PEER)


def plan(context: Context, hypervisor_uri: str, target: str) -> Migration:
    """The migration of this resource to a node. Raises OcfError CONFIGURED for a bad parameter."""
    options = parse_options(context.text("migrate_options"))
    transport = _transport(context, hypervisor_uri)
    address = transport.address(target)
    parameters = dict(options.parameters)
    migrate_uri = _migrate_uri(context, address, str(parameters.get("migrate_uri", "")))
    flags = options.flags | _mode(context.text("migration_mode"))
    if context.flag("migration_auto_converge"):
        flags |= AUTO_CONVERGE
    if context.flag("migration_postcopy"):
        flags |= POSTCOPY
    if flags & TUNNELLED:
        flags |= PEER_TO_PEER
        if flags & TLS:
            raise OcfError(OcfCode.CONFIGURED, "a migration is either tunnelled or has QEMU's TLS")
    elif migrate_uri:
        parameters["migrate_uri"] = migrate_uri
    if context.number("migration_speed"):
        parameters.setdefault("bandwidth", context.number("migration_speed"))
    return Migration(
        transport.uri(target), parameters, options.files, flags, _steering(context, options)
    )


def _mode(text: str) -> int:
    modes = text.replace(",", " ").split()
    unknown = [mode for mode in modes if mode not in _MODES]
    if unknown:
        raise OcfError(
            OcfCode.CONFIGURED,
            f"parameter migration_mode: {unknown[0]!r} is none of {', '.join(_MODES)}",
        )
    flags = 0
    for mode in modes:
        flags |= _MODES[mode]
    return flags


def _steering(context: Context, options: Options) -> Steering:
    return Steering(
        max_downtime_ms=context.number("migration_downtime"),
        postcopy_at_half=context.flag("migration_postcopy"),
        postcopy_after_precopy=options.postcopy_after_precopy,
        timeout_s=options.timeout_s,
        postcopy_at_timeout=options.postcopy_at_timeout,
    )


def _migrate_uri(context: Context, address: str, from_options: str) -> str:
    """Empty: libvirt asks the other host for an address."""
    explicit = context.text("migrateuri") or from_options
    if explicit:
        return explicit.replace("%n", address)
    if not context.text("migration_network_suffix"):
        return ""
    port = context.number("migrateport")
    return f"tcp://{address}:{port}" if port else f"tcp://{address}"


def _transport(context: Context, hypervisor_uri: str) -> Transport:
    found = Transport(hypervisor_uri, *map(context.text, Transport._fields[1:]))
    user = found.migration_user
    if found.remoteuri:
        return found
    if not hypervisor_uri.partition("://")[0]:
        raise OcfError(
            OcfCode.CONFIGURED, "a migration needs the parameter hypervisor or remoteuri"
        )
    if user and not _USER.fullmatch(user):
        raise OcfError(OcfCode.CONFIGURED, f"parameter migration_user={user!r} is no user's name")
    return found
