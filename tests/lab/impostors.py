# SPDX-License-Identifier: GPL-2.0-or-later
"""Processes of an ordinary user's on the hosts that make themselves out to be the pair's guests."""

from __future__ import annotations

import contextlib

from tests import impostor
from tests.lab.errors import LabError
from tests.lab.machine import PROJECT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.lab import Lab
    from tests.lab.machine import Machine
    from tests.lab.pair import Pair

USER = 65534
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
                words = [kind, one.guest.name, one.guest.uuid, str(LIVES_S), str(USER)]
                for host in lab.hosts:
                    argv = ["/usr/bin/python3", "-I", f"{PROJECT}/tests/impostor.py", *words]
                    host.spawn(name, argv)
                if kind != impostor.RESPAWNING:
                    names.append(name)
        yield
        gone = [name for name in names for host in lab.hosts if host.pid_of(name) is None]
        if gone:
            raise LabError(f"somebody has ended {gone}")
        if any(_respawning(host) < len(pair) for host in lab.hosts):
            raise LabError("those that respawn have ended")
    finally:
        _end(lab)


def _respawning(host: Machine) -> int:
    """How many there are at a moment, apart from those with a name of the lab's."""
    count = f"ls -ldn /proc/[0-9]* | awk '$3 == {USER}' | wc -l"
    named = (len(impostor.KINDS) - 1) * 2
    return int(host.must(["sh", "-c", count])) - named


def _end(lab: Lab) -> None:
    for host in lab.hosts:
        if host.is_alive():
            # It is killed by itself.
            host.run(["/usr/bin/python3", "-I", "-c", END])
