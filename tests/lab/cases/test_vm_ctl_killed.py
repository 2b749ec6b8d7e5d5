# SPDX-License-Identifier: GPL-2.0-or-later
"""vm-ctl dies at any point of its run: what it leaves is the cluster as before, or as asked.

A move asks for two constraints that end by themselves, and takes them back: they are what a kill
can leave. The guest lives on through all of it, in one boot.
"""

from __future__ import annotations

import json
import time
from typing import NamedTuple
from xml.etree.ElementTree import Element, canonicalize, tostring

import pytest

from pmkvm.fencing import instant
from tests.lab.cluster.cib import RSC_DEFAULTS
from tests.lab.cluster.registration import Registered, register
from tests.lab.faults.situations import wait_until
from tests.lab.guests.guests import Guest
from tests.lab.hosts.killed import points
from tests.lab.hosts.machine import PROJECT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.lab.hosts.machine import Machine
    from tests.lab.lab import Lab

pytestmark = pytest.mark.rotating(parts=6)

SCRIPT = f"{PROJECT}/tests/lab/hosts/killed.py"
ADD = ("resource", "add", "guest2,guest3", "-a", "host1")
# Of all operations of a live move, as vm-ctl.conf has them: what its constraints outlive.
LONGEST_MOVE_S = 120 + 90 + 300 + 240 + 90
# Slow: vm-ctl is called twice while it is under way, on a busy machine.
MIGRATION_MIB_S = "4"
# Columns of `resource list`.
PREFERRED, MOVE_CONSTRAINT = 3, 5


@pytest.fixture(scope="module")
def vm(lab: Lab) -> Registered:
    """guest1, live, running on its preferred node; guest2 and guest3 are only defined."""
    lab.clean()
    stick(lab, "INFINITY")
    for name in ("guest1", "guest2", "guest3"):
        lab.guests.define(Guest(name))
    found = register(lab, Guest("guest1"), lab.hosts[0], "-m", "on")
    found.start()
    return found


class Killed(NamedTuple):
    """How it ended, negative for a signal; how often it made each system call, if counted."""

    rc: int
    counts: dict[str, int]


def vm_ctl(host: Machine, point: str, *arguments: str) -> Killed:
    """Run it and kill it there; back when its children have ended too."""
    argv = ["/usr/bin/python3", "-I", SCRIPT, point, "/usr/sbin/vm-ctl", *arguments]
    return Killed(**json.loads(host.must(argv, timeout_s=330)))


class Snapshot(NamedTuple):
    """The configuration as text to put back, in an order of its own, and a move's constraints."""

    text: str
    content: str
    moves: dict[str, float]


def snapshot(lab: Lab) -> Snapshot:
    found = lab.cib().find("configuration")
    assert found is not None
    text = tostring(found, encoding="unicode")
    constraints = found.find("constraints")
    assert constraints is not None
    moves = {each.get("id", ""): end_of(each) for each in constraints if is_of_move(each)}
    for section in found:
        kept = [each for each in section if not is_of_move(each)]
        section[:] = sorted(kept, key=lambda each: each.get("id", ""))
    return Snapshot(text, canonicalize(tostring(found), strip_text=True), moves)


def is_of_move(element: Element) -> bool:
    return element.get("id", "").startswith("cli-")


def end_of(constraint: Element) -> float:
    expression = constraint.find("rule/date_expression")
    assert expression is not None, "it does not end by itself"
    return instant.from_text(expression.get("end", ""))


def put_back(lab: Lab, before: Snapshot) -> None:
    argv = ["cibadmin", "--replace", "--scope", "configuration", "--xml-pipe"]
    lab.cluster.speaker().must(argv, stdin=before.text)
    assert snapshot(lab).content == before.content


def test_killed_at_any_point_it_has_changed_all_or_nothing(vm: Registered, is_full: bool) -> None:
    lab, host = vm.lab, vm.lab.hosts[0]
    boots = vm.counter.boots()
    vm.move(lab.hosts[1])
    for arguments in (ADD, ("location", "move", "guest1"), ("resource", "delete", "guest2,guest3")):
        before = snapshot(lab)
        began = time.monotonic()
        whole = vm_ctl(host, "count", *arguments)
        took_s = time.monotonic() - began
        asked = snapshot(lab)
        assert whole.rc == 0
        assert asked.content != before.content
        chosen = points(whole.counts, 100 if is_full else 1)
        chosen += [f"{took_s * part / 10:.2f}" for part in range(1, 11)] if is_full else []
        seen = []
        for point in chosen:
            put_back(lab, before)
            vm_ctl(host, point, *arguments)
            after = snapshot(lab)
            assert after.moves == {}
            assert after.content in (before.content, asked.content), point
            seen.append(after.content == asked.content)
        print(f"{' '.join(arguments)}: {len(seen)} kills, as asked after {sum(seen)}")
        assert set(seen) == {True, False}
        put_back(lab, asked)
    assert vm.counter.boots() == boots
    assert vm.failures() == []


def test_a_killed_move_leaves_only_what_ends_by_itself(vm: Registered, is_full: bool) -> None:
    lab, host = vm.lab, vm.lab.hosts[0]
    boots = vm.counter.boots()
    before = snapshot(lab)
    assert before.moves == {}
    counts = vm_ctl(host, "count", "resource", "move", "guest1", "-n", other(vm)).counts
    assert snapshot(lab).moves == {}
    seen = []
    for point in points(counts, 5 if is_full else 1):
        origin, target = vm.hosts()[0], other(vm)
        vm_ctl(host, point, "resource", "move", "guest1", "-n", target)
        after, now = snapshot(lab), time.time()
        assert after.content == before.content, point
        if after.moves:
            ban, wish = f"cli-ban-{vm.resource}-on-{origin}", f"cli-prefer-{vm.resource}"
            assert set(after.moves) == {ban, wish}, point
            assert all(now < end < now + LONGEST_MOVE_S for end in after.moves.values())
            # What was asked happens without vm-ctl.
            lab.cluster.wait_running(vm.resource, target)
            assert row(host)[MOVE_CONSTRAINT] == "yes"
            vm.vm_ctl("resource", "unmove", "guest1")
        settle(vm)
        seen.append(bool(after.moves))
    print(f"move: {len(seen)} kills, constraints left after {sum(seen)}")
    assert set(seen) == {True, False}
    assert vm.counter.boots() == boots
    assert vm.failures() == []


def test_a_move_that_is_asked_to_end_ends_with_the_migration(vm: Registered) -> None:
    """Its constraints taken away in the middle, Pacemaker would start a second QEMU: the guest has
    been there before."""
    lab, host = vm.lab, vm.lab.hosts[0]
    boots, origin, target = vm.counter.boots(), vm.hosts()[0], other(vm)
    for name in (target, origin):
        vm.move(lab.host(name))
    before = snapshot(lab)
    lab.host(origin).must(["virsh", "-q", "migrate-setspeed", "guest1", MIGRATION_MIB_S])
    host.must(["rm", "-f", "/var/log/lab-move.log"])
    host.spawn("move", ["vm-ctl", "resource", "move", "guest1", "-n", target])
    wait_until(lambda: len(vm.hosts()) == 2, "two QEMUs in a migration")
    for arguments in (["unmove", "guest1"], ["stop", "guest1"]):
        done = host.run(["vm-ctl", "resource", *arguments])
        assert (done.rc, "MSG55 guest1: is being migrated" in done.err) == (1, True), done
    host.signal("move", "TERM")
    wait_until(lambda: host.pid_of("move") is None, "vm-ctl's end", 300)
    assert vm.hosts() == [target]
    after = snapshot(lab)
    assert (after.moves, after.content) == ({}, before.content)
    said = host.read("/var/log/lab-move.log")
    assert "MSG56 guest1" in said
    assert "MSG42 interrupted" in said
    settle(vm)
    assert vm.hosts() == [target]
    assert vm.counter.is_ticking()
    assert vm.counter.boots() == boots
    assert vm.failures() == []


def test_a_move_against_the_scores_says_so_and_how_to_keep_it(vm: Registered) -> None:
    lab, host = vm.lab, vm.lab.hosts[0]
    home = row(host)[PREFERRED]
    stick(lab, "0")
    lab.cluster.wait_running(vm.resource, home)
    settle(vm)
    boots, target = vm.counter.boots(), other(vm)
    move = ["vm-ctl", "resource", "move", "guest1", "-n", target]
    try:
        done = host.run(move, timeout_s=300)
        assert done.rc == 0
        assert f"MSG51 guest1: its scores will move it back to {home}" in done.err
        assert snapshot(lab).moves == {}
        lab.cluster.wait_running(vm.resource, home)
        settle(vm)
        # As the message says.
        host.must([*move, "--no-wait"])
        lab.cluster.wait_running(vm.resource, target)
        vm.vm_ctl("location", "move", "guest1")
        vm.vm_ctl("resource", "unmove", "guest1")
        settle(vm)
        assert row(host)[PREFERRED] == target
        assert vm.hosts() == [target]
        assert vm.counter.boots() == boots
        assert vm.failures() == []
    finally:
        stick(lab, "INFINITY")


def row(host: Machine) -> list[str]:
    return host.must(["vm-ctl", "resource", "list", "guest1"]).splitlines()[-1].split()


def other(vm: Registered) -> str:
    (here,) = vm.hosts()
    return next(host.name for host in vm.lab.hosts if host.name != here)


def settle(vm: Registered) -> None:
    """Pacemaker has nothing more to do, and the guest is on one host."""
    vm.lab.cluster.wait_idle(120)
    vm.lab.cluster.wait_running(vm.resource)
    assert len(vm.hosts()) == 1


def stick(lab: Lab, value: str) -> None:
    name = next(iter(RSC_DEFAULTS["linux-ha-japan"]))
    lab.hosts[0].must(["crm_attribute", "-t", "rsc_defaults", "-n", name, "-v", value])
