# SPDX-License-Identifier: GPL-2.0-or-later
"""diskd's command line: options, defaults and ranges as they were in 2011, and --status."""

from __future__ import annotations

import argparse
import os
import re
from typing import NamedTuple
from urllib.parse import quote

from daemons.diskd.checker import Target
from daemons.diskd.verdict import Pace
from pmkvm import settings
from pmkvm.service.command_line import Parser

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Callable

EPILOG = """\
Old configurations have -D, -e and -p. They have no effect: the daemon stays in the foreground,
where its supervisor (ocf:extra:diskd) wants it, finds every disk that hangs, and needs no file with
its pid.
"""

# A name of a file and of a socket is made of it; the path of a socket has 107 characters at most.
_ATTRIBUTE = re.compile(r"[A-Za-z0-9_.-]{1,60}")
# Nobody can foresee the names of the files that are made there.
_DIRECTORY = "/tmp"  # noqa: S108
# As Pacemaker writes durations.
_DURATION = re.compile(r"\d{1,9}(us|ms|s|sec|m|min|h|hr)?", re.ASCII)


class Options(NamedTuple):
    """kind: serve, once, status, or validate."""

    kind: str
    targets: tuple[Target, ...]
    attribute: str
    dampen: str
    pace: Pace
    is_debug: bool
    is_old_style: bool
    socket: str


def parse(argv: Sequence[str] | None) -> Options:
    """Ends the program with 1 for what is no command line, as in 2011, and 0 after --help."""
    parser = Parser("diskd", "Checks disks, and sets a node attribute to normal or ERROR.", EPILOG)
    _add_what(parser)
    _add_pace(parser)
    parser.add_argument("-a", metavar="NAME", dest="attribute", default="diskd", help="attribute")
    parser.add_argument(
        "-m",
        metavar="TIME",
        dest="dampen",
        default="0",
        help="how long Pacemaker's attribute manager waits for further changes, default 0",
    )
    parser.add_argument("-o", dest="is_once", action="store_true", help="check once: 0 good, 1 bad")
    parser.add_argument("-D", dest="is_daemon", action="store_true", help="accepted, see below")
    parser.add_argument("-e", dest="is_early", action="store_true", help="accepted, see below")
    parser.add_argument("-p", metavar="FILE", dest="pidfile", help="accepted, see below")
    parser.add_status_and_debug()
    parser.add_version_and_help()
    parser.add_argument(
        "--validate", dest="is_validate", action="store_true", help=argparse.SUPPRESS
    )
    parser.add_argument("--socket", help=argparse.SUPPRESS)
    found = parser.parse_args(argv)
    _check(parser, found)
    kinds = {"status": found.is_status, "validate": found.is_validate, "once": found.is_once}
    return Options(
        kind=next((kind for kind, is_it in kinds.items() if is_it), "serve"),
        targets=_targets(found),
        attribute=found.attribute,
        dampen=found.dampen,
        pace=Pace(found.interval, found.timeout, found.retries, found.retry_interval),
        is_debug=found.is_debug,
        is_old_style=bool(found.is_daemon or found.pidfile or found.is_early),
        socket=found.socket or settings.diskd_socket(found.attribute),
    )


def _add_what(parser: Parser) -> None:
    parser.add_argument(
        "-N", metavar="DEVICE", dest="devices", action="append", help="read this disk; repeatable"
    )
    parser.add_argument("-w", dest="is_written", action="store_true", help="write a file instead")
    parser.add_argument(
        "-d",
        metavar="DIR",
        dest="directory",
        default=_DIRECTORY,
        help=f"with -w: where, default {_DIRECTORY}",
    )


def _add_pace(parser: Parser) -> None:
    for letter, name, default, least, most, meaning in (
        ("i", "interval", 30, 1, 3600, "seconds between the beginnings of two checks"),
        ("t", "timeout", 60, 1, 600, "seconds after which a disk hangs"),
        ("r", "retries", 1, 0, 10, "how often a check that failed is repeated"),
        ("I", "retry_interval", 5, 1, 3600, "seconds before that"),
    ):
        parser.add_argument(
            f"-{letter}",
            metavar="N",
            dest=name,
            type=_number(least, most),
            default=default,
            help=f"{meaning}, default {default}, {least} to {most}",
        )


def _number(least: int, most: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if text.isascii() and text.isdigit() and least <= int(text) <= most:
            return int(text)
        raise argparse.ArgumentTypeError(f"{text!r} is no number from {least} to {most}")

    return number


def _check(parser: Parser, found: argparse.Namespace) -> None:
    if not _ATTRIBUTE.fullmatch(found.attribute):
        parser.error(f"-a {found.attribute!r}: 60 letters, digits and _.- at most")
    if not _DURATION.fullmatch(found.dampen):
        parser.error(f"-m {found.dampen!r} is no time, such as 5 or 5s")
    if not found.is_status and bool(found.devices) == found.is_written:
        parser.error("either -N or -w is needed")
    for path in [*(found.devices or ()), *([found.directory] if found.is_written else ())]:
        if not os.path.isabs(path):
            parser.error(f"{path!r} is no absolute path")


def _targets(found: argparse.Namespace) -> tuple[Target, ...]:
    attribute = found.attribute
    if found.is_written:
        path = os.path.join(found.directory, f"diskcheck-{attribute}")
        return (Target(path, True, _lock(attribute, path)),)
    # One that is named twice is checked once.
    devices = dict.fromkeys(found.devices or ())
    return tuple(Target(path, False, _lock(attribute, path)) for path in devices)


def _lock(attribute: str, path: str) -> str:
    """The name of a file is no longer than 255 bytes: of a path that is, the end counts."""
    return os.path.join(settings.diskd_dir(), f"{attribute}-{quote(path, safe='')[-150:]}.lock")
