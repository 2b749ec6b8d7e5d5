# SPDX-License-Identifier: GPL-2.0-or-later
"""What the command lines of our daemons and of vm-connect share, as they were in 2011."""

from __future__ import annotations

import argparse
import sys

from pmkvm import output
from pmkvm.deadline import Deadline
from pmkvm.errors import HaError
from pmkvm.service.readable import readable
from pmkvm.version import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

STATUS_S = 10.0


class Parser(argparse.ArgumentParser):
    """Ends the program with 1 for what is no command line, and 0 after --help."""

    def __init__(self, program: str, description: str, epilog: str | None = None) -> None:
        super().__init__(
            prog=program,
            add_help=False,
            epilog=epilog,
            description=description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    def add_status_and_debug(self) -> None:
        self.add_argument(
            "--status",
            dest="is_status",
            action="store_true",
            help="print the status of the running daemon: for a person at a terminal, else as JSON",
        )
        self.add_argument("--debug", dest="is_debug", action="store_true", help="log more")

    def add_version_and_help(self) -> None:
        self.add_argument("-V", "--version", action="version", version=f"{self.prog} {VERSION}")
        self.add_argument("-?", "-h", "--help", action="help", help="this text")

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(1, f"{self.prog}: {message}\n")


def print_status(program: str, ask: Callable[[Deadline], str]) -> int:
    """What the running daemon says of itself, at a terminal for a person; 1 if none does, or it
    can't be printed. ask may raise HaError."""
    try:
        told = ask(Deadline(STATUS_S))
        output.write(readable(told) if sys.stdout.isatty() else f"{told}\n")
    except HaError as error:
        sys.stderr.write(f"{program}: {error}\n")
        return 1
    return 0
