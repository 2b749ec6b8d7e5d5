# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest's live disks against the definitions of its next start, on all hosts.

A snapshot of its disks, a block copy or a hot-plug changes the disks of a guest that runs. libvirt
writes that into its own definition on this host at best. A start elsewhere would then boot older
data, write to it, and so make what is newer void.

Where that danger is, the monitor (OCF_CHECK_LEVEL 10) writes the last disks into the CIB, as the
meta attribute vm-disks of the resource. A start whose definition does not name them refuses.
They stand until all hosts' definitions name them, or a person removes them. An ordinary guest has
none. A stop tells the other hosts as well.
"""

from __future__ import annotations

from agents.virtual_domain.guest import domain_state
from agents.virtual_domain.starting import next_start, noted_disks
from pmkvm.errors import DeadlineError, HaError
from pmkvm.light_types import NamedTuple
from pmkvm.pacemaker import resource_meta
from pmkvm.pacemaker.resource_meta import LAST_DISKS
from pmkvm.virt import definition, disks
from pmkvm.virt.connection import LibvirtError
from pmkvm.virt.disks import Disk
from pmkvm.virt.identity import DefinitionError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from agents.virtual_domain.guest.fence_check import Fence
    from agents.virtual_domain.guest.subject import Subject
    from agents.virtual_domain.starting.next_start import Definition
    from pmkvm.deadline import Deadline
    from pmkvm.ocf.context import Context
    from pmkvm.virt.connection import Domain
    from pmkvm.virt.disks import LastDisks

_LOOK_S = 5.0
_CIB_S = 5.0
# Of an action that is for something else.
_BESIDE_S = 2.0
_RESERVE_S = 1.0
# Of a guest without disks.
_NONE = Disk("none", "")


class Difference(NamedTuple):
    """disk: the first one in which a definition and the guest are not alike."""

    disk: Disk
    text: str


def begin(context: Context, subject: Subject, last: str | None = None) -> None:
    """A guest has just come: by these disks a later look sees a change. Nothing fails for it.

    last: the attribute's value, if it stands. The hosts may agree by now. The start of a cold move
    leaves that to a deep monitor: see cluster_uuid.require_same().
    """
    if "on_node" not in context.meta:
        return
    try:
        live, _root = _look(subject, context.deadline.at_most(_BESIDE_S))
        noted_disks.store(context, disks.digests(live))
        if last and context.action == "start":
            trouble(context, subject, context.deadline.less(_RESERVE_S))
    except (HaError, OSError, MemoryError) as error:
        context.log.debug(f"{subject.identity.name}: its disks are not noted: {error}")


def end(context: Context, subject: Subject, deadline: Deadline, fence: Fence | None) -> None:
    """A guest is about to be stopped: if its disks have changed while it ran, or its definition
    here does not name them, the other hosts are told, and not asked. Nothing fails for it.

    fence: has looked at the CIB. What was told before, and is no longer so, is told anew.
    """
    if "on_node" not in context.meta:
        return
    soon = deadline.at_most(_BESIDE_S)
    try:
        live, own = _look(subject, soon)
        here = _here(context, subject, own, soon)
        noted, now = noted_disks.load(context), disks.digests(live)
        said = difference(live, here) if here and _is_dangerous(live, here) else None
        last = fence.fact(LAST_DISKS) if fence is not None else None
        has_changed = noted is not None and noted.digests != now
        if said is None and (has_changed or (last and disks.last_disks(last).digests != now)):
            said = Difference(live[0] if live else _NONE, "")
        if said is not None:
            known = disks.LastDisks(now, str(said.disk))
            _keep(context, known, is_wanted=True, may_stay=True, deadline=soon)
    except (HaError, OSError, MemoryError) as error:
        context.log.warning(f"{subject.identity.name}: its disks are not looked at: {error}")


def trouble(context: Context, subject: Subject, deadline: Deadline) -> str:
    """What a next start would not have of the guest that runs here; empty if all is well.

    What can't be found out is no trouble. Only with a cluster the other hosts are asked, and told.
    """
    name = subject.identity.name
    try:
        live, own = _look(subject, deadline)
        here = _here(context, subject, own, deadline)
    except (LibvirtError, DeadlineError, DefinitionError) as error:
        context.log.warning(f"{name}: its disks are not compared with its definition: {error}")
        return ""
    said = difference(live, here) if here else None
    if "on_node" not in context.meta:
        return said.text if said else ""
    try:
        is_lacking = here is not None and _is_dangerous(live, here)
        said = _for_the_cluster(context, subject, live, said, deadline, is_lacking=is_lacking)
    except HaError as error:
        context.log.warning(f"{name}: the other hosts are not told of its disks: {error}")
    return said.text if said else ""


def difference(live: tuple[Disk, ...], known: Definition) -> Difference | None:
    """None if that definition names the live disks."""
    one = disks.first_difference(live, disks.of(known.root))
    if one is None:
        return None
    if one in live:
        return Difference(one, f"its disk {one} is not so in the definition {known.where}")
    return Difference(one, f"disk {one} of the definition {known.where} is not in the guest")


def refusal(context: Context, last: str | None, root: Element) -> str:
    """Why a start by that definition would lose data; empty if it names the disks that the guest
    had last. last: the attribute's value."""
    if not last or disks.last_disks(last).are_in(disks.of(root)):
        return ""
    removal = " ".join(resource_meta.removal(context.instance, LAST_DISKS))
    return (
        "the guest last ran with other disks than the definition here names (see"
        f" {disks.last_disks(last).first}), and its newest data would be lost: name its disks as"
        " they were in the definition, or give that data up by"
        f" `{removal}`; then `crm_resource --cleanup --resource {context.instance}`"
    )


def differences(context: Context, subject: Subject, deadline: Deadline) -> list[str]:
    """Of a guest that runs here: each definition that does not name its disks, and a medium in a
    drive that the next start does not put there. Nobody is told. Raises LibvirtError where it
    doesn't run here, DeadlineError and DefinitionError."""
    live, own, media = domain_state.command(
        subject, deadline.at_most(_LOOK_S), "asking for the disks of", _with_media
    )
    here = _here(context, subject, own, deadline)
    known = [*([here] if here else []), *next_start.elsewhere(context, subject, deadline).known]
    said = [found.text for found in (difference(live, each) for each in known) if found]
    other = disks.first_difference(media, disks.media(here.root)) if here else None
    return said + [f"its medium {other} differs at the next start"] * bool(other)


def _with_media(domain: Domain) -> tuple[tuple[Disk, ...], Element | None, tuple[Disk, ...]]:
    root = definition.parse(domain.description().encode(), "libvirt's description")
    if not domain.is_running():
        raise LibvirtError(0, "it does not run")
    return disks.of(root), next_start.of_domain(domain), disks.media(root)


def _here(
    context: Context, subject: Subject, own: Element | None, deadline: Deadline
) -> Definition | None:
    """None where this host has no definition of the guest: nothing starts it here."""
    if own is not None:
        return next_start.Definition("on this host", own)
    try:
        return next_start.of_file(context, subject, deadline)
    except DefinitionError as error:
        name = subject.identity.name
        context.log.warning(f"{name}: its disks are not compared with a definition here: {error}")
        return None


def _for_the_cluster(
    context: Context,
    subject: Subject,
    live: tuple[Disk, ...],
    said: Difference | None,
    deadline: Deadline,
    *,
    is_lacking: bool,
) -> Difference | None:
    """said: how the definition here differs; is_lacking: an image of the guest's is not in it.
    Raises HaError where the CIB can't be had."""
    now, noted = disks.digests(live), noted_disks.load(context)
    has_changed = noted is not None and noted.digests != now
    if said is None and noted is not None and not has_changed and not noted.is_old:
        return None
    in_danger, is_unknown = is_lacking, False
    if not is_lacking:
        others = next_start.elsewhere(context, subject, deadline)
        is_unknown = bool(others.silent)
        differing = [each for each in others.known if difference(live, each)]
        lacking = [each for each in differing if _is_dangerous(live, each)]
        if differing and (said is None or lacking):
            said = difference(live, (lacking or differing)[0])
        if lacking:
            in_danger = has_changed or any(_is_older(live, each) for each in lacking)
        elif has_changed and is_unknown:
            text = f"its disks have changed, and a definition is not known: {others.silent[0]}"
            said, in_danger = said or Difference(live[0] if live else _NONE, text), True
    _keep(
        context,
        disks.LastDisks(now, str(said.disk if said else "")),
        is_wanted=in_danger,
        may_stay=said is not None or is_unknown,
        deadline=deadline,
    )
    first = noted.digests if noted is not None and said else now
    noted_disks.store(context, first, is_asked=said is None)
    return said


def _keep(
    context: Context, last: LastDisks, *, is_wanted: bool, may_stay: bool, deadline: Deadline
) -> None:
    """The attribute: written in danger, kept true while it stands, removed when all agree."""
    soon = deadline.at_most(_CIB_S)
    there = resource_meta.read(context.instance, LAST_DISKS, soon) or ""
    if there and may_stay and disks.last_disks(there).digests == last.digests:
        return
    wanted = last.to_text() if is_wanted or (there and may_stay) else ""
    if wanted == there:
        return
    if wanted:
        resource_meta.write(context.instance, LAST_DISKS, wanted, soon)
    else:
        resource_meta.remove(context.instance, LAST_DISKS, soon)
    context.log.warning(f"attribute {LAST_DISKS}: {wanted or 'removed'}")


def _is_dangerous(live: tuple[Disk, ...], known: Definition) -> bool:
    return disks.are_missing(live, disks.of(known.root))


def _is_older(live: tuple[Disk, ...], known: Definition) -> bool:
    return disks.are_older(live, disks.of(known.root))


def _look(subject: Subject, deadline: Deadline) -> tuple[tuple[Disk, ...], Element | None]:
    """The live disks, and libvirt's definition if it has one. Raises LibvirtError, DeadlineError
    and DefinitionError."""

    soon = deadline.at_most(_LOOK_S)
    return domain_state.command(subject, soon, "asking for the disks of", _with_media)[:2]
