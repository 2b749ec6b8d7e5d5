# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether a lost host is fenced: its devices, and that fencing is on. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from check.vm_check import cib_words
from check.vm_check.finding import CLUSTER, Kind, Severity
from pmkvm.ocf.context import FALSE, TRUE
from pmkvm.pacemaker.renamed import FENCING_ENABLED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from check.vm_check.facts import Facts
    from check.vm_check.finding import Finding
    from pmkvm.pacemaker.primitives import Primitive

FENCING_DISABLED = Kind(
    "fencing-disabled",
    Severity.ERROR,
    "The fencing of the hosts is disabled: a guest of a lost host may run twice, and no guest's"
    " fence is proven then.",
    "`crm_attribute --name {option} --update true`, with a fence device for each host",
)
DEVICE_MISSING = Kind(
    "fencing-missing",
    Severity.ERROR,
    "No fence device is for the host: when it is lost, its guests are started nowhere else.",
    "`pcs stonith create` a device whose pcmk_host_list names {hosts}",
)
DEVICE_STOPPED = Kind(
    "fencing-stopped",
    Severity.WARNING,
    "A fence device of the hosts is started nowhere, so nobody notices when it stops working.",
    "`crm_resource --cleanup --resource {device}`, and look why it fails",
)
DEVICE_UNMONITORED = Kind(
    "fencing-unmonitored",
    Severity.WARNING,
    "A fence device of the hosts has no monitor, so nobody notices when it stops working.",
    "`pcs resource update {device} op monitor interval=60s`",
)
KINDS = (FENCING_DISABLED, DEVICE_MISSING, DEVICE_STOPPED, DEVICE_UNMONITORED)

_WATCHDOG = ("fencing-watchdog-timeout", "stonith-watchdog-timeout")


def findings(facts: Facts) -> Iterator[Finding]:
    options = cib_words.options(facts)
    devices = list(cib_words.of_class(facts, "stonith"))
    if (FENCING_ENABLED.value(options) or "true").lower() in FALSE:
        option = facts.cluster.fencing_option
        yield FENCING_DISABLED.finding(CLUSTER, f"{option} is false", option=option)
        return
    members = sorted(node.name for node in facts.cluster.nodes if node.kind == "member")
    if not devices and not _fences_itself(options):
        text = "no fence device is configured"
        yield DEVICE_MISSING.finding(CLUSTER, text, hosts=" ".join(members))
    elif not _fences_itself(options):
        for host in members:
            if not any(may_fence(each, host) for each in devices):
                text = f"no fence device names it: {', '.join(each.id for each in devices)}"
                yield DEVICE_MISSING.finding(host, text, hosts=host)
    for device in devices:
        yield from _device(facts, device)


def _fences_itself(options: dict[str, str]) -> bool:
    """By a watchdog alone, without a device."""
    given = next(filter(None, map(options.get, _WATCHDOG)), "0")
    return options.get("have-watchdog", "").lower() in TRUE and given.rstrip("smhin") != "0"


def may_fence(device: Primitive, host: str) -> bool:
    """One that names no hosts is asked by Pacemaker, which can't be known here."""
    given = cib_words.parameters(device)
    named = given.get("pcmk_host_list", "").replace(",", " ").replace(";", " ").split()
    mapped = given.get("pcmk_host_map", "").replace(";", " ").replace(",", " ").split()
    named += [each.replace("=", ":").partition(":")[0] for each in mapped]
    if not named and given.get("pcmk_host_check", "") in ("", "static-list"):
        named = given.get("hostlist", "").replace(",", " ").split()
    return not named or host in named


def _device(facts: Facts, device: Primitive) -> Iterator[Finding]:
    instances = facts.cluster.instances(device.id)
    if not any(each.active for each in instances):
        text = f"the fence device {device.id} is started nowhere"
        yield DEVICE_STOPPED.finding(CLUSTER, text, device=device.id)
    elif not cib_words.interval_s(device, "monitor"):
        text = f"the fence device {device.id} is never monitored"
        yield DEVICE_UNMONITORED.finding(CLUSTER, text, device=device.id)
