# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest's question for its host's attributes, and the answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmkvm.wire import codec, host_attributes
from pmkvm.wire.errors import MessageError
from pmkvm.wire.host_attributes import LONGEST_VALUE_BYTES, MOST_NAMES, Answer

VALUES = st.text(max_size=300).filter(host_attributes.is_value)


def test_an_answer_reads_as_in_2011() -> None:
    text = host_attributes.encode({"default_ping_set": "green", "diskcheck_status": ""})
    assert text == "default_ping_set=green,diskcheck_status="
    answer = host_attributes.decode(text, ("default_ping_set", "diskcheck_status"))
    assert answer == ({"default_ping_set": "green"}, [])


@given(st.dictionaries(st.sampled_from(["a", "b", "c"]), VALUES, min_size=1))
def test_every_value_survives(values: dict[str, str]) -> None:
    assert host_attributes.decode(host_attributes.encode(values), ("a", "b", "c")) == (values, [])


@given(st.text() | st.text(alphabet="ab=,%25C x\n"))
def test_of_whatever_a_host_says_only_what_was_asked_for_and_is_fit_counts(text: str) -> None:
    try:
        answer = host_attributes.decode(text, ("a", "b"))
    except MessageError as error:
        answer = Answer({}, [str(error)])
    assert set(answer.values) <= {"a", "b"}
    assert all(host_attributes.is_value(value) for value in answer.values.values())
    assert all(each.isprintable() for each in answer.dropped)


@given(st.text() | st.text(alphabet="ab -'#:\n"))
def test_of_whatever_a_guest_asks_only_names_get_through(text: str) -> None:
    try:
        names = host_attributes.names_of(text)
    except MessageError as error:
        names, refused = (), str(error)
    else:
        refused = ""
    assert refused.isprintable()
    assert all(host_attributes.is_name(name) for name in names)


def test_commas_blanks_and_equals_signs_survive() -> None:
    text = host_attributes.encode({"a": "1, 2 = 3%2C", "b": " x "})
    assert text == "a=1%2C 2 = 3%252C,b= x "
    assert host_attributes.decode(text, ("a", "b")).values == {"a": "1, 2 = 3%2C", "b": " x "}


def test_what_was_not_asked_for_is_dropped_and_told() -> None:
    """A host could set any attribute of the guest in 2011."""
    answer = host_attributes.decode("a=1,standby=on,\x1b[2J=x,a=2", ("a", "b"))
    assert answer == ({"a": "1"}, ['"standby"', '"\\x1b[2J"', '"a"'])


@pytest.mark.parametrize("value", ["x" * (LONGEST_VALUE_BYTES + 1), "a\nb", "\x00", "\u8a08" * 86])
def test_a_value_out_of_bounds_counts_as_not_defined(value: str) -> None:
    assert not host_attributes.is_value(value)
    values, (dropped,) = host_attributes.decode(f"a={value},b=1", ("a", "b"))
    assert values == {"b": "1"}
    assert dropped.startswith("the value of a, ")
    assert dropped.isprintable()


@pytest.mark.parametrize("text", ["", "NG too many", "a", "a=1,b", "a=%", "a=%2", "a=%41", "a=1,"])
def test_what_is_no_answer_is_none(text: str) -> None:
    with pytest.raises(MessageError):
        host_attributes.decode(text, ("a", "b"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n",
        "-n",
        "a'b",
        "a/b",
        "a=b",
        "a,b",
        "#uname",
        "x" * 65,
        "\u8a08",
        " ".join(f"a{number}" for number in range(MOST_NAMES + 1)),
    ],
)
def test_what_is_no_question_is_refused(text: str) -> None:
    with pytest.raises(MessageError) as refused:
        host_attributes.names_of(text)
    assert str(refused.value).isprintable()


def test_names_of_a_question() -> None:
    assert host_attributes.names_of(" a  b a\n#health-disk ") == ("a", "b", "#health-disk")


@pytest.mark.parametrize("name", ["standby", "shutdown", "fail-count-x.start_0", "terminate"])
def test_no_host_gives_orders_to_the_guests_pacemaker(name: str) -> None:
    assert host_attributes.names_of(name) == (name,)
    with pytest.raises(MessageError, match="Pacemaker's own"):
        host_attributes.names_for_this_node(f"a {name}")


@pytest.mark.parametrize("character", [",", '"', "\\", "\u8a08", "\U0001f600"])
def test_the_longest_answer_fits_a_frame(character: str) -> None:
    value = character * (LONGEST_VALUE_BYTES // len(character.encode()))
    names = [f"{number:02d}".rjust(64, "a") for number in range(MOST_NAMES)]
    text = host_attributes.encode(dict.fromkeys(host_attributes.names_of(" ".join(names)), value))
    assert codec._size(text) <= codec.MAX_BODY
