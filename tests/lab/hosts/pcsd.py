# SPDX-License-Identifier: GPL-2.0-or-later
"""What pcs needs in hosts to make a cluster of them: pcsd, and a systemctl that does what it asks.

A host has no systemd. Its own systemctl is put aside meanwhile (systemctl.py).
"""

from __future__ import annotations

import contextlib

from pmkvm.deadline import Deadline
from tests.lab.errors import LabError
from tests.lab.hosts import systemctl
from tests.lab.hosts.machine import PROJECT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.lab.hosts.machine import Machine

# As pcsd's two units have it, in their order, and the socket of each.
DAEMONS = {
    "pcsd-ruby": ("/usr/share/pcsd/pcsd", "/run/pcsd-ruby.socket"),
    "pcsd": ("/usr/sbin/pcsd", "/run/pcsd.socket"),
}
START_S = 60.0
STUB = f"""#!/bin/sh
exec /usr/bin/python3 -IB {PROJECT}/tests/lab/hosts/systemctl.py "$@"
"""


@contextlib.contextmanager
def running(hosts: Sequence[Machine]) -> Iterator[None]:
    """A host that was killed meanwhile has no pcsd any more."""
    try:
        for host in hosts:
            host.must(["mv", systemctl.PROGRAM, systemctl.REAL])
            host.write(systemctl.PROGRAM, STUB, "0755")
            _start(host)
        yield
    finally:
        for host in hosts:
            if host.is_alive():
                for name in DAEMONS:
                    host.stop(name)
                host.run(["mv", systemctl.REAL, systemctl.PROGRAM])


def _start(host: Machine) -> None:
    deadline = Deadline(START_S)
    for name, (program, socket) in DAEMONS.items():
        host.spawn(name, [program], {"RACK_ENV": "production"})
        while host.run(["test", "-S", socket]).rc != 0:
            if deadline.expired():
                raise LabError(f"{host.name}: {name} has no socket")
            deadline.pause(0.1)
