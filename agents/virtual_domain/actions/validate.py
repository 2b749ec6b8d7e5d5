# SPDX-License-Identifier: GPL-2.0-or-later
"""validate-all, and what a reload takes over: each parameter, and the first trouble by name."""

from __future__ import annotations

import os

from agents.virtual_domain.guest.subject import from_definition
from agents.virtual_domain.migration.plan import plan
from agents.virtual_domain.options import config_file
from agents.virtual_domain.starting import overlay
from agents.virtual_domain.stopping import budget
from pmkvm.ocf.codes import OcfCode
from pmkvm.ocf.errors import OcfError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agents.virtual_domain.guest.subject import Subject
    from pmkvm.ocf.context import Context

_HOST_LEVEL = 10


def validate_all(context: Context) -> OcfCode:
    """Level 0: the parameters and the definition's file; no guest, no hypervisor is needed.

    Level 10: what the guest needs of this host, and what the other hosts say of it.
    """
    subject = check_parameters(context)
    if context.check_level >= _HOST_LEVEL:
        from agents.virtual_domain.actions.validate_host import require

        require(context, subject)
    return OcfCode.SUCCESS


def check_parameters(context: Context) -> Subject:
    """Raises OcfError."""
    subject = from_definition(context)
    budget.methods(context.text("shutdown_mode"), is_qemu=subject.identity.is_qemu)
    plan(context, subject.uri or "driver:///", "node")
    overlay.check(context)
    if context.text("snapshot"):
        _check_snapshot(context)
    config_file.require_csync2(context)
    return subject


def _check_snapshot(context: Context) -> None:
    directory = context.text("snapshot")
    if context.flag("force_stop"):
        raise OcfError(OcfCode.CONFIGURED, "force_stop destroys what snapshot would save")
    if not os.path.isabs(directory):
        raise OcfError(OcfCode.CONFIGURED, f"parameter snapshot={directory!r} must be absolute")
    if not os.path.isdir(directory):
        raise OcfError(OcfCode.INSTALLED, f"{directory} is no directory")
