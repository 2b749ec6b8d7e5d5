# SPDX-License-Identifier: GPL-2.0-or-later
"""Hosts whose clocks differ: a few seconds do no harm, and with more nobody is killed.

The hosts of the lab have one kernel, and so one clock. On host2 vm-stonithd and VirtualDomain are
told another time by libfaketime; Pacemaker itself is not, since libfaketime stops its daemons that
are not root's.
"""

from __future__ import annotations

import time

import pytest

from tests.lab import stonith
from tests.lab.fence_watch import daemon
from tests.lab.lives import Lives
from tests.lab.situations import matches, wait_until

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.machine import Machine
    from tests.lab.pair import Pair

PROGRAMS = ("/usr/sbin/vm-stonithd", "/usr/lib/ocf/resource.d/extra/VirtualDomain")
CLOCK = "/run/lab/clock"
WRAPPER = """#!/bin/sh
export LD_PRELOAD=/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1
export FAKETIME_TIMESTAMP_FILE={clock} FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1
exec {program}.real "$@"
"""
# A host says its time every 5 s, and is read each second.
KNOWN_S = 7.0
SHORT_S = 6.0


@pytest.fixture
def other_clock(pair: Pair) -> Iterator[Machine]:
    """host2, whose clock is what CLOCK says."""
    host = pair.lab.hosts[1]
    set_clock(host, 0)
    for program in PROGRAMS:
        host.must(["cp", "-a", program, f"{program}.real"])
        host.write(program, WRAPPER.format(clock=CLOCK, program=program), "0755")
    restart(pair, host)
    yield host
    # The one that runs goes on with a clock that is right.
    set_clock(host, 0)
    for program in PROGRAMS:
        host.must(["mv", f"{program}.real", program])


def set_clock(host: Machine, seconds: int) -> None:
    host.write(f"{CLOCK}.new", f"{seconds:+d}\n")
    host.must(["mv", f"{CLOCK}.new", CLOCK])


def restart(pair: Pair, host: Machine) -> None:
    """Pacemaker starts it anew when its monitor finds it dead."""
    process = daemon(host, stonith.STONITHD)
    assert process is not None
    process.kill()
    wait_until(lambda: daemon(host, stonith.STONITHD) not in (None, process), "another one", 30)
    stonith.wait_ready(pair.lab)
    host.must(["crm_resource", "--cleanup", "-r", stonith.STONITHD])


def test_clocks_apart(pair: Pair, other_clock: Machine, is_full: bool) -> None:
    boot = pair.place(other_clock)
    for seconds in (4, -4) if is_full else (4,):
        set_clock(other_clock, seconds)
        time.sleep(KNOWN_S)
        with Lives(pair.lab.guests, pair.target.guest) as lives:
            answered = pair.answer("reset")
            assert answered.is_ok, answered
            at_s = pair.proven()[-1].at_s
            assert lives.outlived(at_s, at_s) == []
            boot = pair.returned(boot)
    for seconds in (30, 90, -30, -90) if is_full else (30, 90):
        set_clock(other_clock, seconds)
        time.sleep(KNOWN_S)
        answered = pair.answer("reset", timeout_s=SHORT_S)
        print(seconds, answered)
        assert not answered.is_ok, answered
        assert matches(r"NG clocks: host2's is [+-]\d+ s from here", answered.text), answered
        assert pair.target.counter.boot() == boot
        assert stonith.bans(pair.lab) == []
    assert pair.target.counter.is_ticking()
    set_clock(other_clock, 0)
    # What waited for the clocks to agree goes on when they do.
    answered = pair.answer("reset")
    assert answered.is_ok, answered
    pair.returned(boot)
    assert pair.lab.fencing.events() == []
    assert stonith.fail_counts(pair.lab) == []
