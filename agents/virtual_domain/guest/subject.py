# SPDX-License-Identifier: GPL-2.0-or-later
"""Which domain an action is about: as remembered, by the cluster's word, as defined, or at least by
its file's name."""

from __future__ import annotations

import time

from pmkvm import process
from pmkvm.errors import HaError, is_exhaustion
from pmkvm.light_types import NamedTuple
from pmkvm.ocf.codes import OcfCode
from pmkvm.ocf.errors import OcfError
from pmkvm.virt import record
from pmkvm.virt.identity import DefinitionError, Identity, name_from_path
from pmkvm.virt.record import Record, Stage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pmkvm.ocf.context import Context
    from pmkvm.process import Life


_SAY_EVERY_S = 600
# How long the definition's storage may take to answer, and of what is left of the action's time.
_ANSWER_S = 10.0
_ANSWER_SHARE = 0.5


class UnwrittenError(HaError):
    """This host can't remember now what it must."""


class Subject(NamedTuple):
    """A resource's domain, where its hypervisor is, and what this host remembers of it.

    is_clusters: its uuid is the cluster's word, so that a QEMU of another uuid is none of it.
    is_guess: there is nothing but its file's name to go by.
    """

    identity: Identity
    uri: str
    remembered: Record | None
    is_clusters: bool = False
    is_guess: bool = False

    @property
    def is_being_created(self) -> bool:
        """Whether a start has not come as far as a guest, or was killed before."""
        return self.remembered is not None and self.remembered.is_being_created

    @property
    def is_starting(self) -> bool:
        """Whether its start has not come to its end: is under way, was killed, or has failed."""
        return self.remembered is not None and self.remembered.is_starting

    @property
    def remembered_life(self) -> Life | None:
        """Of this very domain: a definition may have been given another uuid since it began."""
        if self.remembered is None:
            return None
        domain = self.remembered.identity
        is_same = domain.uuid == self.identity.uuid or (
            domain.name == self.identity.name and "" in (domain.uuid, self.identity.uuid)
        )
        return self.remembered.life if is_same else None


def from_definition(context: Context) -> Subject:
    """The domain that the parameter config describes. Raises OcfError with the reason.

    OSError: this host has no descriptor or memory to read it.
    """
    path = context.text("config")
    if not path:
        raise OcfError(OcfCode.CONFIGURED, "parameter config is required and not set")
    # Here and not on top: a recurring monitor remembers its guest and reads no XML.
    from pmkvm import knock
    from pmkvm.virt.definition import read_identity

    try:
        patience_s = min(_ANSWER_S, context.deadline.remaining() * _ANSWER_SHARE)
        knock.require_answer(path, context.deadline.at_most(patience_s))
        identity = read_identity(path)
    except OSError as error:
        if is_exhaustion(error):
            raise
        raise OcfError(OcfCode.INSTALLED, f"{path}: {error.strerror}") from error
    except DefinitionError as error:
        raise OcfError(OcfCode.INSTALLED, str(error)) from error
    # Of a QEMU on another machine this host's process table says nothing.
    is_here = identity.is_qemu and _is_of_this_host(context.text("hypervisor"))
    identity = identity._replace(is_qemu=is_here)
    return Subject(identity, _uri(context, identity), record.load(context.instance))


def identify(context: Context) -> Subject:
    """The domain as it was started here, else by the cluster's word, else as defined, else by the
    definition's file name.

    A guest whose definition is gone may well run, so there is always an answer but without a
    parameter config: then OcfError CONFIGURED.
    """
    remembered = record.load(context.instance)
    if remembered is None:
        return settled(context, _described(context))
    subject = Subject(remembered.identity, _uri(context, remembered.identity), remembered)
    if context.action == "monitor" and not context.is_probe:
        # A recurring one asks nobody as long as its guest lives.
        return subject
    life = subject.remembered_life
    return subject if life is not None and process.is_alive(life) else settled(context, subject)


def settled(context: Context, subject: Subject) -> Subject:
    """The domain by the cluster's word, if there is one. Raises ForeignQemuError."""
    # A person calls without a node's name.
    if "on_node" not in context.meta:
        return subject
    # Not on the way of a monitor whose guest is remembered.
    from agents.virtual_domain.guest import cluster_uuid

    return cluster_uuid.settle(context, subject)


def _described(context: Context) -> Subject:
    try:
        return from_definition(context)
    except OcfError as error:
        if error.code == OcfCode.CONFIGURED:
            raise
        context.log.warning(f"{error}; going by the file's name")
    uri = context.text("hypervisor")
    is_qemu = uri.partition(":")[0].partition("+")[0] in ("", "qemu")
    name = name_from_path(context.text("config"))
    identity = Identity(name, "", is_qemu=is_qemu and _is_of_this_host(uri))
    return Subject(identity, _uri(context, identity), None, is_guess=True)


def remember(context: Context, subject: Subject, life: Life | None) -> None:
    """Write down that this guest runs here, unless that stands there already."""
    now = Record(subject.identity, Stage.RUNNING, life)
    if now != subject.remembered:
        note(context, now)


def note(context: Context, now: Record) -> None:
    """Write it down if that can be done: for a guest that is there, whatever is remembered."""
    try:
        record.store(context.instance, now)
    except OSError as error:
        if _is_worth_a_line(context):
            context.log.warning(f"{now.identity.name}: not written down that it is here: {error}")


def require_noted(context: Context, now: Record) -> None:
    """For what must not begin before it is written down. Raises UnwrittenError."""
    try:
        record.store(context.instance, now)
    except OSError as error:
        raise UnwrittenError(f"what this host must remember can't be written: {error}") from error


def forget(context: Context) -> None:
    """It is here no more. A record that stays is of a life that is over, and the next start
    replaces it; who reads it meanwhile looks whether that life lives."""
    try:
        record.forget(context.instance)
    except OSError as error:
        context.log.warning(f"what is remembered of it stays: {error}")


def _is_worth_a_line(context: Context) -> bool:
    """Of a recurring monitor every ten minutes: it comes every few seconds, for every guest."""
    interval_ms = context.meta.get("interval", "0")
    if not interval_ms.isdecimal() or context.action != "monitor":
        return True
    return not int(interval_ms) or time.time() % _SAY_EVERY_S < int(interval_ms) / 1000


def _is_of_this_host(uri: str) -> bool:
    """Whether a libvirt URI names no other host: driver[+transport]://[user@][host][:port]/path.

    Nor the libvirt that a user runs for himself, by its socket: whose its QEMUs are, and where it
    writes down which, only that one knows.
    """
    path = uri.partition("://")[2].partition("/")[2]
    if path.startswith("session?") and "socket=" in path:
        return False
    return not names_another_host(uri)


def names_another_host(uri: str) -> bool:
    place = uri.partition("://")[2].partition("/")[0]
    authority = place.rpartition("@")[2]
    host = authority[1:].partition("]")[0] if authority[:1] == "[" else authority.partition(":")[0]
    return host not in ("", "localhost", "127.0.0.1", "::1")


def _uri(context: Context, identity: Identity) -> str:
    """Empty: libvirt's default."""
    return context.text("hypervisor") or ("qemu:///system" if identity.is_qemu else "")
