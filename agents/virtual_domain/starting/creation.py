# SPDX-License-Identifier: GPL-2.0-or-later
"""What a start hands to libvirt: the memory that a stop of ours saved, libvirt's own definition, or
the file's.

Nothing here lets a guest run: its CPUs are stopped when it is created.
"""

from __future__ import annotations

import os

from agents.virtual_domain.guest.subject import require_noted
from agents.virtual_domain.options import snapshot
from pmkvm.ocf.codes import OcfCode
from pmkvm.ocf.errors import OcfError
from pmkvm.virt import managed_save
from pmkvm.virt.connection import XML_INACTIVE
from pmkvm.virt.definition import decode, parse, read, write
from pmkvm.virt.identity import DefinitionError
from pmkvm.virt.record import Record, Stage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from agents.virtual_domain.guest.subject import Subject
    from pmkvm.deadline import Deadline
    from pmkvm.ocf.context import Context
    from pmkvm.virt.connection import Connection, Domain


def prepare(context: Context, subject: Subject, deadline: Deadline) -> None:
    """The disk that a guest over a backing file needs. Raises OcfError and CommandError."""
    image = snapshot.path_of(context, subject.identity.name)
    if image and os.path.exists(image):
        # The memory that is restored knows the disk as it is.
        return
    if any(context.parameters[name] for name in ("backingfile", "stateless", "copyindirs")):
        from agents.virtual_domain.starting import overlay

        overlay.prepare(context, subject, deadline)


def create_paused(
    context: Context, connection: Connection, subject: Subject, last: str | None = None
) -> Domain:
    """Restored where our stop saved its memory; as libvirt defines it, else transient.

    A definition that libvirt has is never changed nor undefined, and a memory that libvirt keeps of
    it (a managed save) never restored: its disks may have gone on without it on another host.
    last: the disks that the guest had last, where some definition does not name them (live_disks).
    Raises LibvirtError; OcfError and UnwrittenError when libvirt was asked for nothing.
    """
    name, path = subject.identity.name, context.text("config")
    domain = connection.lookup(name)
    if domain is not None and subject.identity.uuid not in ("", domain.uuid()):
        raise OcfError(
            OcfCode.INSTALLED,
            f"{name}: {path} says uuid {subject.identity.uuid}, libvirt's"
            f" definition of that name {domain.uuid()}: make them equal on all hosts",
        )
    root = _definition(path) if domain is None else None
    if context.flag("start_resources"):
        from agents.virtual_domain.guest import pools_networks

        live = parse(domain.description(XML_INACTIVE).encode(), name) if domain else root
        if live is not None:
            pools_networks.start(context, connection, live)
    image = snapshot.path_of(context, name)
    has_image = bool(image) and os.path.exists(image)
    _look_for_managed_save(
        context, subject, domain, is_in_danger=domain is not None and not has_image
    )
    if last and not has_image:
        # A memory of ours knows its disks.
        _require_last_disks(context, domain, root, last)
    # Other hypervisors leave no abandoned creates.
    if subject.identity.is_qemu and has_image:
        require_noted(context, Record(subject.identity, Stage.RESTORING))
    if has_image:
        context.log.info(f"{name}: restoring it from {image}")
        return snapshot.restore_paused(connection, subject, image)
    if domain is not None:
        # One that appears only now is lost, and not restored. Other drivers refuse that flag.
        domain.start_paused(boots=_is_of_qemus_driver(subject))
        return domain
    return connection.create_paused(_for_libvirt(path, root))


def _look_for_managed_save(
    context: Context, subject: Subject, domain: Domain | None, *, is_in_danger: bool
) -> None:
    """Raises OcfError where libvirt would restore one. Neither the restore of an image nor the
    create of a transient domain looks at it."""
    name = subject.identity.name
    kept = managed_save.describe(name, domain, is_here=subject.identity.is_qemu)
    if kept and is_in_danger:
        raise OcfError(OcfCode.INSTALLED, f"{name}: not started: {kept}")
    if kept:
        context.log.warning(f"{name}: {kept}")


def _require_last_disks(
    context: Context, domain: Domain | None, root: Element | None, last: str
) -> None:
    from agents.virtual_domain.starting import live_disks

    if domain is not None:
        root = parse(domain.description(XML_INACTIVE).encode(), "libvirt's definition")
    refusal = live_disks.refusal(context, last, root) if root is not None else ""
    if refusal:
        raise OcfError(OcfCode.INSTALLED, f"not started: {refusal}")


def _is_of_qemus_driver(subject: Subject) -> bool:
    """Also of another machine's."""
    return subject.identity.is_qemu or subject.uri.startswith("qemu")


def _definition(path: str) -> Element:
    try:
        return parse(read(path), path)
    except DefinitionError as error:
        raise OcfError(OcfCode.INSTALLED, str(error)) from error


def _for_libvirt(path: str, root: Element | None) -> str:
    """The file's own text, but for a TPM's state, which must outlive a transient domain.

    libvirt removes it together with the domain unless persistent_state says otherwise
    (libvirt 7.0, formatdomain: TPM device). UEFI's variables stay in any case.
    """
    tpms = [] if root is None else root.findall("devices/tpm/backend[@type='emulator']")
    forgetful = [tpm for tpm in tpms if tpm.get("persistent_state") is None]
    if root is None or not forgetful:
        return decode(read(path), path)
    for tpm in forgetful:
        tpm.set("persistent_state", "yes")
    return write(root)
