# SPDX-License-Identifier: GPL-2.0-or-later
"""validate-all at OCF_CHECK_LEVEL 10: could this guest start here, and do the hosts agree on it.

Everything that is missing is said at once. Nothing is started, and nothing is changed.
"""

from __future__ import annotations

import os
import shutil

from agents.virtual_domain.guest import cluster_uuid
from agents.virtual_domain.starting import live_disks, next_start
from pmkvm import settings
from pmkvm.errors import HaError
from pmkvm.ocf.codes import OcfCode
from pmkvm.ocf.errors import OcfError
from pmkvm.pacemaker import resource_meta
from pmkvm.thread_call import call_in_thread
from pmkvm.virt import agreement, definition, managed_save, private_state, supply
from pmkvm.virt.connection import Connection, LibvirtError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree.ElementTree import Element

    from agents.virtual_domain.guest.subject import Subject
    from pmkvm.deadline import Deadline
    from pmkvm.ocf.context import Context
    from pmkvm.virt.connection import Domain

_ANSWER_S = 10.0


def require(context: Context, subject: Subject) -> None:
    """Raises OcfError: INSTALLED for what this host lacks, CONFIGURED where hosts disagree."""
    path = context.text("config")
    root = definition.parse(definition.read(path), path)
    missing = [*_another_uuid(context, subject), *_missing_files(root)]
    missing += _missing_programs(context)
    missing += _at_libvirt(context, subject, root)
    _warn_of_live_disks(context, subject)
    if missing:
        raise OcfError(OcfCode.INSTALLED, f"{subject.identity.name}: {'; '.join(missing)}")
    _require_agreement(context, subject)


def _another_uuid(context: Context, subject: Subject) -> Iterator[str]:
    """Than the cluster has for this resource."""
    try:
        cluster_uuid.require_same(context, subject.identity)
    except OcfError as error:
        yield str(error)


def _missing_files(root: Element) -> Iterator[str]:
    """What the definition names on this host. A CD that is not there is for QEMU to judge."""
    emulator = (root.findtext("devices/emulator") or "").strip()
    if emulator and not os.access(emulator, os.X_OK):
        yield f"emulator {emulator} is not there or not executable"
    loader = (root.findtext("os/loader") or "").strip()
    if loader.startswith("/") and not os.path.exists(loader):
        yield f"firmware {loader} is not there"
    for disk in root.iterfind("devices/disk"):
        source = disk.find("source")
        path = "" if source is None else source.get("file") or source.get("dev") or ""
        is_optional = source is None or source.get("startupPolicy") in ("optional", "requisite")
        if path and not is_optional and not os.path.exists(path):
            yield f"disk {path} is not there"
    for bridge in root.iterfind("devices/interface/source[@bridge]"):
        name = bridge.get("bridge", "")
        if not os.path.exists(f"{settings.NETWORK_DEVICES}/{name}"):
            yield f"bridge {name} is not there"


def _missing_programs(context: Context) -> Iterator[str]:
    wanted = {
        "qemu-img": bool(context.text("backingfile")),
        "virt-copy-in": bool(context.text("copyindirs")),
    }
    for program, is_wanted in wanted.items():
        path = settings.CHILD_ENVIRONMENT["PATH"]
        if is_wanted and shutil.which(program, path=path) is None:
            yield f"program {program} is not installed"


def _at_libvirt(context: Context, subject: Subject, root: Element) -> list[str]:
    """Whether libvirt is there, and has what the definition names."""
    deadline = context.deadline.at_most(_ANSWER_S)
    uri, last = subject.uri, _last_disks(context)

    def look() -> list[str]:
        with Connection(uri) as connection:
            domain = connection.lookup(subject.identity.name)
            _warn_of_managed_save(context, subject, domain)
            own = next_start.of_domain(domain)
            counts = root if own is None else own
            _warn_of_definition(context, root, own)
            _warn_of_private_state(context, counts)
            refusal = live_disks.refusal(context, last, counts)
            needed = supply.needed(root)
            pools = [(supply.has_pool, "pool", name) for name in needed.pools]
            networks = [(supply.has_network, "network", name) for name in needed.networks]
            return [refusal] * bool(refusal) + [
                f"libvirt has no {kind} {name}"
                for has, kind, name in (*pools, *networks)
                if not has(connection, name)
            ]

    try:
        return call_in_thread(deadline, f"asking libvirt at {uri or 'its default'}", look)
    except HaError as error:
        return [f"libvirt can't be asked: {error}"]


def _warn_of_definition(context: Context, file: Element, own: Element | None) -> None:
    """libvirt's own is used where there is one: see creation.create_paused()."""
    place = "" if own is None else agreement.place_of_disagreement(file, own)
    if place:
        context.log.warning(
            f"{context.text('config')} differs in {place} from libvirt's own definition, and a"
            " start here uses libvirt's"
        )


def _warn_of_private_state(context: Context, root: Element) -> None:
    name = (root.findtext("name") or "").strip()
    try:
        for state in private_state.not_shared(root):
            context.log.warning(
                f"{name}: as far as this host can tell, {state} is not on storage that all hosts"
                " share: a start on another host begins with a new one"
            )
    except (OSError, ValueError) as error:
        context.log.warning(f"{name}: whether all hosts share what it keeps is unknown: {error}")


def _last_disks(context: Context) -> str | None:
    """None without a cluster."""
    try:
        deadline = context.deadline.at_most(_ANSWER_S)
        return resource_meta.read(context.instance, resource_meta.LAST_DISKS, deadline)
    except HaError:
        return None


def _warn_of_live_disks(context: Context, subject: Subject) -> None:
    """Of a guest that runs here."""
    name = subject.identity.name
    try:
        for text in live_disks.differences(context, subject, context.deadline.at_most(_ANSWER_S)):
            context.log.warning(f"{name}: {text}")
    except LibvirtError as error:
        context.log.debug(f"{name}: no live disks to compare: {error}")
    except HaError as error:
        context.log.warning(f"{name}: its disks are not compared with its definition: {error}")


def _warn_of_managed_save(context: Context, subject: Subject, domain: Domain | None) -> None:
    name = subject.identity.name
    kept = managed_save.describe(name, domain, is_here=subject.identity.is_qemu)
    if kept:
        context.log.warning(f"{name}: no start here: {kept}")


def _require_agreement(context: Context, subject: Subject) -> None:
    """Of all hosts' libvirts about name and uuid. One that can't be reached is warned of."""
    for node, uri in _peers(context, subject).items():
        here = subject.identity
        try:
            there, kept = _ask_there(uri, here.name, context.deadline.at_most(_ANSWER_S))
        except HaError as error:
            context.log.warning(f"{node}: no migration to it: {error}")
            continue
        if kept:
            context.log.warning(f"{here.name}: no start on {node}: {kept}")
        if here.uuid and there and here.uuid != there:
            raise OcfError(
                OcfCode.CONFIGURED,
                f"{here.name}: uuid {here.uuid} here, {there} in libvirt's definition on {node}:"
                " make them equal, or a migration fails",
            )


def _peers(context: Context, subject: Subject) -> dict[str, str]:
    """The other hosts that are up, and their hypervisors; none without a cluster."""
    try:
        return next_start.peers(context, subject, context.deadline).uris
    except HaError as error:
        context.log.info(f"other hosts are not looked at: {error}")
        return {}


def _ask_there(uri: str, name: str, deadline: Deadline) -> tuple[str, str]:
    """The domain's uuid and managed save; empty if the other host's libvirt has none."""

    def look() -> tuple[str, str]:
        with Connection(uri) as connection:
            domain = connection.lookup(name)
            if domain is None:
                return "", ""
            return domain.uuid(), managed_save.describe(name, domain, is_here=False)

    return call_in_thread(deadline, f"asking {uri}", look)
