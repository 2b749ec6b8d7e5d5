# SPDX-License-Identifier: GPL-2.0-or-later
"""Start: run vm-client, which is ready once it has asked the host for the first time."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from agents.vm_anything import program
from agents.vm_anything import start as starting
from agents.vm_client import daemon
from pmkvm.ocf.codes import OcfCode
from pmkvm.ocf.errors import OcfError
from pmkvm.wire import host_attributes
from pmkvm.wire.errors import MessageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pmkvm.ocf.context import Context

# As vm-client's own options have them.
_LONGEST_S = 3600
_DAMPEN = re.compile(r"[0-9]{1,4}s?", re.ASCII)
# A unix socket's path has little room.
_LONGEST_INSTANCE = 64


def start(context: Context) -> OcfCode:
    """Idempotent. A host that is mute is no reason to fail."""
    return starting.begin(_valid_program(context), speaks=True)


def validate_all(context: Context) -> OcfCode:
    program.from_context(_valid_program(context))
    return OcfCode.SUCCESS


def _valid_program(context: Context) -> Context:
    """Raises OcfError that lists every problem."""
    problems = list(_problems(context))
    if problems:
        raise OcfError(OcfCode.CONFIGURED, "; ".join(problems))
    return daemon.as_program(context, shlex.join(daemon.arguments(context)))


def _problems(context: Context) -> Iterator[str]:
    try:
        host_attributes.names_for_this_node(context.text("attribute_list"))
    except MessageError as error:
        yield f"parameter attribute_list: {error}"
    for name in ("interval", "host_timeout"):
        if not 1 <= context.number(name) <= _LONGEST_S:
            yield f"parameter {name} must be 1 to {_LONGEST_S}"
    if context.number("host_timeout") < context.number("interval"):
        yield "parameter host_timeout must not be less than interval"
    if not _DAMPEN.fullmatch(context.text("dampen")):
        yield "parameter dampen must be seconds, such as 5s"
    if len(daemon.instance(context)) > _LONGEST_INSTANCE:
        yield f"the resource's id must have at most {_LONGEST_INSTANCE} characters"
