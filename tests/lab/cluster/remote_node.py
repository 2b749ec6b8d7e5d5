# SPDX-License-Identifier: GPL-2.0-or-later
"""A Pacemaker Remote node beside the members: a host with libvirt that runs no cluster, only what
Pacemaker of a member tells its pacemaker-remoted."""

from __future__ import annotations

import contextlib
import os
import secrets

from tests.lab.cluster.cib import primitive
from tests.lab.cluster.cluster import LOG
from tests.lab.hosts import remoted
from tests.lab.hosts.machine import SHARED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.hosts.machine import Machine
    from tests.lab.lab import Lab

KEY = "/etc/pacemaker/authkey"
NAME = "pacemaker-remoted"
PROGRAM = f"/usr/sbin/{NAME}"
# On its way into the host.
STAGED = f"{SHARED}/{NAME}"


@contextlib.contextmanager
def remote_node(lab: Lab) -> Iterator[Machine]:
    """One that is online, named as its host. Whoever has run a guest there ends it before this."""
    program = remoted.ensure(lab.state.root)
    with lab.another_host() as host:
        _start(lab, host, program)
        parameters = {"server": host.address}
        operations = (("monitor", "10s", "60s"), ("start", "0", "120s"), ("stop", "0", "60s"))
        agent = "ocf:pacemaker:remote"
        lab.cluster.add(primitive(host.name, agent, parameters=parameters, operations=operations))
        lab.cluster.wait_online([*lab.hosts, host])
        try:
            yield host
        finally:
            _leave(lab, host)


def _start(lab: Lab, host: Machine, program: str) -> None:
    staged = lab.guests.outside(STAGED)
    with open(program, "rb") as source, open(staged, "wb") as target:
        target.write(source.read())
    host.must(["install", "-m", "0755", STAGED, PROGRAM])
    os.unlink(staged)
    # The same one as of the node before: members keep in memory what they have read.
    key = lab.hosts[0].run(["cat", KEY]).out or secrets.token_hex(32)
    for one in (*lab.hosts, host):
        one.write(KEY, key, "0640")
        one.must(["chgrp", "haclient", KEY])
    host.spawn(NAME, [PROGRAM], {"PCMK_logfile": LOG})


def _leave(lab: Lab, host: Machine) -> None:
    """Nothing of the node is left in the cluster, and nobody has reason to fence it."""
    speaker = lab.cluster.speaker()
    role = ["crm_resource", "--meta", "--resource", host.name, "-p", "target-role", "-v"]
    speaker.must([*role, "Stopped"])
    lab.cluster.wait_stopped(host.name)
    speaker.must(["cibadmin", "--delete", "--xpath", f"//primitive[@id='{host.name}']"])
    lab.cluster.wait_idle()
    speaker.must(["crm_node", "--force", "--remove", host.name])
    host.stop(NAME)
