# SPDX-License-Identifier: GPL-2.0-or-later
"""vm-stonithd's command line, as it was in 2011, and --status."""

from __future__ import annotations

import argparse
import os
import sys
from typing import NamedTuple

from pmkvm import settings
from pmkvm.version import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

EPILOG = """\
CMD is split into words as a shell would split it, and run without a shell. If it has the form
'openssl des-ede3 -d -base64 -k PASSPHRASE', as on the slides, vm-stonithd runs nothing and
decrypts itself.
"""


class Options(NamedTuple):
    """command None: tokens of 2011 are refused."""

    is_status: bool
    command: str | None
    is_on_stdin: bool
    success: int
    is_debug: bool
    socket: str
    connectd_socket: str
    key_file: str


def parse(argv: Sequence[str]) -> Options:
    """Ends the program with 1 for what is no command line, as in 2011, and 0 after --help."""
    parser = _Parser(
        prog="vm-stonithd",
        add_help=False,
        epilog=EPILOG,
        description="Fences guests of this cluster at the request of other guests.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "-c", metavar="CMD", dest="command", help="take tokens of 2011; CMD decrypts them"
    )
    parser.add_argument(
        "-i",
        dest="is_on_stdin",
        action="store_true",
        help="give CMD the token on its standard input",
    )
    parser.add_argument(
        "-e", metavar="N", dest="success", type=int, default=0, help="CMD's exit code for success"
    )
    parser.add_argument(
        "--status", action="store_true", help="print the status of the running daemon, as JSON"
    )
    parser.add_argument("--debug", action="store_true", help="log more")
    parser.add_argument("-V", "--version", action="version", version=f"vm-stonithd {VERSION}")
    parser.add_argument("-?", "-h", "--help", action="help", help="this text")
    own = os.path.join(settings.RUN_DIR, "vm-stonithd.sock")
    parser.add_argument("--socket", default=own, help=argparse.SUPPRESS)
    connectd = settings.connectd_socket()
    parser.add_argument("--connectd-socket", default=connectd, help=argparse.SUPPRESS)
    keys = settings.STONITH_KEY
    parser.add_argument("--keys", default=keys, metavar="FILE", help=f"instead of {keys}")
    found = parser.parse_args(argv)
    return Options(
        is_status=found.status,
        command=found.command,
        is_on_stdin=found.is_on_stdin,
        success=found.success,
        is_debug=found.debug,
        socket=found.socket,
        connectd_socket=found.connectd_socket,
        key_file=found.keys,
    )


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]
        self.print_usage(sys.stderr)
        self.exit(1, f"vm-stonithd: {message}\n")
