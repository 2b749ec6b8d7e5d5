# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a migration goes and how: from parameters and a node name to libvirt's URIs and flags."""

from __future__ import annotations

import re

from pmkvm.lean import NamedTuple
from pmkvm.ocf.codes import OcfCode
from pmkvm.ocf.errors import OcfError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from pmkvm.ocf.context import Context

LIVE = 1  # VIR_MIGRATE_LIVE
PEER_TO_PEER = 2  # VIR_MIGRATE_PEER2PEER

# virsh migrate's options and libvirt's virDomainMigrateFlags.
_FLAGS = {
    "--live": LIVE,
    "--p2p": PEER_TO_PEER,
    "--tunnelled": 1 << 2,
    "--persistent": 1 << 3,
    "--undefinesource": 1 << 4,
    "--copy-storage-all": 1 << 6,
    "--copy-storage-inc": 1 << 7,
    "--change-protection": 1 << 8,
    "--unsafe": 1 << 9,
    "--compressed": 1 << 11,
    "--abort-on-error": 1 << 12,
    "--auto-converge": 1 << 13,
    "--rdma-pin-all": 1 << 14,
    "--postcopy": 1 << 15,
    "--tls": 1 << 16,
    "--parallel": 1 << 17,
}
# Options with a value: libvirt's typed parameter and whether it is a number.
_VALUES = {
    "--migrateuri": ("migrate_uri", False),
    "--dname": ("destination_name", False),
    "--graphicsuri": ("graphics_uri", False),
    "--listen-address": ("listen_address", False),
    "--bandwidth": ("bandwidth", True),
    "--parallel-connections": ("parallel.connections", True),
    "--disks-port": ("disks_port", True),
}
_USER = re.compile(r"[A-Za-z_][-A-Za-z0-9_.]*")


class Migration(NamedTuple):
    """What libvirt is asked for. parameters are virDomainMigrate3's typed ones."""

    remote_uri: str
    parameters: Mapping[str, str | int]
    flags: int

    @property
    def is_peer_to_peer(self) -> bool:
        return bool(self.flags & PEER_TO_PEER)


def plan(context: Context, hypervisor_uri: str, target: str) -> Migration:
    """The migration of this resource to a node. Raises OcfError CONFIGURED for a bad parameter."""
    flags, parameters = parse_options(context.text("migrate_options"))
    address = _with_suffix(target, context.text("migration_network_suffix"))
    migrate_uri = _migrate_uri(context, address, str(parameters.get("migrate_uri", "")))
    if migrate_uri:
        parameters["migrate_uri"] = migrate_uri
    return Migration(_remote_uri(context, hypervisor_uri, target, address), parameters, flags)


def parse_options(text: str) -> tuple[int, dict[str, str | int]]:
    """Flags and typed parameters of virsh migrate's options. Raises OcfError CONFIGURED."""
    flags, parameters = LIVE, dict[str, "str | int"]()
    words = text.split()
    while words:
        option, equals, value = words.pop(0).partition("=")
        if option in _FLAGS and not equals:
            flags |= _FLAGS[option]
        elif option in _VALUES and (equals or words):
            name, is_number = _VALUES[option]
            value = value if equals else words.pop(0)
            if is_number and not value.isdecimal():
                raise _bad_option(f"{option} needs a number, not {value!r}")
            parameters[name] = int(value) if is_number else value
        else:
            raise _bad_option(f"{option!r} is none of {' '.join([*_FLAGS, *_VALUES])}")
    return flags, parameters


def _bad_option(text: str) -> OcfError:
    return OcfError(OcfCode.CONFIGURED, f"parameter migrate_options: {text}")


def _with_suffix(node: str, suffix: str) -> str:
    host, dot, domain = node.partition(".")
    return f"{host}{suffix}{dot}{domain}"


def _migrate_uri(context: Context, address: str, from_options: str) -> str:
    """Empty: libvirt asks the other host for an address."""
    explicit = context.text("migrateuri") or from_options
    if explicit:
        return explicit.replace("%n", address)
    if not context.text("migration_network_suffix"):
        return ""
    port = context.number("migrateport")
    return f"tcp://{address}:{port}" if port else f"tcp://{address}"


def _remote_uri(context: Context, hypervisor_uri: str, target: str, address: str) -> str:
    explicit = context.text("remoteuri")
    if explicit:
        return explicit.replace("%n", target)
    scheme, _, rest = hypervisor_uri.partition("://")
    if not scheme:
        raise OcfError(
            OcfCode.CONFIGURED, "a migration needs the parameter hypervisor or remoteuri"
        )
    _host, slash, path = rest.partition("/")
    driver = scheme.partition("+")[0]
    transport = context.text("migration_transport")
    user = context.text("migration_user")
    if user and not _USER.fullmatch(user):
        raise OcfError(OcfCode.CONFIGURED, f"parameter migration_user={user!r} is no user's name")
    uri = (
        f"{driver}{'+' if transport else ''}{transport}://"
        f"{user}{'@' if user else ''}{address}{slash}{path}"
    )
    # BatchMode: a question for a password or a host key is an error with a reason, not a hang.
    return f"{uri}{'&' if '?' in uri else '?'}no_tty=1" if transport == "ssh" else uri
