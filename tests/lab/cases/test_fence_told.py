# SPDX-License-Identifier: GPL-2.0-or-later
"""What people are told of a fence: by the logs, by a refusal, by vm-ctl."""

from __future__ import annotations

import re

import pytest

from pmkvm import settings
from pmkvm.fencing import ban, record
from pmkvm.fencing.record import COORDINATOR, NG, OK, PARTICIPANT
from tests.lab.cluster import stonith
from tests.lab.faults.situations import matches, wait_until
from tests.lab.guests import fencing_guest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pmkvm.fencing.record import Record
    from tests.lab.guests.pair import Pair
    from tests.lab.hosts.machine import Machine

pytestmark = pytest.mark.rotating(parts=4)

# Of a request that could be waited for: far more than an emulated guest takes for a program.
WAITS_S = 60.0
# Of the columns of `resource list`.
BAN = 6


def test_one_fence_is_one_line_everywhere(pair: Pair) -> None:
    """In the guest's log, its host's and the target's host's, with the same digits."""
    hosts = pair.lab.hosts
    boot = pair.place(hosts[1])
    for host in hosts:
        host.must(["truncate", "-s", "0", stonith.LOG])
        host.must(["rm", "-f", settings.FENCE_RECORDS])
    answered = pair.answer("reset")
    assert answered.is_ok, answered
    argv = ["cat", fencing_guest.LOG]
    told = pair.lab.guests.run(pair.requester.guest, argv, timeout_s=30).out.splitlines()[-1]
    found = re.search(r"([0-9a-f]{16}) \S+ reset guest2: OK \(\d+ ms, request [0-9a-f]{32}\)", told)
    assert found is not None, told
    digits, name = found.group(1), pair.target.resource
    here, there = (lines_with(digits, host) for host in hosts)
    print("\n".join([told, *here, *there]))
    who = rf"{digits} {pair.requester.resource} reset {name}"
    proof = r"OK, dead on host1, host2 \(\d+ ms, ban [0-9a-f]{16}\)"
    assert len(here) == 1
    assert matches(rf"{who} on host2: {proof}$", here[0])
    assert len(there) == 1
    assert matches(rf"{who}: killed QEMU \d+ \(ban [0-9a-f]{{16}} of host1\)$", there[0])
    is_recorded(pair, digits)
    pair.returned(boot)
    is_refused_on_record(pair)


def is_recorded(pair: Pair, digits: str) -> None:
    """One fence: two lines on the requester's host, one on the target's, about the same ban."""
    here, there = (recorded(host) for host in pair.lab.hosts)
    print("\n".join(map(str, [*here, *there])))
    parts = [(each.host, each.part) for each in (*here, *there)]
    assert sorted(parts) == [("host1", COORDINATOR), ("host1", PARTICIPANT), ("host2", PARTICIPANT)]
    by = dict(zip(parts, (*here, *there)))
    for each in by.values():
        who = (each.operation, each.requester, each.target, each.request, each.coordinator)
        name = pair.requester.resource
        assert who == ("reset", name, pair.target.resource, digits, "host1")
        assert each.outcome == OK
        assert list(each.stages.values()) == sorted(each.stages.values())
    assert len({(each.ban, each.target_uuid) for each in by.values()}) == 1
    led, helped, killed = (by[each] for each in sorted(by))
    assert led.reason == "dead on host1, host2"
    assert led.requester_uuid
    # A token of 2011 is sealed with none.
    assert led.key == ""
    assert list(led.stages) == ["write", "banned", "barred", "answer"]
    assert helped.reason == "no QEMU here"
    assert list(helped.stages) == ["barred", "dead"]
    assert matches(r"QEMU \d+ has died$", killed.reason)
    assert list(killed.stages) == ["kill", "barred", "dead"]
    for host in pair.lab.hosts:
        mode = host.must(["stat", "-c", "%a %U", settings.FENCE_RECORDS]).strip()
        assert mode == "600 root"
        text = host.run(["vm-check", "--format", "prometheus"], timeout_s=60).out
        samples = re.findall(r"pm_kvm_guest_last_fence_\w+\{.*", text)
        print("\n".join(samples))
        assert any('guest="guest2",part="participant",stage="dead"' in each for each in samples)


def is_refused_on_record(pair: Pair) -> None:
    """On the requester's host alone: nobody else took part."""
    for host in pair.lab.hosts:
        host.must(["rm", "-f", settings.FENCE_RECORDS])
    argv = [fencing_guest.CONNECT, "-t", "stonith", "-r", "reset nonsense", "--timeout", "60"]
    asking = fencing_guest.Timed(argv, timeout_s=WAITS_S)
    answered = asking.begin(pair.lab.guests, pair.requester.guest).answered()
    assert answered.text.startswith("NG the token is refused"), answered
    here, there = (recorded(host) for host in pair.lab.hosts)
    print("\n".join(map(str, [*here, *there])))
    assert there == []
    (one,) = here
    assert (one.part, one.outcome, one.operation) == (COORDINATOR, NG, "reset")
    assert (one.requester, one.ban, one.target) == (pair.requester.resource, "", "")
    assert one.request in answered.text
    assert one.reason
    assert "nonsense" not in pair.lab.hosts[0].read(settings.FENCE_RECORDS)


def test_what_waiting_can_t_cure_is_refused_at_once(pair: Pair) -> None:
    boot = pair.place(pair.lab.hosts[0])
    token = stonith.token(pair.target.resource)
    for body, reason in (
        ("reset nonsense", "NG the token is refused"),
        (f"explode {token}", "NG not one of"),
    ):
        argv = [fencing_guest.CONNECT, "-t", "stonith", "-r", body, "--timeout", f"{WAITS_S:.0f}"]
        asking = fencing_guest.Timed(argv, timeout_s=WAITS_S)
        answered = asking.begin(pair.lab.guests, pair.requester.guest).answered()
        assert answered.text.startswith(reason), answered
        assert answered.took_s < WAITS_S / 2
    assert pair.target.counter.boot() == boot


def test_vm_ctl_shows_a_ban_and_clears_one_that_is_over(pair: Pair, is_full: bool) -> None:
    """An `off` leaves its ban to run out."""
    host, other = pair.lab.hosts
    boot, name = pair.place(other), pair.target.guest.name
    assert ban_of(pair) == "no"
    answered = pair.answer("off")
    assert answered.is_ok, answered
    assert ban_of(pair) == "off"
    # The fence's will is not vm-ctl's to break.
    done = host.run(["vm-ctl", "resource", "start", name, "--no-wait"])
    assert done.rc == 0
    assert f"MSG52 {name}: a fence keeps it stopped, until" in done.err
    assert ban_of(pair) == "off"
    assert pair.target.hosts() == []
    if is_full:
        # vm-stonithd leaves other clocks 15 s more, before it removes the ban.
        pair.target.vm_ctl("resource", "stop", name)
        wait_until(lambda: ban_of(pair) == "off, expired", "the ban's end", ban.LEASE_S + 5)
        pair.target.vm_ctl("resource", "start", name)
        assert ban_of(pair) == "no"
    else:
        answered = pair.answer("on")
        assert answered.is_ok, answered
    pair.returned(boot)
    stonith.wait_clean(pair.lab)


def ban_of(pair: Pair) -> str:
    """Its column of `resource list`; a cell may have a blank."""
    argv = ["vm-ctl", "resource", "list", pair.target.guest.name]
    return re.split(r" {2,}", pair.lab.hosts[0].must(argv).splitlines()[-1])[BAN]


def recorded(host: Machine) -> list[Record]:
    return list(record.parse(host.on_disk(settings.FENCE_RECORDS)))


def lines_with(digits: str, host: Machine) -> list[str]:
    return [line for line in host.read(stonith.LOG).splitlines() if digits in line]
