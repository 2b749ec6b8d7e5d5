# SPDX-License-Identifier: GPL-2.0-or-later
"""Which domain an action is about: as remembered, as defined, or at least by its file's name."""

from __future__ import annotations

from pmkvm.errors import is_exhaustion
from pmkvm.lean import NamedTuple
from pmkvm.ocf.codes import OcfCode
from pmkvm.ocf.errors import OcfError
from pmkvm.virt import record
from pmkvm.virt.identity import DefinitionError, Identity, name_from_path
from pmkvm.virt.record import Record, Stage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pmkvm.ocf.context import Context
    from pmkvm.process import Life


class Subject(NamedTuple):
    """A resource's domain, where its hypervisor is, and what this host remembers of it."""

    identity: Identity
    uri: str
    remembered: Record | None

    @property
    def is_being_created(self) -> bool:
        """Whether a start has not come as far as a guest, or was killed before."""
        return self.remembered is not None and self.remembered.is_being_created


def from_definition(context: Context) -> Subject:
    """The domain that the parameter config describes. Raises OcfError with the reason.

    OSError: this host has no descriptor or memory to read it.
    """
    path = context.text("config")
    if not path:
        raise OcfError(OcfCode.CONFIGURED, "parameter config is required and not set")
    # Here and not on top: a recurring monitor remembers its guest and reads no XML.
    from pmkvm.virt.definition import read_identity

    try:
        identity = read_identity(path)
    except OSError as error:
        if is_exhaustion(error):
            raise
        raise OcfError(OcfCode.INSTALLED, f"{path}: {error.strerror}") from error
    except DefinitionError as error:
        raise OcfError(OcfCode.INSTALLED, str(error)) from error
    return Subject(identity, _uri(context, identity), record.load(context.instance))


def identify(context: Context) -> Subject:
    """The domain as it was started here, else as defined, else by the definition's file name.

    A guest whose definition is gone may well run, so there is always an answer but without a
    parameter config: then OcfError CONFIGURED.
    """
    remembered = record.load(context.instance)
    if remembered is not None:
        return Subject(remembered.identity, _uri(context, remembered.identity), remembered)
    try:
        return from_definition(context)
    except OcfError as error:
        if error.code == OcfCode.CONFIGURED:
            raise
        context.log.warning(f"{error}; going by the file's name")
    scheme = context.text("hypervisor").partition(":")[0].partition("+")[0]
    name = name_from_path(context.text("config"))
    identity = Identity(name, "", is_qemu=scheme in ("", "qemu"))
    return Subject(identity, _uri(context, identity), None)


def remember(context: Context, subject: Subject, life: Life | None) -> None:
    """Write down that this guest runs here, unless that stands there already."""
    now = Record(subject.identity, Stage.RUNNING, life)
    if now != subject.remembered:
        record.store(context.instance, now)


def _uri(context: Context, identity: Identity) -> str:
    """Empty: libvirt's default."""
    return context.text("hypervisor") or ("qemu:///system" if identity.is_qemu else "")
