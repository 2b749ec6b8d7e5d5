# SPDX-License-Identifier: GPL-2.0-or-later
"""validate-all says of each command that it can't be run, before anybody has to run it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pmkvm.ocf.codes import OcfCode

if TYPE_CHECKING:
    from tests.unit.vm_anything.world import World


def validate(world: World, **parameters: str) -> tuple[int, str]:
    called = world.act("validate-all", {**world.program("exec sleep 60"), **parameters})
    return called.rc, called.err


def test_what_can_be_run(world: World) -> None:
    hook = "test -e /etc && ! false | cat"
    assert validate(world, cmdline_options="-a 'b c'", monitor_hook=hook) == (0, "")


@pytest.mark.parametrize(
    ("parameters", "code", "complaint"),
    [
        ({"binfile": "/nowhere/program"}, OcfCode.INSTALLED, "/nowhere/program does not exist"),
        ({"binfile": "/etc/passwd"}, OcfCode.INSTALLED, "/etc/passwd is not executable"),
        ({"binfile": "sleep"}, OcfCode.CONFIGURED, "must be an absolute path"),
        ({"cmdline_options": "-a 'b"}, OcfCode.CONFIGURED, "cmdline_options: No closing quotation"),
        ({"monitor_hook": "test 'a"}, OcfCode.CONFIGURED, "monitor_hook: the shell can't read it"),
        ({"monitor_hook": "nosuch-hook -x"}, OcfCode.INSTALLED, "nosuch-hook is not there"),
        ({"monitor_hook": "/etc/passwd -x"}, OcfCode.INSTALLED, "/etc/passwd is not there, or is"),
    ],
)
def test_what_can_not_be_run(
    world: World, parameters: dict[str, str], code: OcfCode, complaint: str
) -> None:
    rc, said = validate(world, **parameters)
    assert rc == code
    assert complaint in said
