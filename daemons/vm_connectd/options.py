# SPDX-License-Identifier: GPL-2.0-or-later
"""vm-connectd's command line, as it was in 2011, and --status."""

from __future__ import annotations

import argparse
import os
from typing import NamedTuple

from pmkvm import settings
from pmkvm.service.command_line import Parser

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

# Where the slides of 2011 put the sockets, and libvirt up to 9.6 those that have no path; and where
# libvirt puts the latter since 9.7, in channel/. Not that directory itself: the one above it is
# QEMU's user's, who may make a link of it. The parents of these two are root's.
STANDARD_DIRECTORIES = ("/var/lib/libvirt/qemu", "/run/libvirt/qemu")

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
        help="where guests' sockets may be, repeatable;"
        f" always allowed: {' and '.join(STANDARD_DIRECTORIES)}",
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
        directories=_directories(found.sock_dir or ()),
        is_debug=found.is_debug,
        is_old_style=bool(found.daemonize or found.pidfile),
        socket=found.socket,
        port=found.port,
    )


def _directories(given: Sequence[str]) -> tuple[str, ...]:
    """The standard ones first: `-d /var/lib/libvirt/qemu/` of 2011 takes none away."""
    named = (os.path.normpath(each) for each in given)
    return tuple(dict.fromkeys((*STANDARD_DIRECTORIES, *named)))
