# SPDX-License-Identifier: GPL-2.0-or-later
"""vm-connectd's command line, as it was in 2011, and --status."""

from __future__ import annotations

import argparse
import sys
from typing import NamedTuple

from pmkvm import settings
from pmkvm.version import VERSION

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


def parse(argv: Sequence[str]) -> Options:
    """Ends the program with 1 for what is no command line, as in 2011, and 0 after --help."""
    parser = _Parser(
        prog="vm-connectd",
        add_help=False,
        epilog=EPILOG,
        description="Carries requests between the programs of guests and servers on their host.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("-t", "--type", choices=("host", "guest"), help="on which side it runs")
    parser.add_argument(
        "-d",
        "--sock-dir",
        metavar="DIR",
        action="append",
        help=f"where guests' sockets may be, repeatable (default: {DEFAULT_DIRECTORY})",
    )
    parser.add_argument(
        "--status", action="store_true", help="print the status of the running daemon, as JSON"
    )
    parser.add_argument("--debug", action="store_true", help="log more")
    parser.add_argument("-D", "--daemonize", action="store_true", help="accepted, see below")
    parser.add_argument("-p", "--pidfile", metavar="FILE", help="accepted, see below")
    parser.add_argument("-V", "--version", action="version", version=f"vm-connectd {VERSION}")
    parser.add_argument("-?", "-h", "--help", action="help", help="this text")
    parser.add_argument("--socket", default=settings.connectd_socket(), help=argparse.SUPPRESS)
    parser.add_argument("--port", default=settings.GUEST_PORT, help=argparse.SUPPRESS)
    found, stray = parser.parse_known_args(argv)
    if any(each.startswith("-") for each in stray):
        parser.error(f"unknown: {' '.join(stray)}")
    if not found.status and found.type is None:
        parser.error("-t host or -t guest is needed")
    return Options(
        kind="status" if found.status else found.type,
        directories=tuple(found.sock_dir or (DEFAULT_DIRECTORY,)),
        is_debug=found.debug,
        is_old_style=bool(found.daemonize or found.pidfile),
        socket=found.socket,
        port=found.port,
    )


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]
        self.print_usage(sys.stderr)
        self.exit(1, f"vm-connectd: {message}\n")
