# SPDX-License-Identifier: GPL-2.0-or-later
"""An exchange of keys: each step, and all that makes it too early."""

from __future__ import annotations

import pytest

from pmkvm.tokens import ring
from pmkvm.tokens.key_report import KeyReport, Said
from pmkvm.tokens.ring import Ring, State
from stonith.vm_stonith_key import rotation
from stonith.vm_stonith_key.hosts import Host
from stonith.vm_stonith_key.rotation import UNUSED_S, Step

NOW = 1_795_370_042.0
LONG_AGO = int(NOW) - UNUSED_S - 600
A = ring.new_key(State.SEALS, bytes(range(32)))
B = ring.new_key(State.NEW, bytes(range(1, 33)))


def host(name: str, *keys: ring.Key, used: int = 0, since: int = LONG_AGO) -> Host:
    return Host(name, True, Said(NOW - 3, tuple(KeyReport(key.id, since, used) for key in keys)))


def step(keys: Ring, *hosts: Host) -> Step:
    return rotation.next_step(keys, hosts, NOW, B)


def states(keys: Ring) -> list[tuple[str, str]]:
    return [(key.id, key.state.value) for key in keys.keys]


def test_a_whole_exchange_of_keys() -> None:
    first = step(Ring((A,)), host("host1", A), host("host2", A))
    assert (states(first.ring), first.obstacles) == (
        [(A.id, "seals"), (B.id, "new")],
        ((), ()),
    )
    second = step(first.ring, host("host1", A, B), host("host2", A, B))
    assert (states(second.ring), second.obstacles) == (
        [(A.id, "old"), (B.id, "seals")],
        ((), ()),
    )
    assert second.ring.sealing.id == B.id
    third = step(second.ring, host("host1", A, B), host("host2", A, B))
    assert (states(third.ring), third.obstacles) == ([(B.id, "seals")], ((), ()))


ADDED = Ring((A, B))
USED = Ring((A._replace(state=State.OLD), B._replace(state=State.SEALS)))


@pytest.mark.parametrize("keys", [Ring((A,)), ADDED, USED])
def test_a_host_that_lacks_a_key_stops_every_step(keys: Ring) -> None:
    without = host("host2", *(() if len(keys.keys) == 1 else (A,)))
    no = step(keys, host("host1", A, B), without).obstacles.no
    assert len(no) == 1
    assert "host2 does not have the key" in no[0]


SILENT = {
    "host2 is offline": Host("host2", False, None),
    "vm-stonithd does not run there": Host("host2", True, None),
    "has said nothing for 100 s": Host("host2", True, Said(NOW - 100, ())),
}


@pytest.mark.parametrize("reason", SILENT)
@pytest.mark.parametrize("keys", [Ring((A,)), ADDED, USED])
def test_a_silent_host_stops_every_step_but_a_forced_one(keys: Ring, reason: str) -> None:
    obstacles = step(keys, host("host1", A, B), SILENT[reason]).obstacles
    assert reason in obstacles.those(force=False)[0]
    assert obstacles.those(force=True) == ()


def test_an_old_key_in_use_is_not_retired_by_force_either() -> None:
    used = host("host2", A, B, used=int(NOW) - 3600)
    obstacles = step(USED, host("host1", A, B), used).obstacles
    assert obstacles.those(force=True) == (f"host2 opened a token of {A.id} 1 h 00 min ago",)


def test_who_has_not_looked_for_long_enough_does_not_know() -> None:
    young = host("host2", A, B, since=int(NOW) - 600)
    obstacles = step(USED, host("host1", A, B), young).obstacles
    assert "for 0 h 10 min only, 2 h 00 min are needed" in obstacles.unknown[0]
    assert obstacles.no == ()


def test_without_a_cluster_nothing_is_known() -> None:
    assert step(ADDED).obstacles.unknown == ("no host is known",)


@pytest.mark.parametrize(
    ("used", "told"),
    [
        (0, "never used"),
        # Rounded down by the host that says it.
        (int(NOW) // 600 * 600, "used within 10 min"),
        (int(NOW) - 601, "used 0 h 10 min ago"),
    ],
)
def test_a_key_that_was_never_used_is_told_from_one_that_was_used_just_now(
    used: int, told: str
) -> None:
    (line,) = rotation.table(Ring((A,)), (host("host1", A, used=used),), NOW)
    assert line == f"{A.id} seals  host1 ({told})"


def test_the_table_names_the_hosts_of_each_key_and_keys_that_are_not_ours() -> None:
    lines = rotation.table(
        Ring((A,)), (host("host1", A, used=int(NOW) - 1200), host("host2", A, B)), NOW
    )
    assert lines == [
        f"{A.id} seals  host1 (used 0 h 20 min ago), host2 (never used)",
        f"{B.id} -      host2 (never used), not in this file",
    ]
