# SPDX-License-Identifier: GPL-2.0-or-later
"""Processes of an ordinary user's on the hosts that make themselves out to be the pair's guests."""

from __future__ import annotations

import contextlib
import os

from tests import impostor
from tests.lab.errors import LabError
from tests.lab.hosts.host_processes import living
from tests.lab.hosts.machine import PROJECT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.guests.pair import Pair
    from tests.lab.hosts.machine import Machine
    from tests.lab.lab import Lab

USER = impostor.NOBODY
# Longer than any test has them.
LIVES_S = 900
# In a pid namespace of its own, -1 is all of this user's there, and who respawns does not escape.
END = f"import os; os.setresuid({USER}, {USER}, {USER}); os.kill(-1, 9)"


@contextlib.contextmanager
def everywhere(pair: Pair) -> Iterator[None]:
    """Each kind of them on every host, for both guests. At the end all must live that can."""
    lab, names = pair.lab, []
    try:
        for one in pair:
            for at, kind in enumerate(impostor.KINDS):
                name = f"impostor-{one.guest.name}-{at}"
                arguments = [kind, one.guest.name, one.guest.uuid, str(LIVES_S), str(USER)]
                for host in lab.hosts:
                    argv = ["/usr/bin/python3", "-I", f"{PROJECT}/tests/impostor.py", *arguments]
                    host.spawn(name, argv)
                if kind != impostor.RESPAWNING:
                    names.append(name)
        yield
        gone = [name for name in names for host in lab.hosts if host.pid_of(name) is None]
        if gone:
            raise LabError(f"somebody has ended {gone}")
        there = [(host.name, _count(host)) for host in lab.hosts]
        if any(count <= len(names) for _name, count in there):
            raise LabError(f"those that respawn have ended, of all there are {there}")
    finally:
        _end(lab)


def _count(host: Machine) -> int:
    """How many processes this user has on the host."""
    return sum(_owner(each.pid) == USER for each in living(host))


def _owner(pid: int) -> int:
    with contextlib.suppress(OSError):
        return os.stat(f"/proc/{pid}").st_uid
    return -1


def _end(lab: Lab) -> None:
    for host in lab.hosts:
        if host.is_alive():
            # It is killed by itself.
            host.run(["/usr/bin/python3", "-I", "-c", END])
