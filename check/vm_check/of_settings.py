# SPDX-License-Identifier: GPL-2.0-or-later
"""What is set against the cluster: who else starts, stops, holds or keeps guests. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from check.vm_check import cib_words
from check.vm_check.finding import CLUSTER, Kind, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from check.vm_check.facts import Facts, Guest
    from check.vm_check.finding import Finding

AUTOSTART = Kind(
    "autostart",
    Severity.ERROR,
    "libvirt starts the guest by itself at a boot of the host, beside the one that Pacemaker has.",
    "on {host}: `virsh autostart --disable {subject}`",
)
LIBVIRT_GUESTS = Kind(
    "libvirt-guests",
    Severity.WARNING,
    "The service libvirt-guests is enabled: it stops or suspends guests when the host goes down,"
    " and starts them at its boot, behind Pacemaker's back.",
    "on {subject}: `systemctl disable --now libvirt-guests`",
)
AUTO_SHUTDOWN = Kind(
    "auto-shutdown",
    Severity.WARNING,
    "libvirt saves or shuts guests down when the host goes down, behind Pacemaker's back.",
    'on {subject}: `{setting} = "none"` in {path}',
)
LOCK_MANAGER = Kind(
    "lock-manager",
    Severity.WARNING,
    "libvirt locks the guests' disks by a manager of its own: a lock that a lost host has left"
    " keeps the guest from starting elsewhere.",
    "on {subject}: remove lock_manager from /etc/libvirt/qemu.conf, or see that its leases end by"
    " the host's fence",
)
STICKINESS = Kind(
    "stickiness",
    Severity.WARNING,
    "resource-stickiness is 0: a guest is drawn back when a host returns, and a fence of one guest"
    " may let others move.",
    "`crm_attribute --type rsc_defaults --name resource-stickiness --update 1`",
)
MIGRATION_LIMIT = Kind(
    "migration-limit",
    Severity.WARNING,
    "migration-limit is 0: no guest moves live, all are stopped and started.",
    "`crm_attribute --name migration-limit --delete`",
)
ON_FAIL = Kind(
    "on-fail",
    Severity.WARNING,
    "An operation's on-fail leaves a guest that has failed as it is, or ignores that it has.",
    "`pcs resource update {resource} op {operation} on-fail={advised}`",
)
TWO_RESOURCES = Kind(
    "two-resources",
    Severity.ERROR,
    "Two resources have one guest: each starts and stops it behind the other's back.",
    "`vm-ctl resource delete` or `crm configure delete` all but one of {resources}",
)
NOBODY_MANAGES = Kind(
    "nobody-manages",
    Severity.WARNING,
    "A guest runs that no resource of the cluster has: it is lost with its host.",
    "`vm-ctl resource add {subject}`, or let it be if that is meant",
)
KINDS = (
    *(AUTOSTART, LIBVIRT_GUESTS, AUTO_SHUTDOWN, LOCK_MANAGER, STICKINESS, MIGRATION_LIMIT),
    *(ON_FAIL, TWO_RESOURCES, NOBODY_MANAGES),
)

# What Pacemaker does of its own accord, or what brings a guest back.
_LEFT_ALONE = ("ignore", "block")
_ADVISED = {"stop": "fence"}


def findings(facts: Facts) -> Iterator[Finding]:
    yield from _of_cluster(facts)
    yield from _of_this_host(facts)
    yield from _twice(facts)
    defaults = cib_words.defaults(facts, "op_defaults")
    for guest in facts.guests.values():
        yield from _autostart(facts, guest)
        yield from _on_fail(guest, defaults)
    yield from _unmanaged(facts)


def _of_cluster(facts: Facts) -> Iterator[Finding]:
    defaults, options = cib_words.defaults(facts, "rsc_defaults"), cib_words.options(facts)
    default = defaults.get("resource-stickiness", options.get("default-resource-stickiness", ""))
    if default in ("", "0"):
        where = "is 0" if default else "is not set, so it is 0"
        yield STICKINESS.finding(CLUSTER, f"resource-stickiness {where}")
    if options.get("migration-limit") == "0":
        yield MIGRATION_LIMIT.finding(CLUSTER, "migration-limit is 0")


def _of_this_host(facts: Facts) -> Iterator[Finding]:
    """Files, of which those of other hosts can't be read."""
    host, found = facts.this_host, facts.host_files
    if found.libvirt_guests:
        yield LIBVIRT_GUESTS.finding(host, "libvirt-guests is enabled")
    for path, setting, value in found.auto_shutdown:
        text = f"{setting} is {value} in {path}"
        yield AUTO_SHUTDOWN.finding(host, text, setting=setting, path=path)
    if found.lock_manager:
        yield LOCK_MANAGER.finding(host, f"libvirt's lock_manager is {found.lock_manager}")


def _autostart(facts: Facts, guest: Guest) -> Iterator[Finding]:
    for host, domain in facts.domains(guest.domain).items():
        if domain.autostart:
            text = f"libvirt on {host} starts it by itself"
            yield AUTOSTART.finding(guest.domain, text, host=host)


def _on_fail(guest: Guest, defaults: Mapping[str, str]) -> Iterator[Finding]:
    for operation in ("start", "monitor", "stop"):
        value = guest.operations.get(operation, {}).get("on-fail", defaults.get("on-fail", ""))
        if value.lower() in _LEFT_ALONE:
            yield ON_FAIL.finding(
                guest.domain,
                f"on-fail of its {operation} is {value}",
                resource=guest.resource,
                operation=operation,
                advised=_ADVISED.get(operation, "restart"),
            )


def _twice(facts: Facts) -> Iterator[Finding]:
    owners: dict[str, list[str]] = {}
    for guest in facts.guests.values():
        owners.setdefault(guest.domain, []).append(guest.resource)
    shared = {domain: names for domain, names in owners.items() if len(names) > 1}
    for domain, names in sorted(shared.items()):
        text = f"{' and '.join(names)} are this guest"
        yield TWO_RESOURCES.finding(domain, text, resources=" ".join(names))


def _unmanaged(facts: Facts) -> Iterator[Finding]:
    managed = {guest.domain for guest in facts.guests.values()}
    for host, there in facts.answering().items():
        for name in sorted(there.domains):
            if there.domains[name].runs and name not in managed:
                text = f"it runs on {host}, and no resource has it"
                yield NOBODY_MANAGES.finding(name, text, host=host)
