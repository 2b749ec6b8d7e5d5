# SPDX-License-Identifier: GPL-2.0-or-later
"""vm-stonithd's command line, as it was in 2011, and --status."""

from __future__ import annotations

import argparse
import os
from typing import NamedTuple

from pmkvm import settings
from pmkvm.service.command_line import Parser

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


def parse(argv: Sequence[str] | None) -> Options:
    """Ends the program with 1 for what is no command line, as in 2011, and 0 after --help."""
    parser = Parser(
        "vm-stonithd",
        "Fences guests of this cluster at the request of other guests.",
        EPILOG,
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
    parser.add_status_and_debug()
    parser.add_version_and_help()
    own = os.path.join(settings.RUN_DIR, "vm-stonithd.sock")
    parser.add_argument("--socket", default=own, help=argparse.SUPPRESS)
    connectd = settings.connectd_socket()
    parser.add_argument("--connectd-socket", default=connectd, help=argparse.SUPPRESS)
    keys = settings.STONITH_KEY
    parser.add_argument(
        "--keys", dest="key_file", default=keys, metavar="FILE", help=f"instead of {keys}"
    )
    return Options(**vars(parser.parse_args(argv)))
