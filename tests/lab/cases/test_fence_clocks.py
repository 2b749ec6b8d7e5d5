# SPDX-License-Identifier: GPL-2.0-or-later
"""Hosts whose clocks differ: a few seconds do no harm, and with more nobody is killed.

The hosts of the lab have one kernel, and so one clock. On host2 vm-stonithd and VirtualDomain are
told another time by libfaketime, of the monotonic clock too, since it breaks Python's sleep
otherwise; so a process that runs is begun anew with each change. Pacemaker itself is told nothing:
libfaketime stops its daemons that are not root's.
"""

from __future__ import annotations

import re
import signal
import time

import pytest

from tests.lab.cluster import stonith
from tests.lab.faults.fence_watch import daemon
from tests.lab.faults.situations import wait_until
from tests.lab.guests.lives import Lives

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.guests.pair import Pair
    from tests.lab.hosts.machine import Machine
    from tests.lab.hosts.process import Process

pytestmark = pytest.mark.rotating(parts=4)

PROGRAMS = ("/usr/sbin/vm-stonithd", "/usr/lib/ocf/resource.d/extra/VirtualDomain")
CLOCK = "/run/lab/clock"
WRAPPER = """#!/bin/sh
export LD_PRELOAD=/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1
export FAKETIME_TIMESTAMP_FILE={clock} FAKETIME_NO_CACHE=1
exec {program}.real "$@"
"""
# A host says its time when it begins, and is heard each second.
KNOWN_S = 6.0
# Until host1 reads host2's words, on a busy machine.
READ_S = 5
SHORT_S = 6.0


@pytest.fixture
def other_clock(pair: Pair) -> Iterator[Machine]:
    """host2, whose clock is what CLOCK says."""
    host = pair.lab.hosts[1]
    write_clock(host, 0)
    for program in PROGRAMS:
        host.must(["cp", "-a", program, f"{program}.real"])
        host.write(program, WRAPPER.format(clock=CLOCK, program=program), "0755")
    restart(pair, host)
    yield host
    write_clock(host, 0)
    for program in PROGRAMS:
        host.must(["mv", f"{program}.real", program])
    restart(pair, host)


def write_clock(host: Machine, seconds: int) -> None:
    host.write(f"{CLOCK}.new", f"{seconds:+d}\n")
    host.must(["mv", f"{CLOCK}.new", CLOCK])


def set_clock(pair: Pair, host: Machine, seconds: int) -> None:
    """The same process, anew, with that clock."""
    process = program_of(host)
    age_s, since_s = begun_s(host), time.monotonic()
    process.send(signal.SIGSTOP)
    write_clock(host, seconds)
    process.send(signal.SIGHUP)
    process.send(signal.SIGCONT)
    # Without a new begin it would be older than that.
    wait_until(lambda: age_s + time.monotonic() - since_s > begun_s(host), "vm-stonithd anew")
    stonith.wait_ready(pair.lab)
    time.sleep(KNOWN_S)
    assert program_of(host) == process


def begun_s(host: Machine) -> float:
    """How long ago, by its own account."""
    return float(str(stonith.status(host).get("up_seconds", "inf")))


def program_of(host: Machine) -> Process:
    process = daemon(host, stonith.STONITHD)
    assert process is not None
    return process


def restart(pair: Pair, host: Machine) -> None:
    """Pacemaker starts it anew when its monitor finds it dead."""
    process = program_of(host)
    process.kill()
    wait_until(lambda: daemon(host, stonith.STONITHD) not in (None, process), "another one")
    stonith.wait_ready(pair.lab)
    host.must(["crm_resource", "--cleanup", "-r", stonith.STONITHD])


def test_clocks_apart(pair: Pair, other_clock: Machine, is_full: bool) -> None:
    host = other_clock
    boot = pair.place(host)
    for seconds in (4, -4) if is_full else (4,):
        set_clock(pair, host, seconds)
        with Lives(pair.lab.guests, pair.target.guest) as lives:
            told = len(pair.lab.hosts[0].on_disk(stonith.LOG))
            answered = pair.answer("reset")
            print(f"{seconds:+d} s:", answered)
            assert answered.is_ok, answered
            at_s = pair.proven()[-1].at_s
            assert lives.outlived(at_s, at_s) == []
            # By its own vm-stonithd's words, not by Pacemaker's record of a silent one.
            said = pair.lab.hosts[0].on_disk(stonith.LOG)[told:]
            assert f"{pair.target.resource}: dead on host2" not in said
            pair.returned(boot)
        boot = pair.place(host)
    for seconds in (30, 90, -30, -90) if is_full else (30, 90):
        set_clock(pair, host, seconds)
        answered = pair.answer("reset", timeout_s=SHORT_S)
        print(f"{seconds:+d} s:", answered)
        assert not answered.is_ok, answered
        found = re.search(r"NG clocks: host2's is ([+-]\d+) s from here", answered.text)
        assert found is not None, answered
        # It was read some time after it had been written.
        assert seconds - READ_S <= int(found[1]) <= seconds, answered
        assert pair.target.counter.boot() == boot
        assert stonith.bans(pair.lab) == []
    assert pair.target.counter.is_ticking()
    set_clock(pair, host, 0)
    answered = pair.answer("reset")
    assert answered.is_ok, answered
    pair.returned(boot)
    assert pair.lab.fencing.events() == []
    assert stonith.fail_counts(pair.lab) == []
