# SPDX-License-Identifier: GPL-2.0-or-later
"""Before a package is removed: what the cluster on this host still runs by its programs.

Pacemaker calls an agent that is gone, takes "not installed" for the answer to the stop, and has
the host fenced for it. So a package with an agent stays while the cluster names that agent. Of
other programs a warning is enough: what runs goes on, and only can't be started again.
The package manager runs this, by the modules that are about to go.
"""

from __future__ import annotations

import sys

from pmkvm.deadline import Deadline
from pmkvm.errors import CommandMissingError, HaError
from pmkvm.pacemaker import cib, tools
from pmkvm.pacemaker.errors import ClusterDownError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from xml.etree.ElementTree import Element

LOOK_S = 20.0
RESOURCES = "/cib/configuration/resources"
# More of them in a message help nobody.
_SHOWN = 5

STAYS = """\
{package} is not removed: the cluster on this host still names what it holds:
    {named}
Without it a monitor and a stop would fail here, and this host would be fenced. Delete these
resources first (vm-ctl resource stop, then delete; or pcs resource delete), or stop Pacemaker on
this host. Then remove the package again."""
UNKNOWN = """\
{package} is not removed: whether the cluster on this host still needs it can't be told
    ({why}).
Stop Pacemaker on this host, or mend it. Then remove the package again."""
GOES = """\
{package} is removed while the cluster on this host still names what it holds:
    {named}
What runs of it goes on. It can't be started here again: delete these resources."""


def named(resources: Element, held: Iterable[str]) -> list[str]:
    """Each resource that is run by one of these, with what runs it.

    held: "ocf:PROVIDER:TYPE", "ocf:PROVIDER:" for each of a provider's agents, "stonith:TYPE", or
    the path of a program that ocf:extra:vm-anything runs.
    """
    wanted = tuple(held)
    found = []
    for one in resources.iter():
        if one.tag in ("primitive", "template"):
            parts = (one.get("class"), one.get("provider"), one.get("type"))
            agent = ":".join(part for part in parts if part)
            runs = [agent, *(each.get("value", "") for each in one.iterfind(_BINFILE))]
            found += [f"{one.get('id', '')} ({run})" for run in runs if _is_of(run, wanted)]
    return found


_BINFILE = "instance_attributes/nvpair[@name='binfile']"


def _is_of(run: str, wanted: Sequence[str]) -> bool:
    return any(run == one or (one.endswith(":") and run.startswith(one)) for one in wanted)


def refuse(package: str, held: Sequence[str]) -> int:
    """1 if the package must stay, with the reason on stderr; else 0."""
    try:
        found = _named_here(held)
    except HaError as error:
        print(UNKNOWN.format(package=package, why=error), file=sys.stderr)
        return 1
    if found:
        print(STAYS.format(package=package, named=_text(found)), file=sys.stderr)
    return int(bool(found))


def warn(package: str, held: Sequence[str]) -> int:
    """0, with a warning on stderr if the cluster names one of these."""
    try:
        found = _named_here(held)
    except HaError:
        return 0
    if found:
        print(GOES.format(package=package, named=_text(found)), file=sys.stderr)
    return 0


def _named_here(held: Sequence[str]) -> list[str]:
    """Of the cluster that runs on this host; nobody calls an agent where none runs."""
    try:
        answer = cib.query_local(RESOURCES, Deadline(LOOK_S))
    except (ClusterDownError, CommandMissingError):
        return []
    return named(tools.parsed(answer, "cibadmin"), held) if answer else []


def _text(found: Sequence[str]) -> str:
    more = len(found) - _SHOWN
    return ", ".join([*found[:_SHOWN], *([f"and {more} more"] if more > 0 else [])])


def main(argv: Sequence[str]) -> int:
    """argv: "refuse" or "warn", the package, and what it holds."""
    verb, package, *held = argv
    return {"refuse": refuse, "warn": warn}[verb](package, held)
