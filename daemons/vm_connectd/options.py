# SPDX-License-Identifier: GPL-2.0-or-later
"""vm-connectd's command line, as it was in 2011, and --status."""

from __future__ import annotations

import argparse
from typing import NamedTuple

from pmkvm import settings
from pmkvm.service.command_line import Parser

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

DEFAULT_DIRECTORY = "/var/lib/libvirt/qemu"

EPILOG = """\
Old configurations have -D and -p. They have no effect: the daemon stays in the foreground, where
its supervisor (ocf:extra:vm-anything, systemd) wants it, and needs no file with its pid.
"""


class Options(NamedTuple):
    """What is to be done; kind is host, guest or status."""

    kind: str
    directories: tuple[str, ...]
    is_debug: bool
    is_old_style: bool
    socket: str
    port: str


def parse(argv: Sequence[str] | None) -> Options:
    """Ends the program with 1 for what is no command line, as in 2011, and 0 after --help."""
    parser = Parser(
        "vm-connectd",
        "Carries requests between the programs of guests and servers on their host.",
        EPILOG,
    )
    parser.add_argument("-t", "--type", choices=("host", "guest"), help="on which side it runs")
    parser.add_argument(
        "-d",
        "--sock-dir",
        metavar="DIR",
        action="append",
        help=f"where guests' sockets may be, repeatable (default: {DEFAULT_DIRECTORY})",
    )
    parser.add_status_and_debug()
    parser.add_argument("-D", "--daemonize", action="store_true", help="accepted, see below")
    parser.add_argument("-p", "--pidfile", metavar="FILE", help="accepted, see below")
    parser.add_version_and_help()
    parser.add_argument("--socket", default=settings.connectd_socket(), help=argparse.SUPPRESS)
    parser.add_argument("--port", default=settings.GUEST_PORT, help=argparse.SUPPRESS)
    found, stray = parser.parse_known_args(argv)
    if any(each.startswith("-") for each in stray):
        parser.error(f"unknown: {' '.join(stray)}")
    if not found.is_status and found.type is None:
        parser.error("-t host or -t guest is needed")
    return Options(
        kind="status" if found.is_status else found.type,
        directories=tuple(found.sock_dir or (DEFAULT_DIRECTORY,)),
        is_debug=found.is_debug,
        is_old_style=bool(found.daemonize or found.pidfile),
        socket=found.socket,
        port=found.port,
    )
