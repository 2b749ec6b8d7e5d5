# SPDX-License-Identifier: GPL-2.0-or-later
"""What operations took when they were last done, as the CIB has it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from check.vm_check.facts import Operation

if TYPE_CHECKING:
    from lxml import etree


def measured(cib: etree._Element) -> dict[str, list[Operation]]:
    """By resource, whatever it is."""
    found: dict[str, list[Operation]] = {}
    for state in cib.iterfind("status/node_state"):
        for resource in state.iterfind("lrm/lrm_resources/lrm_resource"):
            name = str(resource.get("id"))
            for op in resource.iterfind("lrm_rsc_op"):
                found.setdefault(name, []).append(_operation(name, str(state.get("uname")), op))
    return found


def _operation(resource: str, node: str, op: etree._Element) -> Operation:
    return Operation(
        resource=resource,
        node=node,
        name=op.get("operation", ""),
        interval_s=_number(op, "interval") / 1000,
        rc=int(_number(op, "rc-code", -1)),
        exec_s=_number(op, "exec-time") / 1000,
        at=_number(op, "last-rc-change"),
        migrate_target=op.get("migrate_target", ""),
        migrate_source=op.get("migrate_source", ""),
    )


def _number(op: etree._Element, name: str, default: float = 0.0) -> float:
    try:
        return float(op.get(name, default))
    except ValueError:
        return default
