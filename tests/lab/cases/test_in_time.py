# SPDX-License-Identifier: GPL-2.0-or-later
"""Whatever stands still, a guest, a disk or a daemon: each of our agents answers in its time.

Calls as Pacemaker makes them, in the table of truth's manner: a situation, an action, the codes
that are right. VirtualDomain beside a guest that stands still is in that table itself; vm-client in
a guest whose host is mute is in test_host_attributes.py.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
from typing import NamedTuple

import pytest

from tests.lab.cluster import agents
from tests.lab.guests.guests import Guest
from tests.ocf.agent import Agent
from tests.tools.stalling_disk import stalling_disk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tests.lab.hosts.machine import Machine
    from tests.lab.lab import Lab

pytestmark = pytest.mark.rotating(parts=4)

AGENTS = "/usr/lib/ocf/resource.d/extra"
TIMEOUT_S = 20
PATIENT_S = 60.0
ATTRIBUTE = "lab-disk"


class Asked(NamedTuple):
    """An action and what is right."""

    action: str
    code: int


# A daemon that stands still has not ended: it is there, and it can be stopped and started.
DAEMON = (
    Asked("monitor", 0),
    Asked("stop", 0),
    Asked("monitor", 7),
    Asked("start", 0),
    Asked("monitor", 0),
)
# The value says that the disk hangs, and the monitor that diskd goes on.
DISKD = (Asked("validate-all", 0), *DAEMON)


def daemon(program: str, options: str = "") -> Agent:
    given = {"binfile": f"/usr/sbin/{program}", "login_shell": "false"}
    if options:
        given["cmdline_options"] = options
    return Agent(f"{AGENTS}/vm-anything", given, f"prm-{program}")


CONNECTD = daemon("vm-connectd", "-t host")
STONITHD = daemon("vm-stonithd")
MANAGERD = daemon("vm-managerd", "-n operator_check_status -v normal")
DAEMONS = (CONNECTD, STONITHD, MANAGERD)


@contextlib.contextmanager
def running(host: Machine, *chosen: Agent) -> Iterator[None]:
    """Each is started as Pacemaker would, and ended afterwards."""
    try:
        for agent in chosen:
            called = agents.call(host, agent, "start", PATIENT_S)
            assert called.rc == 0, called
        yield
    finally:
        for agent in reversed(chosen):
            agents.call(host, agent, "stop", PATIENT_S)


def ask(
    host: Machine,
    situation: str,
    agent: Agent,
    asked: Sequence[Asked],
    record: Callable[[str, object], None],
) -> None:
    """In this order; each answer is right and comes before Pacemaker would give up."""
    name = os.path.basename(agent.parameters.get("binfile", agent.path))
    wrong = []
    for action, code in asked:
        interval = {"OCF_RESKEY_CRM_meta_interval": "10000"} if action == "monitor" else {}
        called = agents.call(host, agent, action, TIMEOUT_S, interval)
        row = f"{called.rc} after {called.seconds:.1f} s"
        record("truth", f"| {situation} | {action} of {name} | none | {row} |")
        if called.rc != code:
            wrong.append((action, called))
    assert wrong == [], situation


@pytest.mark.parametrize(
    "still", DAEMONS, ids=lambda one: os.path.basename(one.parameters["binfile"])
)
def test_a_daemon_that_stands_still(
    clean_lab: Lab, still: Agent, record_property: Callable[[str, object], None]
) -> None:
    """Its own agent, and those of the daemons beside it."""
    host = clean_lab.hosts[0]
    program = os.path.basename(still.parameters["binfile"])
    with running(host, *DAEMONS):
        pid = json.loads(host.must([still.parameters["binfile"], "--status"]))["pid"]
        host.must(["kill", "-STOP", str(pid)])
        for other in DAEMONS:
            if other is not still:
                ask(host, f"{program} stands still", other, DAEMON, record_property)
        ask(host, f"{program} stands still", still, DAEMON, record_property)


def test_a_guest_that_stands_still(
    clean_lab: Lab, record_property: Callable[[str, object], None]
) -> None:
    """The daemons that serve its channel."""
    lab, guest = clean_lab, Guest("guest1")
    host = lab.hosts[0]
    lab.guests.define(guest)
    lab.guests.start(guest, host)
    lab.guests.counter(guest).wait_for_boot(PATIENT_S)
    ((_host, process),) = lab.guests.processes(guest)
    with running(host, *DAEMONS):
        os.kill(process.pid, signal.SIGSTOP)
        try:
            for agent in DAEMONS:
                ask(host, "QEMU stopped (SIGSTOP)", agent, DAEMON, record_property)
        finally:
            process.kill()


def test_a_disk_that_stands_still(
    clean_lab: Lab, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Before diskd is started, and while it runs."""
    host = clean_lab.hosts[0]
    with stalling_disk(tmp_path) as disk:
        given = {"name": ATTRIBUTE, "device": disk.path, "interval": "10", "options": "-t 5"}
        diskd = Agent(f"{AGENTS}/diskd", given, "prm-diskd")
        with running(host, diskd), disk.stalled():
            ask(host, "the disk stalls", diskd, DISKD, record_property)


def test_a_host_that_is_mute(
    clean_lab: Lab, record_property: Callable[[str, object], None]
) -> None:
    """vm-client where no vm-connectd serves it."""
    host = clean_lab.hosts[0]
    client = Agent(f"{AGENTS}/vm-client", {"attribute_list": "a b"}, "prm-vm-client")
    with running(host, client):
        ask(host, "no vm-connectd in the guest", client, DAEMON, record_property)
