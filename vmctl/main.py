# SPDX-License-Identifier: GPL-2.0-or-later
"""vm-ctl: from arguments to an exit code. Says everything that went wrong, in one line each."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pmkvm import thread_call
from pmkvm.errors import HaError
from pmkvm.pacemaker.errors import ClusterDownError
from pmkvm.version import VERSION
from vmctl import command_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmctl.command_line import Request


def main(argv: Sequence[str] | None = None) -> int:
    """0: done, or there was nothing to do; 1: anything else."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments in (["--help"], ["-h"], ["--version"]):
        version = f"vm-ctl {VERSION}\n"
        sys.stdout.write(version if arguments == ["--version"] else command_line.usage())
        return 0
    try:
        request = command_line.parse(arguments)
    except command_line.UsageError as error:
        sys.stderr.write(f"vm-ctl: {error}\n{command_line.usage(arguments)}")
        return 1
    except SystemExit:
        return 0
    rc = _carry_out(request)
    return thread_call.leave(rc) if argv is None else rc


def _carry_out(request: Request) -> int:
    # After the grammar: lxml is worth 20 ms.
    from vmctl import commands, configuration
    from vmctl.messages import RefusedError, message, say

    try:
        session = commands.Session(request, configuration.load(request.config))
        commands.VERBS[request.noun, request.verb](session)
        return 0
    except RefusedError as error:
        say(error.problems)
    except ClusterDownError as error:
        say([message(1, reason=error)])
    except (HaError, OSError) as error:
        say([message(5, reason=error)])
    except KeyboardInterrupt:
        say([message(42)])
    return 1


if __name__ == "__main__":
    sys.exit(main())
