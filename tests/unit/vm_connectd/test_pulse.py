# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from daemons.vm_connectd import pulse
from daemons.vm_connectd.pulse import ANSWER_LOOKS, GREETING_LOOKS, LOOK_S, QUIET_S, Pulse


def greeted(*, answers_echo: bool = True) -> Pulse:
    made = Pulse(0.0)
    made.heard(0.0)
    made.greeted(answers_echo=answers_echo)
    return made


def looks(one: Pulse, count: int, begin: float = 0.0) -> list[float]:
    """When it is to be asked."""
    times = [begin + number * LOOK_S for number in range(1, count + 1)]
    return [now for now in times if one.look(now)]


def test_the_times_are_those_of_the_protocols_page() -> None:
    assert (LOOK_S, QUIET_S) == (2.0, 60.0)
    assert (ANSWER_LOOKS * LOOK_S, GREETING_LOOKS * LOOK_S) == (10.0, 60.0)


def test_a_guest_that_is_quiet_is_asked_and_then_left_alone_until_it_speaks() -> None:
    one = greeted()
    assert looks(one, 29) == []
    assert one.look(QUIET_S)
    one.asked()
    assert looks(one, 1000, QUIET_S) == []


def test_a_guest_that_speaks_by_itself_is_not_asked() -> None:
    one = greeted()
    for minute in range(10):
        one.heard(minute * 50.0)
        assert looks(one, 24, minute * 50.0) == []
    assert not one.is_mute


def test_who_does_not_answer_is_mute_until_any_word() -> None:
    one = greeted()
    one.asked()
    was_mute = []
    for _ in range(50):
        looks(one, 1)
        was_mute.append(one.is_mute)
    assert was_mute.index(True) == ANSWER_LOOKS - 1
    assert all(was_mute[ANSWER_LOOKS:])
    one.heard(110.0)
    assert not one.is_mute
    assert one.quiet_s(111.0) == 1.0
    assert looks(one, 30, 110.0) == [170.0]


def test_a_pause_of_the_hosts_daemon_is_nobodys_silence() -> None:
    one = greeted()
    one.asked()
    one.look(1000.0)
    assert not one.is_mute


def test_a_guest_that_never_greets_is_mute_after_a_minute() -> None:
    one = Pulse(0.0)
    looks(one, GREETING_LOOKS - 1)
    assert not one.is_mute
    looks(one, 1)
    assert one.is_mute


def test_a_guest_of_an_older_release_is_never_asked_and_never_mute() -> None:
    one = greeted(answers_echo=False)
    assert looks(one, 1000) == []
    assert not one.is_mute


@given(st.lists(st.sampled_from(["look", "heard", "greeted", "old"])))
def test_at_most_one_question_is_open(events: list[str]) -> None:
    one, now, is_open = Pulse(0.0), 0.0, False
    for event in events:
        now += pulse.QUIET_S
        if event == "look":
            if one.look(now):
                assert not is_open
                one.asked()
                is_open = True
        else:
            one.heard(now)
            is_open = False
            if event != "heard":
                one.greeted(answers_echo=event == "greeted")
            assert not one.is_mute
