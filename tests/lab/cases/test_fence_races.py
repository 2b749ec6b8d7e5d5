# SPDX-License-Identifier: GPL-2.0-or-later
"""Fences at bad moments: of the requester, of the target, of the cluster around them."""

from __future__ import annotations

import contextlib
import random
import time
from functools import partial

import pytest

from tests.lab.cluster import stonith
from tests.lab.cluster.cib import primitive
from tests.lab.faults.one_fence import assert_dead, fence
from tests.lab.faults.situations import is_stopping, matches, migrating, wait_until
from tests.lab.guests.lives import Lives

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.guests.pair import Pair
    from tests.lab.hosts.machine import Machine

pytestmark = pytest.mark.rotating(parts=8)

AGENT = "/usr/lib/ocf/resource.d/extra/VirtualDomain"
# A loaded host's: between a start and its meta-data, nothing in the CIB tells of the start.
SLOW_METADATA = f"""#!/bin/sh
[ "$1" = meta-data ] && sleep 3
exec {AGENT}.real "$@"
"""
AFTERWARDS_S = 10.0


@pytest.fixture
def hosts(pair: Pair) -> tuple[Machine, Machine]:
    return pair.lab.hosts[0], pair.lab.hosts[1]


def test_requester_is_moved_while_its_request_waits(
    pair: Pair, hosts: tuple[Machine, Machine]
) -> None:
    """Nothing is done on the first host; the other one takes the resend, kills and answers once."""
    host1, host2 = hosts
    boot = pair.place(host2)
    meta = ["crm_resource", "--meta", "-r", pair.target.resource]
    host1.must([*meta, "-p", "is-managed", "-v", "false"])
    with fence(pair) as lives:
        began = time.time()
        asked_at = len(host1.on_disk(stonith.LOG))
        asking = pair.ask("reset", timeout_s=90)
        wait_until(lambda: waits_for(host1, "unmanaged", asked_at), "the request on host1")
        pair.requester.move(host2)
        host2.must([*meta, "-d", "is-managed"])
        assert_dead(pair, asking.answered(), lives, began)
        pair.returned(boot)
        assert len(lives.all()) == 2
    pair.requester.move(host1)
    pair.echo()


def test_requester_is_fencing_while_it_migrates(
    pair: Pair, hosts: tuple[Machine, Machine], is_full: bool
) -> None:
    """Asked at random moments of the requester's own migration: one kill, one answer."""
    draw = random.Random(4)
    places = [hosts, hosts[::-1]] * 5 if is_full else [hosts]
    for source, goal in places:
        boot = pair.place(hosts[1])
        source.must(["virsh", "-q", "migrate-setspeed", "guest1", "20"])
        with fence(pair) as lives:
            began = time.time()
            asking = pair.ask("reset", timeout_s=60)
            time.sleep(draw.uniform(0, 1.5))
            pair.requester.move(goal)
            answered = asking.answered()
            assert_dead(pair, answered, lives, began)
            pair.returned(boot)
            assert len(lives.all()) == 2
        pair.echo()
    if pair.requester.hosts() != ["host1"]:
        pair.requester.move(hosts[0])
        pair.echo()


def test_target_in_migration_at_any_moment(
    pair: Pair, hosts: tuple[Machine, Machine], is_full: bool
) -> None:
    """The switch-over included: dead on both hosts at the OK and 10 s later, and back once."""
    draw = random.Random(7)
    source, goal = hosts
    took_s = None
    for number in range(20 if is_full else 1):
        boot = pair.place(source)
        with fence(pair) as lives:
            if took_s is None:
                began = time.monotonic()
                with migrating(pair, source, goal):
                    wait_until(lambda: pair.target.hosts() == [goal.name], "the switch-over", 120)
                    took_s = time.monotonic() - began
                pair.place(source)
                # Two cores emulate two guests: as long again at the most.
                print(f"a migration takes {took_s:.1f} s")
            with migrating(pair, source, goal):
                time.sleep(draw.uniform(0, took_s))
                began_s = time.time()
                answered = pair.answer("reset")
                where = pair.target.hosts()
                assert_dead(pair, answered, lives, began_s)
                print(f"{number}: {answered.took_s:.2f} s, lives {lives.all()}, now on {where}")
            time.sleep(AFTERWARDS_S)
            assert_dead(pair, answered, lives, began_s)
            pair.returned(boot)


@contextlib.contextmanager
def slow_metadata(hosts: tuple[Machine, Machine]) -> Iterator[None]:
    for host in hosts:
        host.must(["cp", AGENT, f"{AGENT}.real"])
        host.write(AGENT, SLOW_METADATA, "0755")
    try:
        yield
    finally:
        for host in hosts:
            host.must(["mv", f"{AGENT}.real", AGENT])


def test_target_that_crashed_a_moment_ago(
    pair: Pair, pairs: list[Pair], hosts: tuple[Machine, Machine], is_full: bool
) -> None:
    """Pacemaker is starting it again, and nothing in the CIB says so yet."""
    draw = random.Random(11)
    # The crashes are counted, and a clean-up after a migration restarts a guest (Pacemaker 2.1.5).
    pairs.clear()
    with slow_metadata(hosts):
        for number in range(10 if is_full else 1):
            boot = pair.place(hosts[1])
            with Lives(pair.lab.guests, pair.target.guest) as lives:
                for _host, process in pair.lab.guests.processes(pair.target.guest):
                    process.kill()
                # Its monitor comes every 10 s.
                crashes = number + 1
                wait_until(partial(has_failed, pair, crashes), "Pacemaker's recovery")
                time.sleep(draw.uniform(0, 3))
                began = time.time()
                answered = pair.answer("reset")
                assert_dead(pair, answered, lives, began)
                time.sleep(3)
                assert_dead(pair, answered, lives, began)
                pair.returned(boot)
            # The crash itself counts; the fence adds nothing.
            wait_until(
                lambda: not stonith.bans(pair.lab) and not stonith.pending_stops(pair.lab),
                "its end",
            )
            assert has_failed(pair, crashes)
            assert pair.lab.fencing.events() == []


def test_history_of_the_target_is_deleted_at_that_moment(
    pair: Pair, hosts: tuple[Machine, Machine]
) -> None:
    """Behind a stranger's stop nobody probes it for a long time, and it looks stopped."""
    host2 = hosts[1]
    boot = pair.place(host2)
    pair.lab.cluster.add(
        primitive("stranger", parameters={"op_sleep": "12"}, meta={"target-role": "Started"})
    )
    pair.lab.cluster.wait_running("stranger")
    role = ["crm_resource", "--meta", "-r", "stranger", "-p", "target-role", "-v", "Stopped"]
    with fence(pair) as lives:
        host2.must(role)
        wait_until(lambda: is_stopping(pair, "stranger"), "its stop")
        host2.must(["crm_resource", "--refresh", "-r", pair.target.resource, "--node", "host2"])
        began = time.time()
        answered = pair.answer("reset", timeout_s=40)
        assert_dead(pair, answered, lives, began)
        print(f"{answered.took_s:.2f} s")
        pair.returned(boot)
    pair.lab.cluster.wait_stopped("stranger")
    host2.must(["cibadmin", "--delete", "--xpath", "//primitive[@id='stranger']"])


def test_pacemaker_comes_back_to_a_running_guest(
    pair: Pair, hosts: tuple[Machine, Machine]
) -> None:
    """As in an update in maintenance mode: its host knows nothing of it for seconds."""
    host1, host2 = hosts
    boot = pair.place(host2)
    cluster = pair.lab.cluster
    host1.must(["crm_attribute", "-n", "maintenance-mode", "-v", "true"])
    cluster.wait(lambda now: not now.find(pair.target.resource)[0].is_managed, "maintenance", 20)
    with fence(pair) as lives:
        cluster.stop(host2)
        cluster.start([host2])
        cluster.wait(lambda now: now.nodes["host2"].is_online, "host2 coming back", 120)
        host1.must(["crm_attribute", "-n", "maintenance-mode", "-D"])
        began = time.time()
        answered = pair.answer("reset", timeout_s=60)
        assert_dead(pair, answered, lives, began)
        print(f"{answered.took_s:.2f} s")
        pair.returned(boot)
    cluster.wait_online()
    stonith.wait_ready(pair.lab)


def waits_for(host: Machine, reason: str, since: int) -> bool:
    """Whether the host's log has a request's reason to wait, from that place in it on."""
    return matches(rf"waits: .*{reason}", host.on_disk(stonith.LOG)[since:])


def has_failed(pair: Pair, times: int) -> bool:
    """Whether its monitor's failures so far are so many."""
    name = f"fail-count-{pair.target.resource}#monitor_10000"
    pairs = pair.lab.cib().iterfind("status/node_state/transient_attributes//nvpair")
    return [each.get("value") for each in pairs if each.get("name") == name] == [str(times)]
