# SPDX-License-Identifier: GPL-2.0-or-later
"""vm-connect: one request from a guest to a server on its host, and its reply."""

from __future__ import annotations

import argparse
import sys

from pmkvm.deadline import Deadline
from pmkvm.errors import HaError
from pmkvm.service.command_line import Parser
from pmkvm.wire import client
from pmkvm.wire.codec import MAX_SECONDS
from pmkvm.wire.errors import UnavailableError
from pmkvm.wire.message import SERVICES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

DEFAULT_TIMEOUT_S = 20.0

DONE = 0
FAILED = 1
# Nobody has carried it out: the same request may be sent again, with the same id.
TRY_AGAIN = 2


def main(argv: Sequence[str] | None = None) -> int:
    """0: reply printed, whatever it says, or request sent; 2: try again; 1: anything else."""
    chosen = _parser().parse_args(argv)
    deadline = Deadline(chosen.timeout)
    try:
        if chosen.send is not None:
            client.tell(
                chosen.type, chosen.send, deadline, request_id=chosen.id, path=chosen.socket
            )
            return DONE
        reply = client.ask(
            chosen.type, chosen.request, deadline, request_id=chosen.id, path=chosen.socket
        )
    except UnavailableError as error:
        _complain(error, is_quiet=chosen.quiet)
        return TRY_AGAIN
    except (HaError, OSError) as error:
        _complain(error, is_quiet=chosen.quiet)
        return FAILED
    sys.stdout.write(f"{reply}\n")
    return DONE


def _complain(error: Exception, *, is_quiet: bool) -> None:
    if not is_quiet:
        sys.stderr.write(f"vm-connect: {error}\n")


def _parser() -> Parser:
    parser = Parser("vm-connect", "Send a request to this guest's host.")
    parser.add_argument("-t", "--type", required=True, choices=SERVICES, help="the service")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("-r", "--request", metavar="TEXT", help="send it, print the reply")
    what.add_argument("-R", "--send", metavar="TEXT", help="send it, do not wait for the reply")
    parser.add_argument("-i", "--id", help="the request's id; the same one to send it again")
    parser.add_argument("-q", "--quiet", action="store_true", help="no messages on stderr")
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=_seconds,
        default=DEFAULT_TIMEOUT_S,
        help=f"for the reply (default: {DEFAULT_TIMEOUT_S:.0f})",
    )
    parser.add_version_and_help()
    parser.add_argument("--socket", help=argparse.SUPPRESS)
    return parser


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value <= MAX_SECONDS:
        raise argparse.ArgumentTypeError(f"from 0 to {MAX_SECONDS:.0f} seconds")
    return value


if __name__ == "__main__":
    sys.exit(main())
