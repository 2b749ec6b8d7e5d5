# SPDX-License-Identifier: GPL-2.0-or-later
"""vm-log: from arguments to lines on the terminal."""

from __future__ import annotations

import argparse
import io
import os
import re
import sys
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from check.vm_log import lines, source, told
from check.vm_log.patterns import event_of
from check.vm_log.story import Story
from pmkvm import settings
from pmkvm.errors import CommandError, reason_of
from pmkvm.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from check.vm_log.event import Event

STDIN = "-"
_AGO = re.compile(r"(\d{1,6})(s|m|h|d)", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_CLOCK = re.compile(r"\d\d:\d\d(:\d\d)?", re.ASCII)


def main(argv: Sequence[str] | None = None) -> int:
    """0: all was read, or a person has ended it; 1: it could not be read, or told."""
    parser = _parser()
    options = parser.parse_args(argv)
    if options.journal and options.file is not None:
        parser.error("--journal takes no file")
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A letter that this terminal does not have.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        _tell(options)
    except KeyboardInterrupt:
        return 0
    except BrokenPipeError:
        # Whoever read has had enough. Nor does the interpreter get to say so at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (OSError, CommandError) as error:
        name = f"{error.filename}: " if isinstance(error, OSError) and error.filename else ""
        sys.stderr.write(f"vm-log: {told.shown(f'{name}{reason_of(error)}')}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vm-log",
        description="Print one line for each event that matters out of Pacemaker's log.",
        epilog="Example: vm-log --since 2h --resource prmVMCTL_guest1",
    )
    parser.add_argument(
        "file",
        nargs="?",
        help=f"a log, - for what comes by stdin (default: {settings.PACEMAKER_LOG})",
    )
    parser.add_argument(
        "--journal", action="store_true", help="read the journal, with vm-stonithd's lines"
    )
    parser.add_argument(
        "--since",
        type=_since,
        metavar="TIME",
        help="'2026-12-02', '2026-12-02 08:30', 08:30 (today), or 30m, 2h, 3d (ago)",
    )
    parser.add_argument(
        "--follow", action="store_true", help="go on with what is written from now on"
    )
    parser.add_argument(
        "--resource", action="append", metavar="ID", help="only of this resource; may be repeated"
    )
    parser.add_argument(
        "--host", action="append", metavar="NODE", help="only of this host; may be repeated"
    )
    parser.add_argument("--json", action="store_true", help="an object of JSON for each event")
    parser.add_argument("--version", action="version", version=f"vm-log {VERSION}")
    return parser


def _since(text: str) -> float:
    now = datetime.now()
    ago = _AGO.fullmatch(text)
    try:
        if ago is not None:
            return (now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})).timestamp()
        day = f"{now:%Y-%m-%d} " if _CLOCK.fullmatch(text) else ""
        return datetime.fromisoformat(f"{day}{text}").timestamp()
    except (ValueError, OverflowError) as error:
        raise argparse.ArgumentTypeError(f"{text!a} is no time") from error


def _tell(options: argparse.Namespace) -> None:
    if options.journal:
        with source.journal(options.since, is_followed=options.follow) as pieces:
            _print(events(source.split(pieces)), options)
    elif options.file == STDIN:
        _print(events(source.split(source.pipe(sys.stdin.fileno()))), options)
    else:
        path = options.file or settings.PACEMAKER_LOG
        pieces = source.file(path, is_followed=options.follow)
        _print(events(source.split(pieces)), options)


def events(texts: Iterable[str]) -> Iterator[Event]:
    """What is to be told of a log's lines."""
    story = Story()
    for text in texts:
        is_json = text.startswith("{")
        line = lines.of_journal(text) if is_json else lines.of_log(text, datetime.now())
        event = None if line is None else event_of(line)
        tells = None if event is None else story.take(event)
        if tells is not None:
            yield tells


def _print(found: Iterable[Event], options: argparse.Namespace) -> None:
    form = told.as_json if options.json else told.line
    for event in found:
        if is_wanted(event, options.resource, options.host, options.since):
            when = datetime.fromtimestamp(event.at).isoformat(" ", "milliseconds")
            sys.stdout.write(f"{form(event, when)}\n")
            if options.follow:
                sys.stdout.flush()
    sys.stdout.flush()


def is_wanted(
    event: Event,
    resources: Sequence[str] | None,
    hosts: Sequence[str] | None,
    since: float | None,
) -> bool:
    """Of all that is asked for. A fence between guests is of both."""
    if since is not None and event.at < since:
        return False
    if resources and not {event.resource, event.by} & set(resources):
        return False
    # Where a guest ran in several places: "host1, host2".
    of = (event.host or event.origin or event.log_of).split(", ")
    return not hosts or bool({*of, event.origin, event.by} & set(hosts))


if __name__ == "__main__":
    sys.exit(main())
