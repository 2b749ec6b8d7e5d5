# SPDX-License-Identifier: GPL-2.0-or-later
"""The libvirt of another host, as a guest's migration to that host connects to it. Pure."""

from __future__ import annotations

from pmkvm.light_types import NamedTuple


class Transport(NamedTuple):
    """The parameters of a guest that decide it; all but the first may be empty.

    hypervisor: libvirt's URI as a host has it for itself. remoteuri goes before all others.
    """

    hypervisor: str
    migration_transport: str = ""
    migration_user: str = ""
    migration_network_suffix: str = ""
    remoteuri: str = ""

    def address(self, node: str) -> str:
        """Of that node, in the network that migrations take."""
        host, dot, domain = node.partition(".")
        return f"{host}{self.migration_network_suffix}{dot}{domain}"

    def uri(self, node: str) -> str:
        """Of that node's libvirt, from any other host."""
        if self.remoteuri:
            return self.remoteuri.replace("%n", node)
        scheme, _, rest = self.hypervisor.partition("://")
        _host, slash, path = rest.partition("/")
        driver, transport = scheme.partition("+")[0], self.migration_transport
        user = f"{self.migration_user}@" if self.migration_user else ""
        joined = f"{driver}+{transport}" if transport else driver
        uri = f"{joined}://{user}{self.address(node)}{slash}{path}"
        # BatchMode: a question for a password or a host key is an error with a reason, not a hang.
        return f"{uri}{'&' if '?' in uri else '?'}no_tty=1" if transport == "ssh" else uri
