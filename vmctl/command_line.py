# SPDX-License-Identifier: GPL-2.0-or-later
"""The grammar of vm-ctl: words to a typed request. It refuses whatever it does not know."""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

from pmkvm import settings
from pmkvm.errors import HaError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

USAGE = """\
usage: vm-ctl resource add    DOMAIN[,DOMAIN...] -a NODE [-m on|off] [--running] [--dry-run]
       vm-ctl resource delete DOMAIN[,DOMAIN...] [--dry-run]
       vm-ctl resource start  DOMAIN[,DOMAIN...] [--no-wait] [--dry-run]
       vm-ctl resource stop   DOMAIN[,DOMAIN...] [--no-wait] [--dry-run]
       vm-ctl resource move   DOMAIN [-n NODE] [--dry-run]
       vm-ctl resource list   [DOMAIN | -n NODE]
       vm-ctl --help | --version
"""

HELP = (
    USAGE
    + f"""
  -a NODE       the node that the guests run on when nothing speaks against it
  -m on|off     live migration; without it vm_allow_migrate of the configuration decides
  -n NODE       move: to that node, else where the scores say; list: what that node runs
  --running     register guests that run now on the node of -a, without a break
  --no-wait     return as soon as the cluster has been told
  --dry-run     print the CIB XML that would be written, change nothing
  --config FILE instead of {settings.VM_CTL_CONF}

Example: vm-ctl resource add guest1, guest2 -a hostA
With CIB_file=FILE in the environment vm-ctl works on that file, with no cluster at all.
Exit code: 0 done, or nothing to do; 1 anything else.
"""
)

VALUED = {"-a": "preferred", "-m": "migrate", "-n": "node", "--config": "config"}
FLAGS = {"--running": "running", "--no-wait": "no_wait", "--dry-run": "dry_run"}

# Per verb: how many domains at least and at most, and its options beside --config.
VERBS: dict[tuple[str, str], tuple[int, int, frozenset[str]]] = {
    ("resource", "add"): (1, sys.maxsize, frozenset(("-a", "-m", "--running", "--dry-run"))),
    ("resource", "delete"): (1, sys.maxsize, frozenset(("--dry-run",))),
    ("resource", "start"): (1, sys.maxsize, frozenset(("--no-wait", "--dry-run"))),
    ("resource", "stop"): (1, sys.maxsize, frozenset(("--no-wait", "--dry-run"))),
    ("resource", "move"): (1, 1, frozenset(("-n", "--dry-run"))),
    ("resource", "list"): (0, 1, frozenset(("-n",))),
}


class UsageError(HaError):
    """The words make no command."""


class Request(NamedTuple):
    """domains in alphabetical order, each once, as vm-ctl has always worked through them."""

    noun: str
    verb: str
    domains: tuple[str, ...]
    preferred: str | None = None
    migrate: str | None = None
    node: str | None = None
    config: str = settings.VM_CTL_CONF
    running: bool = False
    no_wait: bool = False
    dry_run: bool = False


def parse(words: Sequence[str]) -> Request:
    """Raises UsageError with what is wrong in one line."""
    if len(words) < len(("noun", "verb")) or (words[0], words[1]) not in VERBS:
        raise UsageError(f"no such command: {' '.join(words[:2]) or 'nothing given'}")
    noun, verb = words[0], words[1]
    least, most, allowed = VERBS[noun, verb]
    operands, values = _options(words[2:], allowed | {"--config"})
    domains = _domains(operands)
    request = Request(noun, verb, domains, **values)
    if verb != "add" and most == 1 and (len(operands) > 1 or len(domains) > most):
        raise UsageError(f"{verb} takes one domain, not {' '.join(operands)}")
    if len(domains) < least:
        raise UsageError(f"{verb} needs a domain")
    _check(request)
    return request


def _check(request: Request) -> None:
    if request.verb == "add" and request.preferred is None:
        raise UsageError("add needs -a NODE")
    if request.migrate not in {None, "on", "off"}:
        raise UsageError(f"-m is on or off, not {request.migrate}")
    if request.verb == "list" and request.domains and request.node is not None:
        raise UsageError("list takes a domain or -n NODE, not both")


def _options(words: Sequence[str], allowed: frozenset[str]) -> tuple[list[str], dict[str, Any]]:
    operands: list[str] = []
    values: dict[str, Any] = {}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if not word.startswith("-"):
            operands.append(word)
            continue
        if word[:2] in VALUED and len(word) > len("-a"):  # -aNODE, as getopts takes it
            word, attached = word[:2], word[2:]
            rest.insert(0, attached)
        if word not in allowed:
            raise UsageError(f"no such option here: {word}")
        name = VALUED.get(word) or FLAGS[word]
        if name in values:
            raise UsageError(f"{word} is given twice")
        values[name] = _value(word, rest) if word in VALUED else True
    return operands, values


def _value(option: str, rest: list[str]) -> str:
    value = rest.pop(0) if rest else ""
    if not value or value.startswith("-"):
        raise UsageError(f"{option} needs a value")
    return value


def _domains(operands: Sequence[str]) -> tuple[str, ...]:
    # Blanks may stand around the commas, inside a word or between words.
    listed = ",".join(operands).replace(" ", "").split(",")
    return tuple(sorted({name for name in listed if name}))
