# SPDX-License-Identifier: GPL-2.0-or-later
"""ifcheckd's command line: what of 2011's makes sense today, how often it looks, and --status."""

from __future__ import annotations

import argparse
import os
import re
from typing import NamedTuple

from pmkvm import settings
from pmkvm.service.command_line import Parser

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

INTERVAL_S = 5.0
LONGEST_S = 3600.0
TOTAL = "ifcheckd"

EPILOG = """\
Old configurations have -D and -p. They have no effect: the daemon stays in the foreground, where
its supervisor (ocf:extra:vm-anything) wants it, and needs no file with its pid.
"""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9._-]{0,63}", re.ASCII)
# As Pacemaker reads a time: seconds where no unit is named.
_DAMPEN = re.compile(r"[0-9]{1,6}(ms|s|sec|m|min)?", re.ASCII)


class Options(NamedTuple):
    """total: the attribute that has the number of good links."""

    is_status: bool
    is_debug: bool
    is_old_style: bool
    total: str
    interval_s: float
    dampen: str
    socket: str


def parse(argv: Sequence[str] | None) -> Options:
    """Ends the program with 1 for what is no command line, as in 2011, and 0 after --help."""
    parser = Parser(
        "ifcheckd", "Tells by node attributes over which links corosync hears its peers.", EPILOG
    )
    parser.add_argument(
        "-i",
        "--interval",
        metavar="SECONDS",
        type=_interval,
        default=INTERVAL_S,
        help=f"how often it looks (default: {INTERVAL_S:g})",
    )
    parser.add_argument(
        "-d",
        "--dampen",
        metavar="TIME",
        type=_dampen,
        default="0",
        help="how long attrd waits for further changes (default: 0)",
    )
    parser.add_argument(
        "-a",
        "--attribute",
        metavar="NAME",
        type=_attribute,
        default=TOTAL,
        help=f"attribute with the number of good links (default: {TOTAL})",
    )
    parser.add_status_and_debug()
    parser.add_argument("-D", "--daemonize", action="store_true", help="accepted, see below")
    parser.add_argument("-p", "--pidfile", metavar="FILE", help="accepted, see below")
    parser.add_version_and_help()
    own = os.path.join(settings.RUN_DIR, "ifcheckd.sock")
    parser.add_argument("--socket", default=own, help=argparse.SUPPRESS)
    found = parser.parse_args(argv)
    return Options(
        is_status=found.is_status,
        is_debug=found.is_debug,
        is_old_style=bool(found.daemonize or found.pidfile),
        total=found.attribute,
        interval_s=found.interval,
        dampen=found.dampen,
        socket=found.socket,
    )


def _interval(text: str) -> float:
    seconds = float(text)
    if not 1.0 <= seconds <= LONGEST_S:
        raise argparse.ArgumentTypeError(f"not from 1 to {LONGEST_S:.0f} seconds")
    return seconds


def _dampen(text: str) -> str:
    if not _DAMPEN.fullmatch(text):
        raise argparse.ArgumentTypeError("no time, such as 10 or 10s")
    return text


def _attribute(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise argparse.ArgumentTypeError("no name of an attribute")
    return text
