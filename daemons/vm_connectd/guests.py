# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest resources of the cluster and the domains that they are, read when they change.

The CIB's file is looked at every other second: no tool of Pacemaker's tells of a change, and
the standard library has no inotify. What was known stays while Pacemaker does not answer.
"""

from __future__ import annotations

import logging
import os
from functools import partial
from typing import NamedTuple

from daemons.vm_connectd import resources, roster
from daemons.vm_connectd.paths import Paths
from pmkvm import files, settings
from pmkvm.deadline import Deadline
from pmkvm.errors import HaError, is_exhaustion
from pmkvm.pacemaker import tools
from pmkvm.service.far_files import FarFiles
from pmkvm.virt import definition, identity, record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from daemons.vm_connectd.domain import Domain
    from daemons.vm_connectd.roster import Roster
    from pmkvm.pacemaker.targets import Guest
    from pmkvm.service.thread_calls import ThreadCalls
    from pmkvm.virt.identity import Identity

log = logging.getLogger(__name__)

CIB_POLL_S = 2.0
# After a failure, which may be Pacemaker's stop, in polls.
POLLS_AFTER_FAILURE = 5
CIB_S = 10.0
FILES_S = 10.0
# Of that, for definitions whose storage does not answer, and for each of those behind them.
ANSWER_S, LEAST_S = 3.0, 0.1


class _Drawn(NamedTuple):
    """A roster and what it was drawn up from."""

    pairs: list[tuple[Guest, Identity]]
    domains: list[Domain]
    roster: Roster


class Guests:
    """Answers who is to be connected to; each look takes no longer than its deadlines."""

    def __init__(self, calls: ThreadCalls, directories: Sequence[str]) -> None:
        self.state = "not read yet"
        self.found: tuple[Guest, ...] = ()
        self._calls = calls
        self._directories = directories
        self._cib: files.Stamp | None = None
        self._polls_to_wait = 0
        self._last: _Drawn | None = None
        self._paths = Paths()
        self._definitions = FarFiles()
        self._identities: dict[str, tuple[files.Stamp, Identity]] = {}

    async def look(self) -> bool:
        """Read the CIB if it has changed; whether it had."""
        stamp = files.stamp(os.environ.get(tools.CIB_FILE) or settings.CIB_XML)
        if stamp == self._cib and self.state == "read":
            return False
        if self.state != "read" and self._polls_to_wait > 0:
            self._polls_to_wait -= 1
            return False
        try:
            self.found = await self._calls.call("reading the CIB", _query, CIB_S)
        except (HaError, OSError) as error:
            self._polls_to_wait = POLLS_AFTER_FAILURE
            if str(error) != self.state:
                log.warning("the CIB can't be read: %s", error)
            self.state = str(error)
            return False
        if self.state != "read":
            log.info("the CIB has %d guests", len(self.found))
        self.state = "read"
        self._cib = stamp
        return True

    async def draw_up(self, domains: list[Domain]) -> Roster:
        """Raises DeadlineError: the definitions may lie on storage that hangs, or this host has no
        thread or descriptor to read them with."""
        work = partial(self._draw_up, self.found, domains)
        self._last = await self._calls.call("reading the guests' definitions", work, FILES_S)
        return self._last.roster

    def _draw_up(self, found: tuple[Guest, ...], domains: list[Domain]) -> _Drawn:
        paths, deadline = self._paths.look(found), Deadline(ANSWER_S)
        pairs = [(each, self._identity(each.id, paths[each.id], deadline)) for each in found]
        last = self._last
        if last is not None and (last.pairs, last.domains) == (pairs, domains):
            # The thread would keep the loop waiting for the sake of the same answer.
            return last
        return _Drawn(pairs, domains, roster.draw_up(pairs, domains, self._directories))

    def _identity(self, resource: str, path: str, deadline: Deadline) -> Identity:
        """By its definition, as it is now; else as VirtualDomain remembers it; else by name."""
        patience_s = max(LEAST_S, deadline.remaining())
        try:
            return self._definitions.ask(path, partial(self._read, path), patience_s)
        except (OSError, identity.DefinitionError) as error:
            if is_exhaustion(error):
                raise
            name = identity.name_from_path(path)
            return _remembered(resource) or identity.Identity(name, "", is_qemu=True)

    def _read(self, path: str) -> Identity:
        """In a thread of its own. Raises OSError and DefinitionError."""
        stamp = files.stamp(path)
        known = self._identities.get(path)
        if known is not None and known[0] == stamp:
            return known[1]
        found = definition.read_identity(path)
        if stamp is not None:
            self._identities[path] = (stamp, found)
        return found


def _query() -> tuple[Guest, ...]:
    """This host's own copy: the answer does not wait for the cluster."""
    command = ("cibadmin", "--query", "--local", "--scope=resources")
    return resources.parse(tools.call(command, Deadline(CIB_S)).out)


def _remembered(resource: str) -> Identity | None:
    try:
        remembered = record.load(resource)
    except OSError as error:
        if is_exhaustion(error):
            raise
        return None
    return None if remembered is None else remembered.identity
