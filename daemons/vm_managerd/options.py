# SPDX-License-Identifier: GPL-2.0-or-later
"""vm-managerd's command line, as it was in 2011, and --status."""

from __future__ import annotations

import argparse
import os
from typing import NamedTuple

from daemons.vm_managerd.own_attribute import Pair
from pmkvm import settings
from pmkvm.service.command_line import Parser
from pmkvm.wire import host_attributes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

EPILOG = """\
Old configurations have -D and -p. They have no effect: the daemon stays in the foreground, where
its supervisor (ocf:extra:vm-anything) wants it, and needs no file with its pid.
"""


class Options(NamedTuple):
    """pair: the attribute that is there while the daemon runs."""

    is_status: bool
    rules: str
    pair: Pair | None
    is_debug: bool
    is_old_style: bool
    socket: str
    connectd_socket: str


def parse(argv: Sequence[str] | None) -> Options:
    """Ends the program with 1 for what is no command line, as in 2011, and 0 after --help."""
    parser = Parser(
        "vm-managerd", "Tells guests of this host which node attributes it has.", EPILOG
    )
    rules = settings.VM_MANAGER_CONF
    parser.add_argument(
        "-c", "--config", metavar="FILE", default=rules, help=f"the rules, instead of {rules}"
    )
    parser.add_argument(
        "-n", "--name", help="this node attribute is there as long as the daemon runs; needs -v"
    )
    parser.add_argument("-v", "--value", help="the value of the attribute of -n")
    parser.add_status_and_debug()
    parser.add_argument("-D", "--daemonize", action="store_true", help="accepted, see below")
    parser.add_argument("-p", "--pidfile", metavar="FILE", help="accepted, see below")
    parser.add_version_and_help()
    own = os.path.join(settings.RUN_DIR, "vm-managerd.sock")
    parser.add_argument("--socket", default=own, help=argparse.SUPPRESS)
    connectd = settings.connectd_socket()
    parser.add_argument("--connectd-socket", default=connectd, help=argparse.SUPPRESS)
    found = parser.parse_args(argv)
    return Options(
        is_status=found.is_status,
        rules=found.config,
        pair=_pair(parser, found.name, found.value),
        is_debug=found.is_debug,
        is_old_style=bool(found.daemonize or found.pidfile),
        socket=found.socket,
        connectd_socket=found.connectd_socket,
    )


def _pair(parser: Parser, name: str | None, value: str | None) -> Pair | None:
    if name is None and value is None:
        return None
    if name is None or value is None:
        parser.error("-n and -v are given together or not at all")
    if not host_attributes.is_name(name):
        parser.error(f"-n {name!r}: no name of an attribute that guests could ask for")
    if not host_attributes.is_value(value):
        parser.error(f"-v {value!r}: no value that guests could get")
    return Pair(name, value)
