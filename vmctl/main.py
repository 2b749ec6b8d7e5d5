# SPDX-License-Identifier: GPL-2.0-or-later
"""vm-ctl: from arguments to an exit code. Says everything that went wrong, in one line each."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from pmkvm import output, thread_call
from pmkvm.errors import HaError
from pmkvm.pacemaker import tools
from pmkvm.pacemaker.errors import ClusterDownError, NotAllowedError
from pmkvm.version import VERSION
from vmctl import command_line
from vmctl.messages import RefusedError, mark, message, refuse, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmctl.command_line import Request


def main(argv: Sequence[str] | None = None) -> int:
    """0: done, or there was nothing to do; 1: anything else."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        told = (
            f"vm-ctl {VERSION}\n" if arguments == ["--version"] else command_line.help_of(arguments)
        )
        if told:
            output.write(told)
            return 0
        request = command_line.parse(arguments)
    except command_line.UsageError as error:
        is_near = isinstance(error, command_line.MisspeltError)
        usage = "" if is_near else command_line.usage(arguments)
        sys.stderr.write(f"vm-ctl: {mark('error')}{error}\n{usage}")
        return 1
    except output.OutputError as error:
        say([message(90, reason=error)], "error")
        return 1
    rc = _carry_out(request)
    return thread_call.leave(rc) if argv is None else rc


def _carry_out(request: Request) -> int:
    # After the grammar, which loads in a fifth of the time.
    from vmctl import commands, configuration

    try:
        path = os.environ.get(tools.CIB_FILE)
        refuse([message(89, path=path)] if path and not os.path.isfile(path) else [])
        session = commands.Session(request, configuration.load(request.config))
        commands.VERBS[request.noun, request.verb](session)
        return 0
    except RefusedError as error:
        said = error.problems
    except ClusterDownError:
        said = [message(1)]
    except NotAllowedError as error:
        said = [message(88, reason=error)]
    except output.OutputError as error:
        said = [message(90, reason=error)]
    except (HaError, OSError) as error:
        said = [message(5, reason=_said(error))]
    except KeyboardInterrupt:
        said = [message(42)]
    say(said, "error")
    return 1


def _said(error: Exception) -> str:
    """Without the place in our code where a call hangs."""
    return error.said if isinstance(error, thread_call.StuckError) else str(error)


if __name__ == "__main__":
    sys.exit(main())
