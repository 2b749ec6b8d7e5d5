# SPDX-License-Identifier: GPL-2.0-or-later
"""Options of fence agents: a table for command line, stdin, metadata and help alike. Pure."""

from __future__ import annotations

from pmkvm.errors import HaError
from stonith.plugin.parameters import Parameter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class UsageError(HaError):
    """A command line that can't be understood."""


def options(target: str, *own: Parameter) -> tuple[Parameter, ...]:
    """The agent's own ones among those that each agent has. target: what plug means to it.

    Only cluster-glue shows a shortdesc, and it knows the own parameters alone.
    """
    plug = Parameter("plug", "string", "", target, argument="name", letter="n")
    return (
        Parameter(
            "action", "string", "", "Fencing action.", "reboot", argument="action", letter="o"
        ),
        plug,
        plug._replace(name="port", replaced_by="plug", long="plug"),
        *own,
        *_EVERYBODYS,
    )


_EVERYBODYS = (
    Parameter("quiet", "boolean", "", "Say nothing on stderr.", letter="q"),
    Parameter("verbose", "boolean", "", "Say more on stderr.", letter="v"),
    Parameter(
        "debug_file",
        "string",
        "",
        "Append a log of what the agent does to this file.",
        argument="file",
        letter="D",
    ),
    Parameter("version", "boolean", "", "Print the version and exit.", letter="V"),
    Parameter("help", "boolean", "", "Print the help and exit.", letter="h"),
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


def from_arguments(argv: Sequence[str], table: Sequence[Parameter]) -> dict[str, str]:
    """The same names as from stdin. Raises UsageError, without any value that was given."""
    # Pacemaker gives none; with what it loads it costs a fence 2 ms.
    import getopt

    letters = _ACCEPTED_LETTERS + "".join(
        dict.fromkeys(f"{one.letter}{':' * bool(one.argument)}" for one in table if one.letter)
    )
    words = [*_ACCEPTED_LONG, *dict.fromkeys(f"{long(o)}{'=' * bool(o.argument)}" for o in table)]
    try:
        pairs, rest = getopt.gnu_getopt(list(argv), letters, words)
    except getopt.GetoptError as error:
        # Its text has the option's name only; opt may hold "name=value".
        raise UsageError(f"option {error.opt.partition('=')[0]} is unknown or incomplete") from None
    if rest:
        raise UsageError("there are words that belong to no option")
    names = {f"--{long(one)}": one.name for one in reversed(table)}
    names.update({f"-{one.letter}": one.name for one in reversed(table) if one.letter})
    switches = {one.name for one in table if not one.argument}
    return {
        names[given]: _TRUE if names[given] in switches else value
        for given, value in pairs
        if given in names
    }


def is_set(values: dict[str, str], name: str) -> bool:
    """By fence-agents' words, which are not all of Pacemaker's (pmkvm.ocf.context)."""
    return values.get(name, "").lower() in (_TRUE, "yes", "on", "true")


def long(option: Parameter) -> str:
    """Its name on the command line, without the hyphens in front."""
    return option.long or option.name.replace("_", "-")


def spelling(option: Parameter) -> str:
    """As in the help: -n, --plug=[name]."""
    short = f"-{option.letter}, " if option.letter else ""
    return f"{short}--{long(option)}" + (f"=[{option.argument}]" if option.argument else "")
