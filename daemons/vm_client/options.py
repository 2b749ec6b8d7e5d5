# SPDX-License-Identifier: GPL-2.0-or-later
"""vm-client's command line. The agent ocf:extra:vm-client writes it."""

from __future__ import annotations

import argparse
import re
from typing import NamedTuple

from pmkvm import settings
from pmkvm.service.command_line import Parser
from pmkvm.wire import host_attributes
from pmkvm.wire.errors import MessageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

INSTANCE = "prmVmClient"
INTERVAL_S, HOST_TIMEOUT_S, DAMPEN = 5.0, 15.0, "5s"
LONGEST_S = 3600.0


class Options(NamedTuple):
    """instance: the resource that it runs for."""

    is_status: bool
    names: tuple[str, ...]
    interval_s: float
    host_timeout_s: float
    dampen: str
    is_debug: bool
    socket: str
    connectd_socket: str


def parse(argv: Sequence[str] | None) -> Options:
    """Ends the program with 1 for what is no command line, and 0 after --help."""
    parser = Parser("vm-client", "Keeps node attributes of this guest's host as its own.")
    parser.add_argument(
        "-a",
        "--attributes",
        metavar="LIST",
        type=_names,
        help="their names, with blanks between them",
    )
    parser.add_argument(
        "--interval",
        metavar="SECONDS",
        type=_seconds,
        default=INTERVAL_S,
        help=f"from one question to the next (default: {INTERVAL_S:.0f})",
    )
    parser.add_argument(
        "--host-timeout",
        metavar="SECONDS",
        type=_seconds,
        default=HOST_TIMEOUT_S,
        help="without an answer for so long the attributes are deleted"
        f" (default: {HOST_TIMEOUT_S:.0f})",
    )
    parser.add_argument(
        "--dampen",
        metavar="TIME",
        type=_dampen,
        default=DAMPEN,
        help=f"how long Pacemaker waits for further changes before one counts (default: {DAMPEN})",
    )
    parser.add_argument(
        "--instance",
        metavar="NAME",
        type=_instance,
        default=INSTANCE,
        help=f"the resource that it runs for (default: {INSTANCE})",
    )
    parser.add_status_and_debug()
    parser.add_version_and_help()
    parser.add_argument("--socket", help=argparse.SUPPRESS)
    connectd = settings.connectd_socket()
    parser.add_argument("--connectd-socket", default=connectd, help=argparse.SUPPRESS)
    found = parser.parse_args(argv)
    if not found.is_status and found.attributes is None:
        parser.error("-a is needed")
    return Options(
        is_status=found.is_status,
        names=found.attributes or (),
        interval_s=found.interval,
        host_timeout_s=found.host_timeout,
        dampen=found.dampen,
        is_debug=found.is_debug,
        socket=found.socket or settings.vm_client_socket(found.instance),
        connectd_socket=found.connectd_socket,
    )


def _names(text: str) -> tuple[str, ...]:
    try:
        return host_attributes.names_for_this_node(text)
    except MessageError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _seconds(text: str) -> float:
    value = float(text)
    if not 1 <= value <= LONGEST_S:
        raise argparse.ArgumentTypeError(f"from 1 to {LONGEST_S:.0f} seconds")
    return value


def _dampen(text: str) -> str:
    if not re.fullmatch(r"[0-9]{1,4}s?", text, re.ASCII):
        raise argparse.ArgumentTypeError("seconds, such as 5s")
    return text


def _instance(text: str) -> str:
    if not re.fullmatch(r"[^/\0]{1,64}", text):
        raise argparse.ArgumentTypeError("1 to 64 characters without a slash")
    return text
