# SPDX-License-Identifier: GPL-2.0-or-later
"""What a monitor does for a guest that lives: wakes it, and looks deeper (OCF_CHECK_LEVEL)."""

from __future__ import annotations

from agents.virtual_domain.guest import domain_state
from agents.virtual_domain.options import config_file, utilization
from agents.virtual_domain.starting import live_disks
from pmkvm.errors import DeadlineError
from pmkvm.ocf.codes import OcfCode
from pmkvm.ocf.errors import OcfError
from pmkvm.virt import guest_agent
from pmkvm.virt.connection import LibvirtError
from pmkvm.virt.definition import parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agents.virtual_domain.guest.subject import Subject
    from pmkvm.ocf.context import Context
    from pmkvm.virt.connection import Domain

_GUEST_LEVEL = 20
# What a guest agent that lives needs for an answer, on a host that is busy.
_PING_S = 5
_RESERVE_S = 1.0


def resume(context: Context, subject: Subject) -> None:
    """QEMU tries the I/O again, and pauses again if that fails. Raises OcfError."""
    name = subject.identity.name
    deadline = context.deadline.less(_RESERVE_S)
    try:
        domain_state.command(subject, deadline, "resuming", lambda domain: domain.resume())
    except (LibvirtError, DeadlineError) as error:
        text = f"{name}: paused by an I/O error and can't be resumed: {error}"
        raise OcfError(OcfCode.GENERIC, text) from error
    context.log.warning(f"{name}: was paused by an I/O error and is resumed")


def check(context: Context, subject: Subject) -> None:
    """Level 10: libvirt answers; utilization and saved definition are brought up to date; the
    definitions name the live disks. Level 20: the guest answers, too.

    Raises OcfError: GENERIC for a guest agent that has the channel open and does not answer,
    DEGRADED for what tells nothing about the guest itself.
    """
    name = subject.identity.name
    deadline = context.deadline.less(_RESERVE_S)
    try:
        status = domain_state.status(subject, deadline)
    except domain_state.SilentError as error:
        text = f"{name}: runs, but libvirt does not answer: {error}"
        raise OcfError(OcfCode.DEGRADED, text) from error
    if status is None:
        raise OcfError(OcfCode.GENERIC, f"{name}: libvirt has no such domain")
    if utilization.is_wanted(context):
        utilization.update(context, subject)
    config_file.save_for_all(context, subject)
    trouble = live_disks.trouble(context, subject, deadline)
    if context.check_level >= _GUEST_LEVEL:
        try:
            domain_state.command(subject, deadline, "asking the guest agent of", _ping)
        except (LibvirtError, DeadlineError) as error:
            raise OcfError(
                OcfCode.GENERIC, f"{name}: the guest agent is silent: {error}"
            ) from error
    if trouble:
        raise OcfError(
            OcfCode.DEGRADED, f"{name}: the next start would not have the same disks: {trouble}"
        )


def _ping(domain: Domain) -> None:
    root = parse(domain.description().encode(), domain.name())
    if not guest_agent.is_configured(root):
        raise OcfError(
            OcfCode.CONFIGURED,
            f"{domain.name()}: OCF_CHECK_LEVEL 20 needs a guest agent, and the definition has no"
            " channel org.qemu.guest_agent.0",
        )
    if not guest_agent.is_connected(root):
        # So while the guest boots, too.
        text = f"{domain.name()}: no guest agent is at its channel: does qemu-guest-agent run?"
        raise OcfError(OcfCode.DEGRADED, text)
    guest_agent.ping(domain, _PING_S)
