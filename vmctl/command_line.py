# SPDX-License-Identifier: GPL-2.0-or-later
"""The grammar of vm-ctl: arguments to a typed request. It refuses whatever it does not know."""

from __future__ import annotations

import argparse
import difflib
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from pmkvm import settings
from pmkvm.errors import HaError
from pmkvm.pacemaker import names

if TYPE_CHECKING:
    from collections.abc import Sequence

FORMATS = ("crm", "xml", "pcs")
HELP = ("--help", "-h")


class Option(NamedTuple):
    """field: of a Request. values: what may follow, in words or all of it; nothing for a flag."""

    field: str
    values: str | tuple[str, ...]
    help: str


OPTIONS = {
    "-a": Option("preferred", "NODE", "where the guests run when nothing speaks against it"),
    "-b": Option("from_node", "NODE", "instead of DOMAIN: all guests whose preferred node this is"),
    "-m": Option("migrate", ("on", "off"), "live migration; else as vm_allow_migrate says"),
    "-n": Option("node", "NODE", "only this node"),
    "--running": Option("running", "", "register guests that run now on the node of -a"),
    "--no-wait": Option("no_wait", "", "return as soon as the cluster has been told"),
    "--dry-run": Option("dry_run", "", "change nothing, print what would be done"),
    "--format": Option("format", FORMATS, "of --dry-run: crmsh, cibadmin --patch (default) or pcs"),
    "--json": Option("json", "", "for programs"),
    "--config": Option("config", "FILE", f"instead of {settings.VM_CTL_CONF}"),
}
DRY = ("--dry-run", "--format", "--config")

# What of domains a verb takes.
MANY, ONE, ONE_OR_NONE = "DOMAIN[,DOMAIN...]", "DOMAIN", "[DOMAIN]"


class Verb(NamedTuple):
    domains: str
    options: tuple[str, ...]
    does: str
    example: str


VERBS = {
    ("resource", "add"): Verb(
        MANY,
        ("-a", "-m", "--running", *DRY),
        "register guests, stopped, with all their constraints, in one change",
        "guest1, guest2 -a hostA -m on",
    ),
    ("resource", "delete"): Verb(
        MANY, DRY, "unregister stopped guests; libvirt keeps them", "guest1, guest2"
    ),
    ("resource", "start"): Verb(
        MANY, ("--no-wait", *DRY), "start guests and wait until they run", "guest1,guest2"
    ),
    ("resource", "stop"): Verb(
        MANY, ("--no-wait", *DRY), "stop guests and wait until they have", "guest1,guest2"
    ),
    ("resource", "move"): Verb(
        ONE,
        ("-n", "--no-wait", *DRY),
        "move a running guest to a node (-n), or to where the scores say, and wait for it",
        "guest1 -n hostB",
    ),
    ("resource", "unmove"): Verb(ONE, DRY, "remove what a move has left behind", "guest1"),
    ("resource", "list"): Verb(
        ONE_OR_NONE,
        ("-n", "--json", "--config"),
        "show the guests, one, or those that run on a node",
        "-n hostA",
    ),
    ("location", "move"): Verb(
        ONE_OR_NONE, ("-b", *DRY), "make the node that it runs on a guest's preferred one", "guest1"
    ),
}


NOTES = """
Example: vm-ctl resource add guest1, guest2 -a hostA
With CIB_file=FILE in the environment vm-ctl works on that file, with no cluster at all.
Exit code: 0 done, or nothing to do; 1 anything else. See vm-ctl(8).
"""


class UsageError(HaError):
    """The arguments make no command."""


class MisspeltError(UsageError):
    """They come near to a command, and the text names that."""


class Request(NamedTuple):
    """domains in alphabetical order, each once, as vm-ctl has always worked through them."""

    noun: str
    verb: str
    domains: tuple[str, ...]
    preferred: str | None = None
    from_node: str | None = None
    migrate: str | None = None
    node: str | None = None
    config: str = settings.VM_CTL_CONF
    running: bool = False
    no_wait: bool = False
    dry_run: bool = False
    format: str = "xml"
    json: bool = False


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


class _Once(argparse.Action):
    def __call__(self, _parser: Any, space: Any, value: Any, option: str | None = None) -> None:
        if hasattr(space, self.dest):
            raise UsageError(f"{option} is given twice")
        if value == "":
            raise UsageError(f"{option} needs a value")
        setattr(space, self.dest, True if self.nargs == 0 else value)


def parser(noun: str, verb: str) -> argparse.ArgumentParser:
    row = VERBS[noun, verb]
    program = f"vm-ctl {noun} {verb}"
    made = _Parser(
        prog=program,
        usage=f"{program} {row.domains} {' '.join(map(_in_usage, row.options))} [--help]",
        description=f"{row.does[0].upper()}{row.does[1:]}.",
        epilog=f"Example: {program} {row.example}",
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
    )
    made.add_argument("operands", nargs="*", metavar=MANY if row.domains == MANY else ONE)
    for name in row.options:
        field, values, text = OPTIONS[name]
        more: dict[str, Any] = {"nargs": 0} if not values else {"metavar": values}
        if isinstance(values, tuple):
            more = {"choices": values}
        made.add_argument(name, action=_Once, dest=field, required=name == "-a", help=text, **more)
    return made


def _in_usage(name: str) -> str:
    values = OPTIONS[name].values
    words = "|".join(values) if isinstance(values, tuple) else values
    text = f"{name} {words}".strip()
    return text if name == "-a" else f"[{text}]"


def usage(arguments: Sequence[str] = ()) -> str:
    """Of the verb that the arguments begin with, else of all."""
    if tuple(arguments[:2]) in VERBS:
        return parser(arguments[0], arguments[1]).format_usage()
    width = max(len(" ".join(command)) for command in VERBS)
    lines = (
        f"       vm-ctl {' '.join(command):{width}}  {row.does}"
        for command, row in VERBS.items()
        if list(arguments) != ["location" if command[0] == "resource" else "resource"]
    )
    return "\n".join(["usage: vm-ctl --help | --version | COMMAND [--help]", *lines, NOTES])


def help_of(arguments: Sequence[str]) -> str:
    """What is to be printed where help is asked for, in any of its ways; else empty."""
    words = [each for each in arguments if each not in HELP]
    if words[:1] == ["help"]:
        del words[0]
    elif len(words) == len(arguments):
        return ""
    if not words or words in (["resource"], ["location"]):
        return usage(words)
    whole = tuple(words[:2])
    found = [each for each in VERBS if whole == each or words == [each[1]]]
    if not found:
        raise _unknown(words)
    return "\n".join(parser(*each).format_help() for each in found)


def _unknown(words: Sequence[str]) -> UsageError:
    """With the command that it comes nearest to; the noun may be left out, or be another one."""
    typed = " ".join(words[:2])
    known = {verb: f"{noun} {verb}" for noun, verb in reversed(VERBS)}
    known.update({command: command for command in [" ".join(each) for each in VERBS]})
    tried = [typed, *words[:2]]
    near = [each for one in tried for each in difflib.get_close_matches(one, known, 1, 0.75)]
    if near:
        return MisspeltError(f"no such command: {typed}; did you mean vm-ctl {known[near[0]]}?")
    return UsageError(f"no such command: {typed or 'nothing given'}")


def parse(arguments: Sequence[str]) -> Request:
    """Raises UsageError with what is wrong in one line."""
    if tuple(arguments[:2]) not in VERBS:
        raise _unknown(arguments)
    noun, verb = arguments[:2]
    row = VERBS[noun, verb]
    values = vars(parser(noun, verb).parse_intermixed_args(list(arguments[2:])))
    operands = values.pop("operands", [])
    # Blanks may stand around the commas, inside an argument or between arguments.
    domains = sorted({name.strip() for name in ",".join(operands).split(",")} - {""})
    if verb != "add":
        # A resource's name, as Pacemaker's tools print it.
        domains = sorted({names.domain(each) or each for each in domains})
    request = Request(noun, verb, tuple(domains), **values)
    if row.domains != MANY and max(len(operands), len(domains)) > 1:
        raise UsageError(f"{noun} {verb} takes one domain, not {' '.join(operands)}")
    if row.domains != ONE_OR_NONE and not domains:
        raise UsageError(f"{noun} {verb} needs a domain")
    if "format" in values and not request.dry_run:
        raise UsageError("--format needs --dry-run")
    if domains and (request.from_node or (verb == "list" and request.node)):
        raise UsageError(f"{noun} {verb} takes a domain or a node, not both")
    if noun == "location" and not (domains or request.from_node):
        raise UsageError("location move needs a domain or -b NODE")
    return request
