# SPDX-License-Identifier: GPL-2.0-or-later
"""The CIB as text, and changes of it that happen as a whole or not at all.

A change is planned on one version of the configuration and carries that version as a guard in
its XPath, which the CIB manager evaluates on the ordered CIB, the same on every node: on another
version it changes nothing, and the plan is made anew. Status updates do not disturb it.
Not `cibadmin --patch`: it compares the whole configuration, element by element, on every node
(measured, 2.1.5: 14 s in a cluster of 1000 guests, whatever the patch says; this way 1.3 s, and
replacing all its 9000 constraints 1.4 s).
"""

from __future__ import annotations

import re
from typing import NamedTuple
from xml.etree import ElementTree

from pmkvm.errors import DeadlineError, HaError
from pmkvm.pacemaker import tools
from pmkvm.pacemaker.errors import BadAnswerError, ExitCode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from pmkvm.deadline import Deadline

RETRY_S = 0.1
ROOT = re.compile(r"<cib\s[^>]*[^>/]>")

# The kernel takes 131072 bytes as one argument of a program (MAX_ARG_STRLEN).
LONGEST_XPATH = 130_000

# What can be removed, and the attributes that name it. The descendant axis is written out and the
# elements are named first for speed: 1000 guests take 0.9 s of libxml2's time so, "//*" takes 6 s.
REMOVABLE = (
    *("primitive", "group", "clone", "bundle", "rsc_location", "rsc_colocation", "rsc_order"),
    *("rsc_ticket", "resource_set", "resource_ref", "tag", "obj_ref"),
)
SECTIONS = "*[self::resources or self::constraints or self::tags]"
REFERENCES = "@id|@rsc|@with-rsc|@first|@then"


class Version(NamedTuple):
    """Of the configuration: every change of it raises epoch, status updates do not."""

    admin_epoch: int
    epoch: int

    def guard(self) -> str:
        return f"/cib[@admin_epoch='{self.admin_epoch}' and @epoch='{self.epoch}']"


class Change(NamedTuple):
    """Elements to create and attributes to set, or objects to remove, or all constraints anew.

    merged is a <configuration>: an element with a known tag and id gets the attributes and the
    children given, any other is created behind its siblings. removed are ids: the objects and
    all that refers to one of them by rsc, with-rsc, first, then, or as a set's or tag's member.
    constraints is the whole <constraints>, for what both removes and creates there.
    """

    merged: str = ""
    removed: Collection[str] = ()
    constraints: str = ""


def query(deadline: Deadline) -> str:
    """The whole CIB, status included."""
    return tools.call(("cibadmin", "--query"), deadline).out


def query_local(xpath: str, deadline: Deadline) -> str:
    """What this host's copy has at an XPath, empty for nothing; asks no other host (13 ms)."""
    argv = ("cibadmin", "--query", "--local", "--xpath", xpath)
    done = tools.call(argv, deadline, also_fine=(ExitCode.NOSUCH,))
    return done.out if done.rc == 0 else ""


def version(document: str) -> Version:
    """Raises BadAnswerError."""
    # The root's own start tag is all that is wanted of what may be megabytes.
    match = ROOT.search(document)
    try:
        root = ElementTree.fromstring(f"{match[0]}</cib>" if match else document)
        return Version(int(root.attrib["admin_epoch"]), int(root.attrib["epoch"]))
    except (ElementTree.ParseError, KeyError, ValueError) as error:
        raise BadAnswerError(f"cibadmin's answer is no CIB: {error!r}") from error


def change(plan: Callable[[str], Change | None], deadline: Deadline) -> Change | None:
    """Plan on the current CIB and carry it out, again when somebody else was faster.

    Returns the change made, None when the plan wants none. What plan raises ends it.
    Raises DeadlineError, ToolError and what query() raises. After an error that is no ToolError
    the change may or may not have been made: the request was on its way.
    """
    while True:
        document = query(deadline)
        wanted = plan(document)
        if wanted is None or apply(version(document), wanted, deadline):
            return wanted
        if deadline.expired():
            raise DeadlineError("others change the configuration all the time")
        deadline.pause(RETRY_S)


def apply(base: Version, wanted: Change, deadline: Deadline) -> bool:
    """Carry the change out on that very version; False (nothing changed) if it is another."""
    if sum(map(bool, wanted)) != 1:
        raise ValueError("one change either merges, or removes, or replaces the constraints")
    place = f"{base.guard()}/configuration"
    if wanted.merged:
        return _write("--modify", place, wanted.merged, deadline)
    if wanted.constraints:
        return _write("--replace", f"{place}/constraints", wanted.constraints, deadline)
    return _remove(base, wanted.removed, deadline)


def _write(command: str, xpath: str, document: str, deadline: Deadline) -> bool:
    argv = ("cibadmin", command, "--xpath", xpath, "--xml-pipe")
    done = tools.call(argv, deadline, stdin=document, also_fine=(ExitCode.NOSUCH,))
    return done.rc == 0


def _remove(base: Version, ids: Collection[str], deadline: Deadline) -> bool:
    # --force: cibadmin calls --delete-all dangerous
    argv = ("cibadmin", "--delete-all", "--force", "--xpath")
    tools.call((*argv, selection(ids, base.guard())), deadline)
    # It answers 0 also when nothing matched, so look: nothing left means done.
    look = ("cibadmin", "--query", "--xpath", selection(ids, "/cib"))
    return tools.call(look, deadline, also_fine=(ExitCode.NOSUCH,)).rc == ExitCode.NOSUCH


def selection(ids: Collection[str], root: str) -> str:
    """The XPath of all objects with one of these ids, and of all that refers to one."""
    if any(set(" '\"") & set(each) for each in ids):
        raise ValueError("an id in the CIB has neither blanks nor quotes")
    # One list and one contains() for all: linear, and short enough for an argument.
    id_list = " ".join(sorted(ids))
    test = f"contains(' {id_list} ', concat(' ', ., ' '))"
    elements = " or ".join(f"self::{name}" for name in REMOVABLE)
    found = f"{SECTIONS}/descendant::*[{elements}][({REFERENCES})[{test}]]"
    xpath = f"{root}/configuration/{found}"
    if len(xpath.encode()) > LONGEST_XPATH:
        raise HaError(f"{len(ids)} objects are too many for one change, take fewer at once")
    return xpath
