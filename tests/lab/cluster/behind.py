# SPDX-License-Identifier: GPL-2.0-or-later
"""Fences behind another resource's stop that does not end: Pacemaker's own stop of the target,
which would end what a fence has overlooked, comes only when the test lets it."""

from __future__ import annotations

import contextlib
import time
from typing import NamedTuple

from pmkvm import settings
from tests.lab.cluster import stonith
from tests.lab.cluster.cib import primitive
from tests.lab.errors import LabError
from tests.lab.faults.situations import is_stopping, wait_until
from tests.lab.guests.fencing_guest import REQUEST_S

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.guests.fencing_guest import Answered
    from tests.lab.guests.lives import Lives
    from tests.lab.guests.pair import Pair

STRANGER = "stranger"
AGENT = "/usr/lib/ocf/resource.d/lab/held"
RUNNING, HELD = "/run/lab/held.running", "/run/lab/held"
SCRIPT = f"""#!/bin/sh
case $1 in
meta-data)
    echo '<resource-agent name="held"><version>1</version><longdesc/><shortdesc/><parameters/>'
    echo '<actions><action name="start" timeout="20s"/><action name="stop" timeout="20s"/>'
    echo '<action name="monitor" timeout="20s"/></actions></resource-agent>' ;;
start) touch {RUNNING} ;;
stop) while [ -e {HELD} ]; do sleep 0.1; done; rm -f {RUNNING} ;;
monitor) [ -e {RUNNING} ] || exit 7 ;;
*) exit 3 ;;
esac
"""
# Longer than any test holds it: a stop that fails would fence its host.
STOP_TIMEOUT = "300s"
# After an OK: how long a QEMU that it has overlooked is watched, how long for one that begins.
OVERLOOKED_S, BEGINS_S = 10.0, 1.0

# A fence that is refused is waited for to its deadline.
SHORT_S = 12.0
# What an NG says if hosts, or a host and what runs on it, do not have the same domain.
DIFFERS = r"uuid|another domain|not defined|definition|nothing of it is found"

TOKENS = OF_2011, SEALED = "2011's token", "a sealed token"


@contextlib.contextmanager
def another_stop(pair: Pair) -> Iterator[None]:
    """Pacemaker carries out nothing new meanwhile."""
    lab = pair.lab
    for host in lab.hosts:
        host.write(AGENT, SCRIPT, "0755")
    operations = (("monitor", "60s", "20s"), ("stop", "0s", STOP_TIMEOUT))
    meta = {"target-role": "Started"}
    lab.cluster.add(primitive(STRANGER, "ocf:lab:held", meta=meta, operations=operations))
    lab.cluster.wait_running(STRANGER)
    for host in lab.hosts:
        host.must(["touch", HELD])
    role = ["crm_resource", "--meta", "-r", STRANGER, "-p", "target-role", "-v", "Stopped"]
    lab.cluster.speaker().must(role)
    try:
        wait_until(lambda: is_stopping(pair, STRANGER), "the stranger's stop")
        yield
        if not is_stopping(pair, STRANGER):
            raise LabError("the stranger's stop has ended, and hides nothing any more")
    finally:
        for host in lab.hosts:
            if host.is_alive():
                host.must(["rm", "-f", HELD])
    lab.cluster.wait_stopped(STRANGER)
    lab.cluster.speaker().must(
        ["cibadmin", "--delete", "--xpath", f"//primitive[@id='{STRANGER}']"]
    )


@contextlib.contextmanager
def keyed(pair: Pair) -> Iterator[None]:
    """The hosts have a key for sealed tokens."""
    stonith.make_key(pair.lab)
    try:
        yield
    finally:
        for host in pair.lab.hosts:
            if host.is_alive():
                host.must(["rm", "-f", settings.STONITH_KEY])


def token(pair: Pair, kind: str) -> str:
    """For guest2, made now."""
    if kind == OF_2011:
        return stonith.token(pair.target.resource)
    members = (f"{one.guest.name}={one.resource}" for one in pair)
    listed = stonith.sealed(pair.lab, *members).splitlines()[1].split()
    return dict(entry.split(":", 1) for entry in listed)[pair.target.guest.name]


class Told(NamedTuple):
    """What guest1 was told, and what an OK did not account for, in words: QEMUs of before the
    request that lived on, and such as began under the ban."""

    answered: Answered
    overlooked: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        return "; ".join((self.answered.text, *self.overlooked))


def reset(pair: Pair, token: str, lives: Lives, timeout_s: float = REQUEST_S) -> Told:
    """guest1 asks for it, watched a while longer than to the answer. P1 is judged by the processes
    of the hosts, at the time of the OK in the log."""
    began_s = time.time()
    answered = pair.answer("reset", token=token, timeout_s=timeout_s)
    if not answered.is_ok:
        return Told(answered)
    proven = [one for one in pair.proven() if one.at_s > began_s]
    if len(proven) != 1:
        raise LabError(f"{answered}, and in the logs {proven}")
    at_s = proven[0].at_s
    time.sleep(OVERLOOKED_S if lives.outlived(began_s, at_s) else BEGINS_S)
    found = [
        f"QEMU on {one.host} lived for {one.last_s - at_s:.1f} s after the OK"
        for one in lives.outlived(began_s, at_s)
    ]
    found += [f"QEMU on {one.host} began" for one in lives.all() if one.first_s > at_s]
    return Told(answered, tuple(found))


def reason(pair: Pair, answered: Answered) -> str:
    """Of an NG. Why a token is refused is said to the host alone."""
    if "token is refused" not in answered.text:
        return answered.text
    lines = pair.lab.hosts[0].on_disk(stonith.LOG).splitlines()
    return [line for line in lines if "is refused" in line][-1]
