# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU's guest agent: whether a program inside the guest is there and answers."""

from __future__ import annotations

from pmkvm.virt.connection import result

TYPE_CHECKING = False
if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from pmkvm.virt.connection import Domain

_CHANNEL = "org.qemu.guest_agent.0"


def is_configured(root: Element) -> bool:
    """Whether the domain has the agent's channel."""
    return _target(root) is not None


def is_connected(root: Element) -> bool:
    """Whether something in the guest has the channel open, by the XML of a running domain.

    It has not while the guest boots, and not when the agent was never installed.
    """
    target = _target(root)
    return target is not None and target.get("state") == "connected"


def ping(domain: Domain, timeout_s: int) -> None:
    """Raises LibvirtError if no answer comes in that time."""
    import libvirtmod_qemu

    result(
        libvirtmod_qemu.virDomainQemuAgentCommand(
            domain.handle, '{"execute":"guest-ping"}', timeout_s, 0
        )
    )


def _target(root: Element) -> Element | None:
    return root.find(f"devices/channel/target[@name='{_CHANNEL}']")
