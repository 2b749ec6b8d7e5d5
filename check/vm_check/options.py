# SPDX-License-Identifier: GPL-2.0-or-later
"""vm-check's command line."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, NamedTuple

from pmkvm.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Sequence

TEXT, JSON, DOT, PROMETHEUS = "text", "json", "dot", "prometheus"
FORMATS = (TEXT, JSON, DOT, PROMETHEUS)


class Options(NamedTuple):
    """host: to be emptied; guest: the only one that is looked at; output: a file for it. Empty for
    none."""

    host: str = ""
    guest: str = ""
    format: str = TEXT
    output: str = ""


def parse(argv: Sequence[str] | None) -> Options:
    parsed = parser().parse_args(argv)
    return Options(parsed.host or "", parsed.guest or "", parsed.format, parsed.output or "")


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="vm-check",
        description="Say what will fail before it does: which guests can't leave, or come back.",
        epilog="Exit status: 0 all is well, 1 there are warnings, 2 something will fail.",
    )
    one = made.add_mutually_exclusive_group()
    one.add_argument("--host", metavar="NODE", help="what becomes of its guests if it is emptied")
    one.add_argument("--guest", metavar="DOMAIN", help="that guest alone, with its times")
    made.add_argument("--format", choices=FORMATS, default=TEXT, help=f"default: {TEXT}")
    made.add_argument(
        "--output", metavar="FILE", help="write to that file, as a whole or not at all"
    )
    made.add_argument("--version", action="version", version=f"vm-check {VERSION}")
    return made
