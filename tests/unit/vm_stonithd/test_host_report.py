# SPDX-License-Identifier: GPL-2.0-or-later
"""A host's words as one line of text: there and back, bounded, and read with tolerance."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemons.vm_stonithd.model import host_report
from daemons.vm_stonithd.model.host_report import (
    LONGEST,
    MOST_DONE,
    BanReport,
    Done,
    HostReport,
    Objection,
    Stage,
    decode,
    encode,
)
from pmkvm.tokens.key_report import KeyReport

NAMES = st.text(st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=12)
HOSTS = st.frozensets(NAMES, max_size=3)
BAN_REPORT = st.builds(
    BanReport,
    st.sampled_from(Stage),
    HOSTS,
    objection=st.none() | st.sampled_from(Objection),
    judged=HOSTS,
)
KEY = st.builds(KeyReport, st.from_regex(r"\A[0-9a-f]{8}\Z"), st.integers(), st.integers())
DONE = st.builds(Done, NAMES, st.booleans(), NAMES, NAMES, NAMES)
HOST_REPORT = st.builds(
    HostReport,
    st.integers(0, 2**31).map(float),
    st.dictionaries(NAMES, BAN_REPORT, max_size=3),
    st.lists(DONE, max_size=4).map(tuple),
    st.lists(KEY, max_size=3).map(tuple),
)


@given(HOST_REPORT)
def test_they_come_back_as_they_were_said(said: HostReport) -> None:
    text = host_report.encode(said)
    assert host_report.decode(text) == said
    assert '"' not in text
    assert text.isascii()
    assert "\n" not in text


def test_they_read_well() -> None:
    hosts = frozenset({"host1", "host2"})
    said = HostReport(
        1795370042.25,
        {
            "9c41": BanReport(Stage.DEAD, hosts, judged=frozenset({"host3"})),
            "77": BanReport(objection=Objection.CLOCK),
        },
        (
            Done("9c41", True, "guest1", "5be0", "guest2", "off"),
            Done("-", False, "g", "1", "h", "reset"),
        ),
    )
    assert host_report.encode(said) == (
        "up=1795370042.250; ban=77 clock; ban=9c41 dead saw=host1,host2 for=host3;"
        " done=9c41 ok guest1 5be0 guest2 off; done=- ng g 1 h reset"
    )


@given(st.text())
def test_any_text_is_survived(text: str) -> None:
    host_report.decode(text)
    host_report.decode(f"up=1.0; {text}")


@pytest.mark.parametrize("text", ["", "ban=1 dead", "up=", "up=soon", "up=nan", "up=inf", "down=1"])
def test_a_host_without_up_says_nothing(text: str) -> None:
    assert host_report.decode(text) is None


def test_what_a_later_release_adds_is_passed_over() -> None:
    text = (
        "up=1.0; mood=fine; ban=1 barred humming saw=a level=3; done=1 ok g h t off later; done=2"
    )
    assert host_report.decode(text) == HostReport(
        1.0,
        {"1": BanReport(Stage.BARRED, frozenset({"a"}))},
        (Done("1", True, "g", "h", "t", "off"),),
    )


def test_an_answer_without_its_operation_is_remembered() -> None:
    said = host_report.decode("up=1.0; done=1 ok g h t")
    assert said is not None
    assert said.done == (Done("1", True, "g", "h", "t", ""),)


@pytest.mark.parametrize("count", [MOST_DONE, 5 * MOST_DONE])
def test_the_oldest_answers_are_forgotten_first_and_long_names_are_bounded(count: int) -> None:
    done = tuple(Done(f"b{n}", True, "r" * 250, f"h{n}", "t" * 250, "reset") for n in range(count))
    text = encode(HostReport(1.0, {}, done))
    assert LONGEST - 1000 < len(text) <= LONGEST
    decoded = decode(text)
    assert decoded is not None
    assert decoded.done == done[-len(decoded.done) :]


def test_one_guests_answers_do_not_push_out_anothers() -> None:
    quiet = Done("b0", True, "quiet", "h", "target", "reset")
    flood = [
        Done(f"b{n}", False, "flooding", f"h{n}", "target", "reset") for n in range(3 * MOST_DONE)
    ]
    decoded = decode(encode(HostReport(1.0, {}, (quiet, *flood))))
    assert decoded is not None
    assert decoded.done == (quiet, *flood[1 - MOST_DONE :])
