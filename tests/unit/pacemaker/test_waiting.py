# SPDX-License-Identifier: GPL-2.0-or-later
"""When waiting ends, and what is said of failures."""

from __future__ import annotations

from collections import deque

import pytest

from pmkvm import run
from pmkvm.pacemaker import failure, status, waiting
from pmkvm.pacemaker.status import Cluster, Failure
from tests.unit.vmctl.world import cluster, running

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Follow = Callable[..., None]

G1, G2 = "prmVMCTL_g1", "prmVMCTL_g2"
OFF = running("g1", role="Stopped")


@pytest.fixture
def follow(monkeypatch: pytest.MonkeyPatch) -> Follow:
    """A cluster that is seen so, look after look; the last one stays."""
    monkeypatch.setattr(waiting, "POLL_S", 0.0)

    def these(*looks: str) -> None:
        left = deque(map(cluster, looks))
        query = lambda _deadline: left.popleft() if len(left) > 1 else left[0]  # noqa: E731
        monkeypatch.setattr(status, "query", query)

    return these


def waited(*names: str, patience_s: float = 5.0) -> waiting.Outcome:
    return waiting.wait_for(names, Cluster.is_started, patience_s, str)


def test_progress_of_one_guest_gives_the_others_their_time(follow: Follow) -> None:
    first, second = running("g1", "hostA"), running("g2", "hostA")
    follow(running("g2", role="Stopped"), first, first, first + second)
    assert waited(G1, G2).late == []
    follow(first)
    assert waited(G1, G2, patience_s=0.05).late == [G2]


@pytest.mark.parametrize(
    ("resources", "state", "is_settled"),
    [
        (OFF, "S_IDLE", True),
        (OFF, "S_TRANSITION_ENGINE", False),
        (OFF + running("g2", more='pending="Starting"'), "S_IDLE", False),
    ],
)
def test_waiting_ends_when_the_cluster_has_nothing_left_to_do(
    follow: Follow, monkeypatch: pytest.MonkeyPatch, resources: str, state: str, is_settled: bool
) -> None:
    asked: list[Sequence[str]] = []

    def crmadmin(argv: Sequence[str], **_more: object) -> run.Completed:
        asked.append(argv)
        return run.Completed(0, f"Status of crmd@hostA: {state} (ok)", "")

    monkeypatch.setattr(waiting, "BEGINS_S", 0.0)
    monkeypatch.setattr(run, "run", crmadmin)
    follow(resources)
    outcome = waited(G1, patience_s=60.0 if is_settled else 0.05)
    assert (outcome.late, outcome.is_settled) == ([G1], is_settled)
    if is_settled:
        assert asked == [("crmadmin", "--status", "hostA")] * 2


def test_a_cluster_is_given_time_to_begin(follow: Follow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "is_idle", lambda _cluster: True)
    follow(OFF)
    assert not waited(G1, patience_s=0.05).is_settled


def test_one_that_has_failed_does_not_run_where_it_is_shown() -> None:
    assert cluster(running("g1", "hostA")).is_started(G1)
    assert not cluster(running("g1", "hostA", more='failed="true"')).is_started(G1)


def failed(at: str = "", task: str = "migrate_to", reason: str = "", name: str = G1) -> Failure:
    return Failure(f"{name}_{task}_0", "hostA", reason, "Error occurred", at)


def test_failures_of_it_alone_are_said_with_a_reason_or_pacemakers_word() -> None:
    failures = (failed(reason="no image"), failed(name="prmVMCTL_g10"), failed(task="start"))
    found = cluster()._replace(failures=failures)
    assert failure.sentences(found, G1) == [
        "migrate_to failed on hostA: no image",
        "start failed on hostA: error occurred",
    ]


def test_a_failure_is_new_that_was_not_known_of_that_time() -> None:
    found = cluster()._replace(failures=(failed("1"), failed("2"), failed("3", "monitor")))
    assert failure.new([failed("1")], found, G1, ["migrate_to"]) == [failed("2")]
