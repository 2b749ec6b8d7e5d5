# SPDX-License-Identifier: GPL-2.0-or-later
"""Fencing between guests in the lab: the hosts' daemons, as the slides of 2011 load them or as the
documentation does, keys and tokens, and what must be true after a fence."""

from __future__ import annotations

import json
import re
import time
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from pmkvm import settings
from pmkvm.deadline import Deadline
from pmkvm.run import run
from tests.lab.errors import LabError
from tests.lab.hosts.process import CHECKOUT
from tests.lab.slides import section_four

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.lab.hosts.machine import Machine
    from tests.lab.lab import Lab

LOG = "/var/log/vm-stonithd.log"
CONNECTD, STONITHD = "prmVmConnectd", "prmVmStonithd"

# As printed, but for what crmsh misreads.
SLIDES = section_four.daemons()


def with_logs(text: str) -> str:
    """What a program says is kept in /var/log, under its name."""
    path = r'(binfile="?/usr/sbin/([a-z-]+)"?)'
    return re.sub(path, r'\1 logfile="/var/log/\2.log"', text)


DAEMONS = with_logs(SLIDES)

READY_S = 120.0
_OK = re.compile(
    r"^(\S+ \S+) vm-stonithd\[\d+\] info: (\S+) (\S+) (\w+) (\S+)( on [^:]*)?: OK, (.*)$"
)
KEY_S = 60.0


class Proven(NamedTuple):
    """An OK in a host's log: its time of day, the request's digits, the whole line."""

    at_s: float
    request: str
    line: str


def documented(beginning: str, page: str = "fencing.md") -> str:
    """The example of a page of doc/ that begins so."""
    text = Path(CHECKOUT, "doc", page).read_text(encoding="utf-8")
    return next(each for each in text.split("```\n") if each.startswith(beginning))


def token(resource: str) -> str:
    """As the slides make it."""
    argv = ["openssl", "des-ede3", "-e", "-base64", "-k", "vmstonith"]
    return run(argv, timeout_s=10, stdin=f"{resource}\n").out.strip()


def make_key(lab: Lab) -> None:
    """The same new key on all hosts."""
    first, *others = lab.hosts
    first.must(["rm", "-f", settings.STONITH_KEY])
    first.must(["vm-stonith-key", "create"])
    for host in others:
        host.write(settings.STONITH_KEY, first.read(settings.STONITH_KEY), "0600")


def sealed(lab: Lab, *guests: str) -> str:
    """What vm-stonith-key prints for a cluster of these guests; waits for the hosts' keys."""
    argv = ["vm-stonith-key", "token", "--cluster", ",".join(guests)]
    deadline = Deadline(KEY_S)
    while True:
        done = lab.hosts[0].run(argv)
        if done.rc == 0:
            return done.out
        if deadline.expired():
            raise LabError(f"no tokens: {done.err}")
        deadline.pause(0.5)


def daemons(shell: str) -> str:
    """What doc/fencing.md has for crm or pcs, with logs."""
    begins = {"crm": "primitive", "pcs": "pcs resource create"}
    return with_logs(documented(f"{begins[shell]} prmVmConnectd"))


def load_daemons(lab: Lab, text: str = DAEMONS) -> None:
    """text: in crmsh's language, or commands of pcs."""
    for host in lab.hosts:
        host.run(["rm", "-f", LOG])
    by_crm = ["crm", "configure", "load", "update", "-"]
    argv = ["sh", "-e"] if text.startswith("pcs ") else by_crm
    lab.cluster.speaker().must(argv, stdin=text, timeout_s=120)
    wait_ready(lab)


def wait_ready(lab: Lab) -> None:
    """Until each host's vm-stonithd serves, and its vm-connectd passes requests on to it."""
    deadline = Deadline(READY_S)
    for host in lab.hosts:
        while not status(host).get("is_registered"):
            if deadline.expired():
                raise LabError(f"{host.name}: vm-stonithd is not ready: {status(host)}")
            deadline.pause(0.2)


def status(host: Machine) -> dict[str, object]:
    """What its vm-stonithd says of itself, empty if it does not run."""
    done = host.run(["vm-stonithd", "--status"], timeout_s=15)
    found: dict[str, object] = json.loads(done.out) if done.rc == 0 else {}
    return found


def bans(lab: Lab) -> list[str]:
    constraints = lab.cib().iterfind("configuration/constraints/rsc_location")
    return [each.get("id", "") for each in constraints if "vm-stonith-" in each.get("id", "")]


def pending_stops(lab: Lab) -> list[str]:
    argv = ["sh", "-c", "ls /run/pm_kvm_tools/debts 2>/dev/null"]
    alive = [host for host in lab.hosts if host.is_alive()]
    return [f"{host.name}: {name}" for host in alive for name in host.run(argv).out.split()]


def fail_counts(lab: Lab) -> list[str]:
    pairs = lab.cib().iterfind("status/node_state/transient_attributes//nvpair")
    return [each.get("name", "") for each in pairs if "fail-count" in each.get("name", "")]


def role(lab: Lab, resource: str) -> str | None:
    path = f".//primitive[@id='{resource}']/meta_attributes/nvpair[@name='target-role']"
    pair = lab.cib().find(path)
    return None if pair is None else pair.get("value")


def wait_clean(lab: Lab, timeout_s: float = 30.0) -> None:
    """Until no ban and no debt is left."""
    deadline = Deadline(timeout_s)
    while bans(lab) or pending_stops(lab):
        if deadline.expired():
            raise LabError(f"left after {timeout_s:.0f} s: {bans(lab)} {pending_stops(lab)}")
        time.sleep(0.1)


def proven(lab: Lab) -> list[Proven]:
    """Every OK to a fence, from the hosts' logs, the first one first."""
    found = []
    for host in lab.hosts:
        for line in host.on_disk(LOG).splitlines():
            match = _OK.match(line)
            if match:
                found.append(Proven(time_of(line), match[2], line))
    return sorted(found)


def time_of(line: str) -> float:
    """Of a line of a daemon's log, as seconds of the day's clock that all hosts share here."""
    return datetime.strptime(line[:23], "%Y-%m-%d %H:%M:%S.%f").timestamp()
