# SPDX-License-Identifier: GPL-2.0-or-later
"""The cluster's uuid: which domain the resource is on all hosts, whatever a definition here says.

It is the resource's meta attribute vm-uuid. The first start that succeeds writes it, or whoever
brings a running guest under Pacemaker. A QEMU of another uuid is a stranger: none of the
resource's, whatever its name, and so is one that this host's definition alone describes.

It is asked for (13 ms) where this host does not know by itself: before a start, in the question
whether a ban stands, and by an action that remembers no life here, if a QEMU lives here at all. A
CIB that does not answer changes nothing: then the definition counts, or the file's name.
"""

from __future__ import annotations

from agents.virtual_domain.guest import domain_state
from pmkvm.errors import HaError
from pmkvm.ocf.codes import OcfCode
from pmkvm.ocf.errors import OcfError
from pmkvm.virt import qemu, record
from pmkvm.virt.connection import State
from pmkvm.virt.identity import Identity, parse_uuid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agents.virtual_domain.guest.fence_check import Fence
    from agents.virtual_domain.guest.subject import Subject
    from pmkvm.ocf.context import Context
    from pmkvm.virt.qemu import Qemu

# The local CIB manager answers in some milliseconds or is stuck.
_ASK_S = 3.0
_ASK_SHARE = 0.25
_WRITE_S = 5.0
# Left of the action's time for its own end.
_RESERVE_S = 1.0
# For a second opinion on a stranger.
_LIBVIRT_S = 5.0


def settle(context: Context, subject: Subject) -> Subject:
    """The domain by the cluster's word, if there is one; of a guest whose life is not known here.

    Raises ForeignQemuError where the process table and libvirt contradict each other.
    """
    here = list(qemu.every()) if subject.identity.is_qemu else []
    # Where no QEMU is none can be the guest. One that arrives may not be there yet.
    if subject.identity.is_qemu and not here and context.action != "migrate_from":
        return subject
    known = subject.identity
    uuid = _ask(context)
    if not uuid or (known.uuid != uuid and _is_anothers(context, uuid)):
        return subject
    if known.uuid != uuid:
        context.log.warning(
            f"{context.instance} is the domain of uuid {uuid} by the cluster's word, and not"
            f" {known.name} ({known.uuid or 'no uuid'}) as on this host"
        )
    # Only these: whether one is to be believed costs more than what it says.
    its = [each for each in here if uuid == each.guest.uuid or known.name == each.guest.name]
    own: list[Qemu] = []
    strangers: list[Qemu] = []
    for each in filter(qemu.counts, its):
        (own if each.guest.uuid == uuid else strangers).append(each)
    name = own[0].guest.name if own else known.name
    identity = Identity(name, uuid, known.is_qemu)
    subject = subject._replace(identity=identity, is_clusters=True, is_guess=False)
    if strangers and not own:
        _require_no_contradiction(context, subject, strangers)
    for each in strangers:
        context.log.warning(
            f"QEMU {each.life.pid} named {each.guest.name} has uuid {each.guest.uuid} and not"
            f" {uuid}: it is none of {context.instance}, and is left alone"
        )
    return subject


def require_told(context: Context, subject: Subject) -> None:
    """For a stop that has nothing but a file's name to go by, and the cluster has no uuid either.

    A QEMU of that name is ended. Where none lives, one that came by a migration, and is no guest
    that this host remembers, may be this one: if the resource was to migrate here, or nobody can
    say that it was not. Raises OcfError.
    """
    name = subject.identity.name
    here = list(qemu.every()) if subject.identity.is_qemu else []
    if any(each.guest.name == name and qemu.counts(each) for each in here):
        return
    came = [each for each in here if each.guest.is_incoming and qemu.counts(each)]
    may_be = [each for each in came if record.of_life(each.life) is None]
    if not may_be or not _was_to_arrive(context):
        return
    first = may_be[0]
    raise OcfError(
        OcfCode.GENERIC,
        f"nothing tells which domain {context.instance} is: QEMU {first.life.pid}, named"
        f" {first.guest.name} ({first.guest.uuid}), came by a migration and may be it; correct"
        f" {context.text('config')}, or say which it is: {_order(context, 'UUID')}",
    )


def require_same(context: Context, identity: Identity, fence: Fence | None = None) -> bool:
    """Of the definition that a start goes by: whether its uuid has yet to be written, once it has
    started. Raises OcfError INSTALLED for a definition of another domain than the cluster's.

    The start of a cold move leaves it to the next one: a change of the configuration in the middle
    of a migration may have Pacemaker forget the arrival (doc/virtualdomain.md).

    fence: has looked at the CIB, which is not asked again then.
    """
    if "on_node" not in context.meta:
        return False
    uuid = _ask(context, fence)
    if uuid and uuid != identity.uuid:
        says = f"says uuid {identity.uuid}" if identity.uuid else "has no uuid"
        raise OcfError(
            OcfCode.INSTALLED,
            f"{context.text('config')} here {says}, but in this cluster"
            f" {context.instance} is the domain of uuid {uuid}: correct the definition; if another"
            f" uuid is meant from now on, while {context.instance} is stopped:"
            f" {_order(context, identity.uuid or 'UUID')}",
        )
    return uuid == "" and bool(identity.uuid) and context.action == "start"


def write(context: Context, uuid: str) -> None:
    """After a start that has succeeded. Whatever fails is a warning: the next start tries again."""
    from pmkvm.pacemaker import resource_meta

    name, deadline = resource_meta.VM_UUID, context.deadline.less(_RESERVE_S).at_most(_WRITE_S)
    try:
        resource_meta.write(context.instance, name, uuid, deadline)
    except (HaError, OSError, MemoryError) as error:
        context.log.warning(f"{name} is not written to the CIB: {error}")
        return
    context.log.info(f"{name} of {context.instance} is {uuid} from now on")


def _order(context: Context, uuid: str) -> str:
    """What a person types to write it."""
    from pmkvm.pacemaker import resource_meta

    return " ".join(resource_meta.order(context.instance, resource_meta.VM_UUID, uuid))


def _ask(context: Context, fence: Fence | None = None) -> str | None:
    """Empty if it is not written yet; None if the resource is in no CIB, or nobody can tell."""
    # It starts programs: too much for a probe of a host without guests.
    from pmkvm.pacemaker import resource_meta

    name = resource_meta.VM_UUID
    patience_s = min(_ASK_S, context.deadline.remaining() * _ASK_SHARE)
    try:
        if fence is not None:
            uuid = fence.fact(name)
        else:
            deadline = context.deadline.at_most(patience_s)
            uuid = resource_meta.read(context.instance, name, deadline)
        return None if uuid is None else parse_uuid(uuid, f"{context.instance}: {name}")
    except (HaError, OSError, MemoryError) as error:
        context.log.warning(f"the cluster's uuid of {context.instance} is not known: {error}")
        return None


def _is_anothers(context: Context, uuid: str) -> bool:
    """Whether two resources have it, as where one was made from the other's lines. In doubt they
    do: a guest that the definition does not describe would be ended in the wrong one's name."""
    from pmkvm.pacemaker import resource_meta

    name = resource_meta.VM_UUID
    patience_s = min(_ASK_S, context.deadline.remaining() * _ASK_SHARE)
    try:
        deadline = context.deadline.at_most(patience_s)
        if not resource_meta.is_anothers(context.instance, name, uuid, deadline):
            return False
        reason = "is another resource's as well"
    except (HaError, OSError, MemoryError) as error:
        reason = f"may be another resource's as well ({error})"
    context.log.warning(f"{name} {uuid} {reason}, so that it tells nothing of {context.instance}")
    return True


def _was_to_arrive(context: Context) -> bool:
    """In doubt it was."""
    from pmkvm.pacemaker import resource

    node = context.meta.get("on_node")
    if node is None:
        return True
    patience_s = min(_ASK_S, context.deadline.remaining() * _ASK_SHARE)
    try:
        deadline = context.deadline.at_most(patience_s)
        return resource.was_to_arrive(context.instance, node, deadline)
    except (HaError, OSError, MemoryError) as error:
        context.log.warning(f"whether {context.instance} was to migrate here: {error}")
        return True


def _require_no_contradiction(context: Context, subject: Subject, strangers: list[Qemu]) -> None:
    """A QEMU that was taken over may say another uuid than its own: libvirt has it then as active.

    A libvirt that is silent leaves the process table its word.
    """
    patience_s = min(_LIBVIRT_S, context.deadline.remaining() * _ASK_SHARE)
    try:
        status = domain_state.status(subject, context.deadline.at_most(patience_s))
    except domain_state.SilentError:
        return
    if status is not None and status.state != State.SHUTOFF:
        stranger = strangers[0]
        raise qemu.ForeignQemuError(
            f"QEMU {stranger.life.pid} says that it is {stranger.guest.name}"
            f" ({stranger.guest.uuid}), and libvirt has the domain of uuid"
            f" {subject.identity.uuid} as {status.state.name}: a person must say which is true"
        )
