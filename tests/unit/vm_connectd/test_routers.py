# SPDX-License-Identifier: GPL-2.0-or-later
"""What the two routers decide, without a loop, a socket or a clock."""

from __future__ import annotations

import pytest

from daemons.vm_connectd import limits
from daemons.vm_connectd.guest_router import GuestRouter, ToClient
from daemons.vm_connectd.host_router import HostRouter, ToGuest
from daemons.vm_connectd.timetable import Timetable
from pmkvm.service.bucket import Bucket
from pmkvm.wire.message import Answer, Forwarded, Reply, Request, Sender, Unavailable

FIRST = 1000
Router = HostRouter[str, str]


def sender(name: str) -> Sender:
    return Sender(f"uuid-{name}", 1, 2, name, f"prm-{name}")


def request(number: object = 1, seconds: float = 10.0, body: str = "reset T") -> Request:
    return Request("stonith", f"id-{number}", seconds, body)


@pytest.fixture
def router() -> Router:
    made: Router = HostRouter(FIRST)
    made.guest_joined("a", sender("a"), 0.0)
    made.guest_joined("b", sender("b"), 0.0)
    return made


def forwarded(router: Router, now: float = 0.0) -> list[Forwarded]:
    taken = []
    while (action := router.next_for("stonith", now)) is not None:
        taken.append(action.message)
    return taken


def ask(router: Router, guest: str, asked: Request, now: float = 0.0) -> str:
    """The reason of a refusal, empty if it was taken on."""
    return "".join(
        each.message.reason
        for each in router.requested(guest, asked, now)
        if isinstance(each.message, Unavailable)
    )


def test_a_request_carries_the_hosts_stamp_and_what_is_left_of_its_time(router: Router) -> None:
    router.registered("s", "stonith")
    ask(router, "a", request())
    assert forwarded(router, 2.0) == [
        Forwarded(FIRST, sender("a"), "stonith", "id-1", 8.0, "reset T")
    ]


def test_the_same_id_of_two_guests_are_two_requests(router: Router) -> None:
    router.registered("s", "stonith")
    ask(router, "a", request())
    ask(router, "b", request())
    one, other = forwarded(router)
    assert router.answered("s", Answer(other.route, "stonith", "id-1", "OK b")) == [
        ToGuest("b", Reply("stonith", "id-1", "OK b"))
    ]
    assert router.answered("s", Answer(one.route, "stonith", "id-1", "OK a")) == [
        ToGuest("a", Reply("stonith", "id-1", "OK a"))
    ]


def test_a_request_sent_again_is_the_same_one(router: Router) -> None:  # L8
    router.registered("s", "stonith")
    ask(router, "a", request())
    assert len(forwarded(router)) == 1
    router.guest_begins_anew("a")
    assert ask(router, "a", request()) == ""
    assert forwarded(router) == []
    assert ask(router, "a", request(body="reset OTHER")) == "the id is another request's"
    assert len(router.answered("s", Answer(FIRST, "stonith", "id-1", "OK"))) == 1
    assert router.answered("s", Answer(FIRST, "stonith", "id-1", "OK")) == []
    assert router.stray_answers == 1


@pytest.mark.parametrize(
    "answer",
    [
        Answer(FIRST + 1, "stonith", "id-1", "OK"),
        Answer(FIRST, "stonith", "id-2", "OK"),
        Answer(FIRST, "monitor", "id-1", "OK"),
    ],
)
def test_an_answer_to_nothing_goes_nowhere(  # L5
    router: Router, answer: Answer
) -> None:
    router.registered("s", "stonith")
    ask(router, "a", request())
    forwarded(router)
    assert router.answered("s", answer) == []
    assert router.outstanding("a") == 1


def test_only_the_server_of_a_service_answers_for_it(router: Router) -> None:  # S5
    router.registered("s", "stonith")
    router.registered("m", "monitor")
    ask(router, "a", request())
    forwarded(router)
    assert router.answered("m", Answer(FIRST, "stonith", "id-1", "OK")) == []
    assert router.answered("nobody", Answer(FIRST, "stonith", "id-1", "OK")) == []


def test_without_a_server_a_request_is_kept_and_refused_just_before_its_end(router: Router) -> None:
    ask(router, "a", request(1, 5.0))
    ask(router, "b", request(2, 60.0))
    assert router.next_time() == 4.5
    assert router.tick(4.4) == []
    (action,) = router.tick(4.5)
    assert action.guest == "a"
    assert action.message == Unavailable(
        "stonith", "id-1", "no server for stonith is registered on the host"
    )
    router.registered("s", "stonith")
    assert [each.id for each in forwarded(router, 5.0)] == ["id-2"]


def test_what_a_lost_server_had_goes_to_the_next_under_the_same_route(router: Router) -> None:
    router.registered("s", "stonith")
    ask(router, "a", request(1))
    ask(router, "a", request(2))
    first = forwarded(router)
    router.answered("s", Answer(first[0].route, "stonith", "id-1", "OK"))
    router.server_gone("s")
    assert router.waiting("stonith") == 1
    router.registered("t", "stonith")
    assert [(each.route, each.seconds) for each in forwarded(router, 3.0)] == [(FIRST + 1, 7.0)]


def test_a_forwarded_request_ends_silently_at_its_deadline(router: Router) -> None:
    router.registered("s", "stonith")
    ask(router, "a", request(1, 5.0))
    forwarded(router)
    assert router.tick(4.9) == []
    assert router.outstanding("a") == 1
    assert router.tick(5.0) == []
    assert router.outstanding("a") == 0
    assert router.counters("a").expired == 1
    assert router.next_time() is None


def test_a_guest_that_is_gone_leaves_nothing(router: Router) -> None:
    router.registered("s", "stonith")
    ask(router, "a", request(1))
    forwarded(router)
    ask(router, "a", request(2))
    router.guest_gone("a")
    router.guest_gone("a")
    assert forwarded(router) == []
    assert router.answered("s", Answer(FIRST, "stonith", "id-1", "OK")) == []
    assert router.tick(100.0) == []


def test_a_guest_that_begins_anew_loses_what_nobody_has(router: Router) -> None:
    ask(router, "a", request(1))
    router.guest_begins_anew("a")
    router.registered("s", "stonith")
    assert forwarded(router) == []


def test_one_guests_flood_is_refused_and_another_is_served(router: Router) -> None:
    reasons = [ask(router, "a", request(number)) for number in range(1000)]
    assert reasons.count("") == limits.OUTSTANDING_REQUESTS
    assert reasons.count("too many requests at a time") == 100 - limits.OUTSTANDING_REQUESTS
    assert reasons.count("too many requests") == 900
    assert ask(router, "b", request()) == ""
    assert ask(router, "a", request("later"), 0.01) == "too many requests"
    assert ask(router, "a", request("later"), 5.0) == "too many requests at a time"
    assert router.counters("a").too_many == 1000 - limits.OUTSTANDING_REQUESTS + 2


def test_what_a_guest_keeps_here_is_bounded(router: Router) -> None:
    big = "x" * 32768
    assert [ask(router, "a", request(n, body=big)) for n in range(3)] == [
        "",
        "",
        "too many requests at a time",
    ]
    router.guest_begins_anew("a")
    assert ask(router, "a", request(9, body=big)) == ""


def test_a_timetable_does_not_grow_with_what_is_over() -> None:  # S15
    table = Timetable()
    for key in range(10_000):
        table.set(key, 3600.0 + key)
        table.unset(key)
    assert len(table) < 100
    table.set(1, 5.0)
    table.set(1, 9.0)
    table.set(2, 7.0)
    assert table.next() == 7.0
    assert table.take_due(9.0) == [2, 1]
    assert table.take_due(9000.0) == []


def test_a_bucket_refills_but_not_above_its_burst() -> None:
    bucket = Bucket(2.0, 3.0, 0.0)
    assert [bucket.take(0.0) for _ in range(4)] == [True, True, True, False]
    assert bucket.take(0.5)
    assert not bucket.take(0.6)
    assert [bucket.take(100.0) for _ in range(4)] == [True, True, True, False]
    assert bucket.take_anyway(4.0, 100.0) == pytest.approx(2.0)


# --- the guest's side


def sent(router: GuestRouter[str], now: float = 0.0) -> list[tuple[str, float]]:
    taken = []
    while (each := router.next_for_host(now)) is not None:
        taken.append((each.id, each.seconds))
    return taken


@pytest.fixture
def guest() -> GuestRouter[str]:
    made: GuestRouter[str] = GuestRouter()
    made.opened()
    return made


def test_each_new_host_end_gets_all_that_is_outstanding_again(guest: GuestRouter[str]) -> None:
    guest.requested("c", request(1), 0.0)
    guest.requested("d", request(2), 1.0)
    assert sent(guest, 1.0) == [("id-1", 9.0), ("id-2", 10.0)]
    guest.answered(Reply("stonith", "id-1", "OK"))
    guest.closed()
    guest.requested("c", request(3), 2.0)
    assert sent(guest, 2.0) == []
    guest.opened()
    assert sent(guest, 3.0) == [("id-2", 8.0), ("id-3", 9.0)]
    guest.opened()
    assert len(sent(guest, 3.0)) == 2
    assert guest.sent_again == 3


def test_an_answer_is_delivered_once_and_only_to_who_asked(guest: GuestRouter[str]) -> None:
    guest.requested("c", request(1), 0.0)
    sent(guest)
    assert guest.answered(Reply("stonith", "id-1", "OK")) == [
        ToClient("c", Reply("stonith", "id-1", "OK"))
    ]
    assert guest.answered(Reply("stonith", "id-1", "OK")) == []
    assert guest.answered(Reply("stonith", "id-9", "OK")) == []
    assert guest.stray_answers == 2


def test_a_client_that_goes_is_forgotten_and_the_others_stay(guest: GuestRouter[str]) -> None:
    guest.requested("c", request(1), 0.0)
    guest.requested("d", request(2), 0.0)
    guest.client_gone("c")
    assert sent(guest) == [("id-2", 10.0)]
    assert guest.answered(Reply("stonith", "id-1", "OK")) == []
    # Its next process may ask again under the same id.
    assert guest.requested("e", request(1), 0.0) == []


def test_two_clients_do_not_share_an_id(guest: GuestRouter[str]) -> None:
    guest.requested("c", request(1), 0.0)
    (refusal,) = guest.requested("d", request(1), 0.0)
    assert refusal.client == "d"
    assert isinstance(refusal.message, Unavailable)


def test_a_request_that_never_left_is_refused_before_its_end(guest: GuestRouter[str]) -> None:
    guest.closed()
    guest.requested("c", request(1, 5.0), 0.0)
    (refusal,) = guest.tick(4.5)
    assert isinstance(refusal.message, Unavailable)
    guest.opened()
    assert sent(guest, 4.6) == []


def test_a_request_that_left_is_forgotten_at_its_end(guest: GuestRouter[str]) -> None:
    guest.requested("c", request(1, 5.0), 0.0)
    sent(guest)
    assert guest.tick(4.9) == []
    assert guest.outstanding == 1
    assert guest.tick(5.0) == []
    assert guest.outstanding == 0


def test_a_guests_programs_are_bounded_together(guest: GuestRouter[str]) -> None:
    refused = [guest.requested("c", request(number), 0.0) for number in range(40)]
    assert [bool(each) for each in refused].count(True) == 40 - limits.OUTSTANDING_REQUESTS
