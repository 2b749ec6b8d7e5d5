# SPDX-License-Identifier: GPL-2.0-or-later
"""vm-stonith-key's command line."""

from __future__ import annotations

import argparse
from typing import NamedTuple

from pmkvm import settings
from pmkvm.version import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

OPERATIONS = ("reset", "off", "on")
EPILOG = f"""\
The key file, {settings.STONITH_KEY}, has to be the same on all hosts:

  vm-stonith-key create                      on one host; copy the file to the others
  vm-stonith-key list                        which host has which key
  vm-stonith-key token --cluster guest1,guest2,guest3
  vm-stonith-key rotate                      each time one step of an exchange of keys

A guest is a domain, a resource, or NODE=RESOURCE if its node has another name in the guests'
cluster. Exit code: 0 done; 1 refused or failed.
"""


class Request(NamedTuple):
    """What is asked for; force: though a host's keys are not known."""

    verb: str
    file: str
    force: bool = False
    cluster: tuple[str, ...] = ()
    operations: tuple[str, ...] = OPERATIONS


def parse(argv: Sequence[str]) -> Request:
    """Ends the program with 2 for what is no command line, 0 after --help."""
    parser = argparse.ArgumentParser(
        prog="vm-stonith-key",
        description="Keys and tokens of fencing from inside a guest; for hosts, for root.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("-V", "--version", action="version", version=f"vm-stonith-key {VERSION}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for verb, text in (
        ("create", "make a key file with one key, where there is none"),
        ("list", "show the keys, and which host has which"),
        ("rotate", "take the next step of an exchange of keys, unless it is too early"),
        ("token", "print the tokens of a cluster of guests, ready to paste"),
    ):
        made = verbs.add_parser(verb, help=text, description=text)
        made.add_argument(
            "--file", default=settings.STONITH_KEY, metavar="FILE", help="the key file"
        )
        if verb in ("rotate", "token"):
            made.add_argument(
                "--force", action="store_true", help="go on though a host's keys are not known"
            )
        if verb == "token":
            made.add_argument(
                "--cluster",
                required=True,
                nargs="+",
                metavar="GUEST,GUEST...",
                help="all of its members; blanks may stand around the commas",
            )
            made.add_argument(
                "--operations",
                default=",".join(OPERATIONS),
                metavar="LIST",
                help="what they may do to each other besides asking (default: %(default)s)",
            )
    found = vars(parser.parse_args(argv))
    operations = _split(found.get("operations", ""))
    unknown = [each for each in operations if each not in OPERATIONS]
    if found["verb"] == "token" and (unknown or not operations):
        parser.error(f"--operations: some of {', '.join(OPERATIONS)}, not {found['operations']!r}")
    cluster = _split(",".join(found.get("cluster", ())))
    if len(set(cluster)) != len(cluster):
        parser.error("--cluster: a guest is there twice")
    return Request(found["verb"], found["file"], bool(found.get("force")), cluster, operations)


def _split(text: str) -> tuple[str, ...]:
    return tuple(each.strip() for each in text.split(",") if each.strip())
