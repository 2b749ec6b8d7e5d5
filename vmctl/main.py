# SPDX-License-Identifier: GPL-2.0-or-later
"""vm-ctl: from words to an exit code. Says everything that went wrong, in one line each."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from pmkvm import within
from pmkvm.errors import HaError
from pmkvm.pacemaker.errors import ClusterDownError
from pmkvm.version import VERSION
from vmctl import command_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmctl.command_line import Request
    from vmctl.hosts import Ask


def main(argv: Sequence[str] | None = None, ask: Ask | None = None) -> int:
    """0: done, or there was nothing to do; 1: anything else."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words in (["--help"], ["-h"]):
        sys.stdout.write(command_line.usage())
        return 0
    if words == ["--version"]:
        sys.stdout.write(f"vm-ctl {VERSION}\n")
        return 0
    try:
        request = command_line.parse(words)
    except command_line.UsageError as error:
        sys.stderr.write(f"vm-ctl: {error}\n{command_line.usage(words)}")
        return 1
    except SystemExit:
        return 0
    rc = _carry_out(request, ask)
    if argv is None and within.abandoned():
        sys.stdout.flush()
        os._exit(rc)
    return rc


def _carry_out(request: Request, ask: Ask | None) -> int:
    # After the grammar: lxml is worth 20 ms.
    from vmctl import commands, configuration, hosts, movement
    from vmctl.messages import Message, RefusedError, message, say

    problems: Sequence[Message]
    try:
        settings = configuration.load(request.config)
        session = commands.Session(request, settings, ask or hosts.ask_libvirt)
        commands.VERBS[request.noun, request.verb](session)
        return 0
    except RefusedError as error:
        problems = error.problems
    except ClusterDownError as error:
        problems = [message(1, reason=error)]
    except (HaError, OSError) as error:
        problems = [message(5, reason=error)]
    except (KeyboardInterrupt, movement.Interrupted):
        problems = [message(42)]
    say(problems)
    return 1


if __name__ == "__main__":
    sys.exit(main())
