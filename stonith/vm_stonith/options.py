# SPDX-License-Identifier: GPL-2.0-or-later
"""fence_vm_stonith's options: one table for the command line, stdin, the metadata and the help."""

from __future__ import annotations

from pmkvm.errors import HaError
from pmkvm.light_types import NamedTuple
from stonith.plugin import parameters

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from stonith.plugin.parameters import Parameter


class UsageError(HaError):
    """A command line that can't be understood."""


class Option(NamedTuple):
    """One option. argument is its name in the help, empty for a switch.

    name is that of stdin and the metadata. replaced_by: the name that is preferred now.
    """

    name: str
    letter: str
    long: str
    argument: str
    content_type: str
    shortdesc: str
    default: str = ""
    required: bool = False
    replaced_by: str = ""


def _shared(parameter: Parameter, argument: str) -> Option:
    return Option(
        parameter.name,
        "",
        parameter.name,
        argument,
        parameter.content_type,
        parameter.longdesc,
        parameter.default,
        parameter.required,
        parameter.replaced_by,
    )


_GUEST = "Guest to be fenced: the name of its cluster node."

OPTIONS = (
    Option("action", "o", "action", "action", "string", "Fencing action.", "reboot"),
    Option("plug", "n", "plug", "name", "string", _GUEST),
    Option("port", "n", "plug", "name", "string", _GUEST, replaced_by="plug"),
    _shared(parameters.HOSTLIST, "list"),
    _shared(parameters.DELIMETER, "text"),
    _shared(parameters.DELIMITER_PARAMETER, "text"),
    _shared(parameters.TIMEOUT, "seconds"),
    Option(
        "delay",
        "",
        "delay",
        "seconds",
        "second",
        "Seconds to wait before off and reboot, in addition to timeout. Guests that fence each"
        " other need no delay: exactly one of them succeeds.",
        "0",
    ),
    Option("quiet", "q", "quiet", "", "boolean", "Say nothing on stderr."),
    Option("verbose", "v", "verbose", "", "boolean", "Say more on stderr."),
    Option(
        "debug_file",
        "D",
        "debug-file",
        "file",
        "string",
        "Append a log of what the agent does to this file.",
    ),
    Option("version", "V", "version", "", "boolean", "Print the version and exit."),
    Option("help", "h", "help", "", "boolean", "Print the help and exit."),
)

# Those of all agents of fence-agents that mean nothing here: no login, no power switch.
_ACCEPTED_LONG = (
    "disable-timeout=",
    "login-timeout=",
    "plug-separator=",
    "power-timeout=",
    "power-wait=",
    "retry-on=",
    "separator=",
    "shell-timeout=",
    "stonith-status-sleep=",
    "verbose-level=",
)
_ACCEPTED_LETTERS = "C:"
_TRUE = "1"


def from_stdin(lines: Iterable[str]) -> dict[str, str]:
    """name=value lines: no comments, no empty ones; of a name the last value counts."""
    values = {}
    for line in lines:
        text = line.strip()
        if text and not text.startswith("#"):
            name, _, value = text.partition("=")
            values[name.strip().replace("-", "_")] = value.strip()
    return values


def from_arguments(argv: Sequence[str]) -> dict[str, str]:
    """The same names as from stdin. Raises UsageError, without any value that was given."""
    # Pacemaker gives none; with what it loads it costs a fence 2 ms.
    import getopt

    letters = _ACCEPTED_LETTERS + "".join(
        dict.fromkeys(f"{one.letter}{':' * bool(one.argument)}" for one in OPTIONS if one.letter)
    )
    long = [*_ACCEPTED_LONG, *dict.fromkeys(f"{o.long}{'=' * bool(o.argument)}" for o in OPTIONS)]
    try:
        pairs, rest = getopt.gnu_getopt(list(argv), letters, long)
    except getopt.GetoptError as error:
        # Its text has the option's name only; opt may hold "name=value".
        raise UsageError(f"option {error.opt.partition('=')[0]} is unknown or incomplete") from None
    if rest:
        raise UsageError("there are words that belong to no option")
    names = {f"--{one.long}": one.name for one in reversed(OPTIONS)}
    names.update({f"-{one.letter}": one.name for one in reversed(OPTIONS) if one.letter})
    switches = {one.name for one in OPTIONS if not one.argument}
    return {
        names[given]: _TRUE if names[given] in switches else value
        for given, value in pairs
        if given in names
    }


def is_set(values: dict[str, str], name: str) -> bool:
    """By fence-agents' words, which are not all of Pacemaker's (pmkvm.ocf.context)."""
    return values.get(name, "").lower() in (_TRUE, "yes", "on", "true")


def spelling(option: Option) -> str:
    """As in the help: -n, --plug=[name]."""
    short = f"-{option.letter}, " if option.letter else ""
    return f"{short}--{option.long}" + (f"=[{option.argument}]" if option.argument else "")
