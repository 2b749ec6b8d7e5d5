# SPDX-License-Identifier: GPL-2.0-or-later
"""The hosts' cluster breaks in two halves that both have quorum (two_node), and both are asked.

Neither half says OK for a guest of the other before the other is fenced. The loser comes back with
a CIB that is newer than the winner's, and nothing of it does harm.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from pmkvm.errors import HaError
from tests.lab.cluster import stonith
from tests.lab.cluster.fencing import Switch
from tests.lab.errors import LabError
from tests.lab.faults.situations import wait_until
from tests.lab.guests.fencing_guest import CONNECT, Ask
from tests.lab.guests.lives import Lives
from tests.lab.guests.pair import BOOT_S

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.lab.cluster.registration import Registered
    from tests.lab.guests.pair import Pair

# Half of the commits take one delay.
pytestmark = pytest.mark.rotating(parts=16)

# Both ask.
PAIR = {"target_kind": "full"}
# After the cut: corosync notices after 3 s, Pacemaker a moment later, and fences.
DELAYS_S = (0.0, 1.0, 3.0, 5.0, 7.0, 9.0)
REQUEST_S = 40.0
LOSER, WINNER = "host1", "host2"
SWITCH_S = 3.0
WRITES = 12
OPTION = ["crm_attribute", "-t", "crm_config", "-n", "lab-partition"]
# As long as a ban that the loser brought along would stand.
AFTERWARDS_S, AFTERWARDS_FULL_S = 10.0, 75.0


@pytest.mark.parametrize("delay_s", DELAYS_S)
def test_both_halves_are_asked(pair: Pair, delay_s: float, is_full: bool) -> None:
    lab, (asker, survivor) = pair.lab, pair
    loser, winner = lab.host(LOSER), lab.host(WINNER)
    place(pair)
    # Which half wins is settled, so that the loser's copy of the CIB can be made the newer one.
    lab.fencing.set(Switch(refused=[WINNER], delay_s=SWITCH_S))
    boot = survivor.counter.boot()
    with Lives(lab.guests, survivor.guest) as kept, ThreadPoolExecutor(3) as pool:
        cut_s = time.time()
        loser.cut()
        writing = pool.submit(write, pair)
        time.sleep(delay_s)
        asked = [pool.submit(ask, one, other) for one, other in (pair, pair[::-1])]
        by_loser, by_winner = (each.result() for each in asked)
        wait_until(lambda: not loser.is_alive(), "the fencing of one half", BOOT_S)
        # The switch notes it after the kill.
        wait_until(lambda: any(one.answer == "OK" for one in lab.fencing.events()), "its note")
        (fenced,) = [one for one in lab.fencing.events() if one.answer == "OK"]
        print(f"fenced at {fenced.time - cut_s:+.2f} s, writes on that half: {writing.result()}")
        print(by_loser, by_winner, sep="\n")
        assert fenced.host == LOSER
        assert not by_loser.startswith("OK")
        for at_s, name in proven_since(pair, cut_s):
            assert (name, at_s > fenced.time) == (asker.resource, True)
        lab.fencing.repair()
        lab.boot(loser)
        lab.cluster.wait_online(timeout_s=BOOT_S)
        stonith.wait_ready(lab)
        lab.cluster.wait_running(asker.resource, timeout_s=BOOT_S)
        time.sleep(AFTERWARDS_FULL_S if is_full else AFTERWARDS_S)
        assert survivor.counter.boot() == boot
        assert survivor.counter.is_ticking()
        assert len(kept.all()) == 1, kept.all()
    print("the loser's copy:", winner.run([*OPTION, "-G"]).out)
    winner.run([*OPTION, "-D"])
    assert stonith.bans(lab) == []
    assert stonith.fail_counts(lab) == []
    assert winner.is_alive()
    assert not asker.counter.is_going_back()


def place(pair: Pair) -> None:
    """Each on its own half, and both have a way to their host."""
    for one, name in zip(pair, (LOSER, WINNER)):
        pair.lab.cluster.wait_running(one.resource, timeout_s=BOOT_S)
        if one.hosts() != [name]:
            one.move(pair.lab.host(name))
        wait_until(lambda one=one: has_way(one), f"{one.guest.name} has a way", BOOT_S)  # type: ignore[misc]


def has_way(one: Registered) -> bool:
    status = Ask("status", one.guest.name, one.resource, CONNECT, 5)
    return status.begin(one.lab.guests, one.guest).answered().is_ok


def ask(one: Registered, other: Registered) -> str:
    """One that dies meanwhile says nothing."""
    asking = Ask("reset", other.guest.name, other.resource, CONNECT, REQUEST_S)
    try:
        return asking.begin(one.lab.guests, one.guest).answered().text
    except LabError as error:
        return str(error)


def write(pair: Pair) -> int:
    """Changes of the configuration on the losing half, until it dies."""
    loser, done = pair.lab.host(LOSER), 0
    for number in range(WRITES):
        try:
            done += loser.run([*OPTION, "-v", str(number)], timeout_s=20).rc == 0
        except HaError:
            break
        time.sleep(0.5)
    return done


def proven_since(pair: Pair, began_s: float) -> list[tuple[float, str]]:
    """Every OK since then: its time, and the resource that it says is dead."""
    ours = [one.resource for one in pair]
    proven = [one for one in pair.proven() if one.at_s > began_s]
    return [(one.at_s, name) for one in proven for name in ours if f" reset {name}" in one.line]
