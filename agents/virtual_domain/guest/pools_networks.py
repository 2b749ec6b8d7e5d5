# SPDX-License-Identifier: GPL-2.0-or-later
"""Parameter start_resources: the pools and networks that a guest needs, up before the guest."""

from __future__ import annotations

from pmkvm.virt import supply
from pmkvm.virt.connection import LibvirtError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from pmkvm.ocf.context import Context
    from pmkvm.virt.connection import Connection


def start(context: Context, connection: Connection, root: Element) -> None:
    """One that fails is a warning: whether the guest can do without it, libvirt will say."""
    needed = supply.needed(root)
    for kind, names, bring_up in (
        ("network", needed.networks, supply.start_network),
        ("pool", needed.pools, supply.start_pool),
    ):
        for name in names:
            try:
                bring_up(connection, name)
            except LibvirtError as error:
                context.log.warning(f"{kind} {name}: {error}")
