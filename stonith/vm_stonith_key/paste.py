# SPDX-License-Identifier: GPL-2.0-or-later
"""Tokens as text to paste: the value of hostlist, and the whole device for crm and pcs. Pure."""

from __future__ import annotations

from pmkvm.pacemaker.renamed import FENCING_TIMEOUT
from pmkvm.tokens import seal
from pmkvm.tokens.seal import Content
from pmkvm.virt.definition import PORT_NAME

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from pmkvm.tokens.ring import Key
    from stonith.vm_stonith_key.members import Member

DEVICE = "prmStonith-vm"
# Of the device, and of the guests' cluster: 2 s more at least, and room for the fencer's own.
TIMEOUT_S, STONITH_TIMEOUT_S = 20, 40


def hostlist(members: Sequence[Member], cluster: str, operations: Sequence[str], key: Key) -> str:
    """One token for each member, which all members may use. Raises SealError."""
    uuids = tuple(member.guest.uuid for member in members)
    tokens = [
        Content(cluster, member.guest.resource, member.guest.uuid, uuids, tuple(operations))
        for member in members
    ]
    return " ".join(
        f"{member.node}:{seal.seal(content, key)}" for member, content in zip(members, tokens)
    )


def without_port(member: Member) -> str:
    return (
        f"{member.guest.domain} has no channel {PORT_NAME} in its definition on this host, so it"
        " can't ask for a fence (it can be fenced): see vm-connectd(8)"
    )


def text(members: Sequence[Member], listed: str) -> str:
    """All forms, each under a comment; the guests need one of them."""
    nodes = " ".join(member.node for member in members)
    parameters = (
        f'hostlist="{listed}" timeout={TIMEOUT_S}'
        f' pcmk_host_check=static-list pcmk_host_list="{nodes}"'
    )
    operation = "op monitor interval=3600s timeout=60s"
    # Which Pacemaker the guests have is not known here. All know the old name as yet.
    prop, new_prop = (f"{name}={STONITH_TIMEOUT_S}s" for name in reversed(FENCING_TIMEOUT))
    lines = [
        "# hostlist, for either agent",
        listed,
        "",
        "# crm configure, external/vm-stonith (cluster-glue)",
        f"primitive {DEVICE} stonith:external/vm-stonith params {parameters} {operation}",
        f"property {prop}",
        "",
        "# crm configure, fence_vm_stonith",
        f"primitive {DEVICE} stonith:fence_vm_stonith params {parameters} {operation}",
        f"property {prop}",
        "",
        "# pcs, fence_vm_stonith",
        f"pcs stonith create {DEVICE} fence_vm_stonith {parameters} {operation}",
        f"pcs property set {prop}",
        "",
        "# pcs, external/vm-stonith (where cluster-glue is installed)",
        f"pcs stonith create {DEVICE} external/vm-stonith {parameters} {operation}",
        f"pcs property set {prop}",
        "",
        "# instead of that property, where the guests have Pacemaker 3.0.2 or newer: crm, pcs",
        f"property {new_prop}",
        f"pcs property set {new_prop}",
    ]
    return "\n".join(lines) + "\n"
