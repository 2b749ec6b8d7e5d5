# SPDX-License-Identifier: GPL-2.0-or-later
"""The primitive of one guest, with the ids that crmsh gives the same objects. Pure."""

from __future__ import annotations

from lxml import etree

from vmctl import names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vmctl.configuration import Configuration


def primitive(
    domain: str, configuration: Configuration, *, allow_migrate: bool, role: str
) -> etree._Element:
    name = names.resource(domain)
    standard, provider, kind = configuration.agent
    element = etree.Element(
        "primitive", {"id": name, "class": standard, "provider": provider, "type": kind}
    )
    parameters = {
        "config": configuration.definition(domain),
        "hypervisor": configuration.hypervisor,
        "migration_transport": configuration.transport,
    }
    _set(element, "instance_attributes", parameters)
    meta = {"allow-migrate": "true" if allow_migrate else "false", "target-role": role}
    _set(element, "meta_attributes", meta)
    operations = etree.SubElement(element, "operations")
    for operation in configuration.operations:
        values = dict(zip(("name", "interval", "timeout", "on-fail"), operation))
        op_id = f"{name}-{operation.name}-{operation.interval}"
        etree.SubElement(operations, "op", {"id": op_id, **values})
    return element


def _set(parent: etree._Element, tag: str, pairs: dict[str, str]) -> None:
    set_id = f"{parent.get('id')}-{tag}"
    own = etree.SubElement(parent, tag, {"id": set_id})
    for name, value in pairs.items():
        etree.SubElement(own, "nvpair", {"id": f"{set_id}-{name}", "name": name, "value": value})
