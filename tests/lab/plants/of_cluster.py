# SPDX-License-Identifier: GPL-2.0-or-later
"""Faults in the cluster's configuration: each is one write, of which Pacemaker sees no half."""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement

from pmkvm.pacemaker.renamed import FENCING_ENABLED
from tests.lab.cluster import cib
from tests.lab.plants.plant import HOST1, HOST2, in_cib
from tests.lab.plants.verdict import Found

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

INFINITY = "INFINITY"


def resource(number: int) -> str:
    return f"prmVMCTL_guest{number}"


def one(configuration: Element, path: str) -> Element:
    found = configuration.find(path)
    assert found is not None, f"{path} is not in the configuration"
    return found


def option(name: str, value: str) -> Callable[[Element], None]:
    """A property of the cluster."""

    def change(configuration: Element) -> None:
        options = one(configuration, "crm_config/cluster_property_set")
        found = options.find(f"nvpair[@name='{name}']")
        if found is None:
            found = SubElement(options, "nvpair", id=f"lab-{name}", name=name)
        found.set("value", value)

    return change


def default(section: str, name: str, value: str) -> Callable[[Element], None]:
    """Of rsc_defaults or op_defaults."""

    def change(configuration: Element) -> None:
        parent = configuration.find(section)
        if parent is None:
            parent = SubElement(configuration, section)
        pair = parent.find(f".//nvpair[@name='{name}']")
        if pair is None:
            meta = SubElement(parent, "meta_attributes", id=f"lab-{section}")
            pair = SubElement(meta, "nvpair", id=f"lab-{name}", name=name)
        pair.set("value", value)

    return change


def meta(name: str, key: str, value: str) -> Callable[[Element], None]:
    """A meta attribute of a resource, a clone or a primitive."""

    def change(configuration: Element) -> None:
        found = one(configuration, f".//*[@id='{name}']")
        attributes = found.find("meta_attributes")
        if attributes is None:
            attributes = Element("meta_attributes", id=f"{name}-lab-meta")
            # Before a clone's primitive, as the schema has it.
            found.insert(0, attributes)
        pair = attributes.find(f"nvpair[@name='{key}']")
        if pair is None:
            pair = SubElement(attributes, "nvpair", id=f"{name}-lab-{key}", name=key)
        pair.set("value", value)

    return change


def operation(name: str, action: str, **attributes: str) -> Callable[[Element], None]:
    """An empty attribute is taken away."""

    def change(configuration: Element) -> None:
        found = one(configuration, f".//primitive[@id='{name}']/operations/op[@name='{action}']")
        for key, value in attributes.items():
            given = key.replace("_", "-")
            if value:
                found.set(given, value)
            else:
                del found.attrib[given]

    return change


def location(name: str, host: str, score: str) -> Callable[[Element], None]:
    def change(configuration: Element) -> None:
        one(configuration, "constraints").append(cib.location("lab-location", name, host, score))

    return change


def rule_of_nobody(configuration: Element) -> None:
    """The guest may run only where an attribute is set that no agent publishes."""
    place = SubElement(
        one(configuration, "constraints"), "rsc_location", id="lab-rule", rsc=resource(3)
    )
    rule = SubElement(place, "rule", {"id": "lab-rule-rule", "score": f"-{INFINITY}"})
    SubElement(
        rule,
        "expression",
        {"id": "lab-rule-expression", "attribute": "lab_ping", "operation": "not_defined"},
    )


def standby(configuration: Element) -> None:
    node = one(configuration, f"nodes/node[@uname='{HOST2}']")
    attributes = node.find("instance_attributes")
    if attributes is None:
        attributes = SubElement(node, "instance_attributes", id="lab-node")
    SubElement(attributes, "nvpair", id="lab-standby", name="standby", value="on")


def second_resource(configuration: Element) -> None:
    """Not managed: a managed one would be stopped, and the guest with it."""
    twin = cib.primitive(
        "prmTwin",
        "ocf:extra:VirtualDomain",
        parameters={"config": "/etc/libvirt/qemu/guest3.xml"},
        meta={"is-managed": "false", "target-role": "Stopped"},
        operations=(("start", "0", "120s"), ("stop", "0", "90s")),
    )
    one(configuration, "resources").append(twin)


def without_fencing(configuration: Element) -> None:
    resources = one(configuration, "resources")
    resources.remove(one(resources, f"primitive[@id='{cib.FENCE_RSC}']"))


def fencing_disabled(configuration: Element) -> None:
    for name in FENCING_ENABLED:
        pair = configuration.find(f".//nvpair[@name='{name}']")
        if pair is not None:
            pair.set("value", "false")


def unmonitored(configuration: Element) -> None:
    device = one(configuration, f".//primitive[@id='{cib.FENCE_RSC}']")
    device.remove(one(device, "operations"))


PLANTS = (
    in_cib(
        "host2 forbidden to guest3",
        location(resource(3), HOST2, f"-{INFINITY}"),
        Found("score-forbids", "guest3", HOST2),
    ),
    in_cib(
        "a rule of an attribute that nobody sets",
        rule_of_nobody,
        Found("rule-forbids", "guest3", HOST1),
        Found("rule-forbids", "guest3", HOST2),
    ),
    in_cib("maintenance", option("maintenance-mode", "true"), Found("maintenance", "cluster")),
    in_cib(
        "guest1 is not managed",
        meta(resource(1), "is-managed", "false"),
        Found("unmanaged", "guest1"),
    ),
    in_cib(
        "guest1 moves cold",
        meta(resource(1), "allow-migrate", "false"),
        Found("moves-cold", "guest1"),
    ),
    in_cib(
        "no migration at all", option("migration-limit", "0"), Found("migration-limit", "cluster")
    ),
    in_cib(
        "no stickiness",
        default("rsc_defaults", "resource-stickiness", "0"),
        Found("stickiness-zero", "cluster"),
    ),
    in_cib(
        "a start without a timeout",
        operation(resource(3), "start", timeout=""),
        Found("timeout-missing", "guest3"),
    ),
    in_cib(
        "a failed stop is ignored",
        operation(resource(3), "stop", on_fail="ignore"),
        Found("on-fail", "guest3"),
    ),
    in_cib("two resources with one guest", second_resource, Found("one-guest-twice", "guest3")),
    in_cib("hosts can't be fenced", without_fencing, Found("fence-device-missing", "cluster")),
    in_cib("fencing is disabled", fencing_disabled, Found("fencing-disabled", "cluster")),
    in_cib("fencing is not monitored", unmonitored, Found("fence-device-unmonitored", "cluster")),
    in_cib(
        "nothing is checked again",
        option("cluster-recheck-interval", "0"),
        Found("fence-advice", "cluster"),
    ),
    in_cib(
        "pending actions are not recorded",
        default("op_defaults", "record-pending", "false"),
        Found("fence-advice", "cluster"),
    ),
    in_cib(
        "vm-stonithd is stopped",
        meta("clnVmStonithd", "target-role", "Stopped"),
        Found("stonithd-missing", HOST1),
        Found("stonithd-missing", HOST2),
    ),
    in_cib(
        "vm-connectd is kept from host2",
        location("clnVmConnectd", HOST2, f"-{INFINITY}"),
        Found("connectd-missing", HOST2),
    ),
    in_cib("host2 is in standby", standby, Found("standby", HOST2)),
)
