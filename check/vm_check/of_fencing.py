# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether a lost host is fenced, and what guests need on the hosts to fence each other. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from check.vm_check import cib_words
from check.vm_check.finding import CLUSTER, Kind, Severity
from daemons.vm_stonithd.cluster import config_warnings
from daemons.vm_stonithd.machine.clocks import MOST_APART_S, SILENT_S
from daemons.vm_stonithd.model import host_report
from pmkvm.ocf.context import FALSE, TRUE
from pmkvm.pacemaker import programs
from pmkvm.pacemaker.programs import CONNECTD, STONITHD
from pmkvm.pacemaker.renamed import FENCING_ENABLED
from pmkvm.tokens import key_report

if TYPE_CHECKING:
    from collections.abc import Iterator

    from check.vm_check.facts import Facts
    from check.vm_check.finding import Finding
    from daemons.vm_stonithd.model.host_report import HostReport
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
CONNECTD_MISSING = Kind(
    "connectd-missing",
    Severity.ERROR,
    "vm-connectd does not run on the host: guests there can't ask for a fence.",
    "`crm_resource --cleanup --resource {resource}`; doc/fencing.md has the clones",
)
STONITHD_MISSING = Kind(
    "stonithd-missing",
    Severity.ERROR,
    "vm-stonithd does not run on the host: guests there can't ask for a fence.",
    "`crm_resource --cleanup --resource {resource}`; doc/fencing.md has the clones",
)
STONITHD_SILENT = Kind(
    "stonithd-silent",
    Severity.ERROR,
    "vm-stonithd of the host says nothing to the other hosts: fences wait for it.",
    "`vm-stonithd --status` on {subject}",
)
CLOCK_APART = Kind(
    "clock-apart",
    Severity.ERROR,
    f"The host's clock is more than {MOST_APART_S:.0f} s from this host's: nothing is fenced.",
    "NTP on all hosts: `timedatectl` on {subject} and here",
)
_COPY = "`scp -p /etc/pm_kvm_tools/stonith.key {subject}:/etc/pm_kvm_tools/` from {other}"
KEY_MISSING = Kind(
    "key-missing",
    Severity.ERROR,
    "The host has no key, and another host has: all requests of guests there are refused.",
    _COPY,
)
KEYS_DIFFER = Kind(
    "keys-differ",
    Severity.ERROR,
    "The host has not the same keys as another host: tokens are refused on one of them.",
    _COPY,
)
NO_KEY = Kind(
    "no-key",
    Severity.WARNING,
    "No host has a key: no guest can be given a token.",
    "`vm-stonith-key create`, and copy the file to the other hosts",
)
RECHECK_INTERVAL = Kind(
    "recheck-interval",
    Severity.WARNING,
    "cluster-recheck-interval is 0: a ban that nobody removes keeps its guest stopped.",
    "`crm_attribute --name cluster-recheck-interval --delete`",
)
RECORD_PENDING = Kind(
    "record-pending",
    Severity.WARNING,
    "record-pending is false: vm-stonithd can't see what is under way.",
    "`crm_attribute --type op_defaults --name record-pending --delete`",
)
ADVICE = (RECHECK_INTERVAL, RECORD_PENDING)
KINDS = (
    *(FENCING_DISABLED, DEVICE_MISSING, DEVICE_STOPPED, DEVICE_UNMONITORED),
    *(CONNECTD_MISSING, STONITHD_MISSING, STONITHD_SILENT),
    *(CLOCK_APART, KEY_MISSING, KEYS_DIFFER, NO_KEY, *ADVICE),
)

# Nobody hangs so long that Pacemaker's monitor does not notice it: then it is the clock.
_CLOCK_S = 180.0
_WATCHDOG = ("fencing-watchdog-timeout", "stonith-watchdog-timeout")


def findings(facts: Facts) -> Iterator[Finding]:
    yield from _of_hosts(facts)
    if is_configured(facts):
        yield from _daemons(facts, CONNECTD, CONNECTD_MISSING)
        yield from _daemons(facts, STONITHD, STONITHD_MISSING)
        yield from _words(facts)
        yield from _keys(facts)
        yield from _advice(facts)


def is_configured(facts: Facts) -> bool:
    """Whether this cluster has vm-stonithd at all."""
    return bool(resources(facts, STONITHD))


def resources(facts: Facts, program: str) -> list[str]:
    """The ids of those that run it, whatever they are called."""
    configuration = cib_words.root(facts).find("configuration")
    return [] if configuration is None else programs.running(program, configuration)


def runs_on(facts: Facts, program: str) -> set[str]:
    """The hosts where Pacemaker has it running."""
    return {node for name in resources(facts, program) for node in facts.cluster.active_on(name)}


def expected(facts: Facts) -> list[str]:
    """The members that are to run the daemons: on standby nothing runs."""
    return sorted(set(facts.cluster.online_members()) - _on_standby(facts))


def _on_standby(facts: Facts) -> set[str]:
    """Until it is taken back, or until the next boot."""
    nodes = cib_words.root(facts).iterfind("configuration/nodes/node")
    found = {each.get("uname", ""): cib_words.pairs(each, "instance_attributes") for each in nodes}
    given = [*found.items(), *facts.attributes.items()]
    told = {node.name for node in facts.cluster.nodes if node.standby}
    return told | {host for host, its in given if its.get("standby", "").lower() in TRUE}


def reports(facts: Facts) -> dict[str, HostReport]:
    """What each host's vm-stonithd has said last."""
    texts = ((node, said.get(key_report.ATTRIBUTE, "")) for node, said in facts.attributes.items())
    found = ((node, host_report.decode(text)) for node, text in texts)
    return {node: said for node, said in found if said is not None}


def age_s(facts: Facts, report: HostReport) -> float:
    """How old it is by this host's clock: 5 s at most where all is well."""
    return facts.now - report.up


# --- the hosts themselves


def _of_hosts(facts: Facts) -> Iterator[Finding]:
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


# --- the daemons


def _daemons(facts: Facts, program: str, kind: Kind) -> Iterator[Finding]:
    names, there = resources(facts, program), runs_on(facts, program)
    for host in expected(facts):
        if not names:
            text = f"no resource of this cluster runs {program}"
            yield kind.finding(host, text, resource="CLONE")
        elif host not in there:
            yield kind.finding(host, f"{program} does not run there", resource=names[0])


def _words(facts: Facts) -> Iterator[Finding]:
    said = reports(facts)
    for host in sorted(set(expected(facts)) & runs_on(facts, STONITHD)):
        if host not in said:
            yield STONITHD_SILENT.finding(host, "its vm-stonithd has said nothing yet")
            continue
        behind_s = age_s(facts, said[host])
        if -behind_s > MOST_APART_S or behind_s > _CLOCK_S:
            yield CLOCK_APART.finding(host, f"its clock is {-behind_s:+.0f} s from here")
        elif behind_s > SILENT_S:
            text = f"its vm-stonithd has said nothing for {behind_s:.0f} s, or its clock is behind"
            yield STONITHD_SILENT.finding(host, text)


def _keys(facts: Facts) -> Iterator[Finding]:
    """All are compared with one host's: this host's, if it has any."""
    running = runs_on(facts, STONITHD)
    said = {host: each for host, each in reports(facts).items() if host in running}
    keys = {host: {key.id for key in each.keys} for host, each in sorted(said.items())}
    having = sorted(filter(keys.get, keys), key=lambda host: (host != facts.this_host, host))
    if keys and not having and not takes_old_tokens(facts):
        yield NO_KEY.finding(CLUSTER, "no host has a key for tokens")
    for host, its in keys.items() if having else ():
        other = having[0]
        if not its:
            yield KEY_MISSING.finding(host, f"it has no key, and {other} has", other=other)
        elif its != keys[other]:
            text = f"its keys are {_listed(its)}, and {_listed(keys[other])} on {other}"
            yield KEYS_DIFFER.finding(host, text, other=other)


def _listed(keys: set[str]) -> str:
    return ", ".join(sorted(keys))


def takes_old_tokens(facts: Facts) -> bool:
    """Whether it is given -c, with which tokens of 2011 need no key."""
    names = set(resources(facts, STONITHD))
    every = (each for each in cib_words.of_class(facts, "ocf") if each.id in names)
    return any("-c" in cib_words.parameters(each).get("cmdline_options", "") for each in every)


def _advice(facts: Facts) -> Iterator[Finding]:
    root = cib_words.root(facts)
    configuration = root.find("configuration")
    if configuration is not None:
        # What another finding says more of is passed over.
        for text in config_warnings.read(configuration, root.get("crm_feature_set", "")):
            for kind in ADVICE:
                if kind.id in text.partition(" ")[0]:
                    yield kind.finding(CLUSTER, text)
