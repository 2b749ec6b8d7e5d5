# SPDX-License-Identifier: GPL-2.0-or-later
"""A cold move: a guest that can't leave alive ends here and starts at the target, as one migration.

Where an error of migrate_to would have this host fenced, with every guest on it (on-fail=fence,
which vm-ctl writes), it is what becomes of a migration that moved nothing. migrate_to ends the
guest, proves it dead, hands it over and says 0; so Pacemaker has migrate_from run at the target,
which starts it (doc/virtualdomain.md, When a migration is refused).

The handover is a private attribute of the source: which guest, and to whom. It is written after
the death of the guest and never before, and who is told that a guest has died looks for himself
that it does not live at the target.
"""

from __future__ import annotations

import time

from pmkvm.errors import HaError
from pmkvm.light_types import NamedTuple
from pmkvm.pacemaker import attributes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pmkvm.ocf.context import Context
    from pmkvm.virt.identity import Identity

# On-fails of migrate_to that hit all guests of this host. Any other hits this guest alone, as its
# administrator wants it: restart ends it in order, block leaves it running.
_HIT_ALL = ("fence", "standby")
# Of a guest that is dead there is nothing that could be left running.
_HIT_THE_DEAD = (*_HIT_ALL, "block")
# attrd answers in a few milliseconds or is gone.
_CALL_S = 3.0
_RETRY_S = 0.5
# Left of the action's time to say 0 in.
_RESERVE_S = 1.0
# A change of the CIB before that might have Pacemaker forget the arrival: see doc/virtualdomain.md.
_STATUS_DELAY_S = 30
_LONGEST_REASON = 200


class Handover(NamedTuple):
    """The guest that has ended, and the node that is to start it."""

    target: str
    uuid: str
    name: str

    def is_of(self, identity: Identity) -> bool:
        if self.uuid and identity.uuid:
            return self.uuid == identity.uuid
        return self.name == identity.name


def is_wanted(context: Context, *, lives: bool) -> bool:
    """Whether an error would do more harm. lives: the guest, here."""
    on_fail = context.meta.get("on_fail", "")
    return "on_node" in context.meta and on_fail in (_HIT_ALL if lives else _HIT_THE_DEAD)


def begin(context: Context) -> None:
    """Of a migration that may become one: what this host has handed over before is void."""
    if is_wanted(context, lives=False):
        take_back(context, context.meta["on_node"])


def hand_over(context: Context, identity: Identity, target: str) -> None:
    """It is dead here. Tried to the deadline; without it the target waits in vain for an arrival,
    and Pacemaker starts the guest after that."""
    text = to_text(Handover(target, identity.uuid, identity.name))
    patience = context.deadline.less(_RESERVE_S)
    while True:
        try:
            attributes.say(_name(context), text, context.deadline.at_most(_CALL_S))
            return
        except HaError as error:
            if patience.less(_RETRY_S).expired():
                context.log.warning(f"{identity.name}: not handed over to {target}: {error}")
                return
        patience.pause(_RETRY_S)


def handed_over(context: Context, source: str) -> Handover | None:
    """What that node has handed over to this one."""
    if not source or "on_node" not in context.meta:
        return None
    try:
        said = attributes.hear(_name(context), context.deadline.at_most(_CALL_S))
    except HaError as error:
        context.log.debug(f"what {source} has handed over is not known: {error}")
        return None
    found = from_text(said.get(source, ""))
    return found if found is not None and found.target == context.meta["on_node"] else None


def take_back(context: Context, source: str) -> None:
    """It is carried out, or of an earlier time."""
    try:
        attributes.take_back(_name(context), source, context.deadline.at_most(_CALL_S))
    except HaError as error:
        context.log.debug(f"what {source} has handed over stays written down: {error}")


def publish(context: Context, text: str) -> None:
    """Why it did not migrate, in the cluster's status: Pacemaker (2.1.4 and later) keeps no exit
    reason of a migration."""
    if "on_node" not in context.meta:
        return
    name = f"migration-{context.instance}"
    reason = " ".join(text.replace('"', "'").split())[:_LONGEST_REASON]
    said = f"{time.strftime('%Y-%m-%d %H:%M:%S')} {reason}"
    try:
        attributes.publish(name, said, _STATUS_DELAY_S, context.deadline.at_most(_CALL_S))
    except HaError as error:
        context.log.debug(f"attribute {name} is not written: {error}")


def to_text(handover: Handover) -> str:
    """A name may have any character; 2.1.5 prints values unescaped, later releases don't."""
    return f"{handover.target} {handover.uuid or '-'} {handover.name.encode().hex()}"


def from_text(text: str) -> Handover | None:
    """None for what is none."""
    words = text.split(" ")
    try:
        target, uuid, name = words
        return Handover(target, "" if uuid == "-" else uuid, bytes.fromhex(name).decode())
    except ValueError:
        return None


def _name(context: Context) -> str:
    return f"vm-cold-move-{context.instance}"
