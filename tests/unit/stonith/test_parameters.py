# SPDX-License-Identifier: GPL-2.0-or-later
"""What both faces take as parameters, and what they refuse without telling a token."""

from __future__ import annotations

import pytest

from stonith.plugin import parameters
from stonith.plugin.parameters import Entry, ParameterError

TOKEN = "U2FsdGVkX19OO1zVKCGneLBCaGTaGLZ7gLQiNnpLxRAcmJUOjnZrYg=="


@pytest.mark.parametrize(
    ("values", "entries"),
    [
        ({"hostlist": f"guest2:{TOKEN}"}, [("guest2", TOKEN)]),
        ({"hostlist": "  g1:a\tg2:b\n"}, [("g1", "a"), ("g2", "b")]),
        ({"hostlist": "g1=a", "delimeter": "="}, [("g1", "a")]),
        ({"hostlist": f"g1={TOKEN}", "delimiter": "="}, [("g1", TOKEN)]),
        ({"hostlist": "g1::a", "delimeter": "::", "delimiter": "::"}, [("g1", "a")]),
        ({"hostlist": "g1:a:b"}, [("g1", "a:b")]),
        ({"hostlist": "g1.x-y_z:a", "delimeter": ""}, [("g1.x-y_z", "a")]),
    ],
)
def test_hostlist_is_names_and_tokens(
    values: dict[str, str], entries: list[tuple[str, str]]
) -> None:
    device = parameters.device(values)
    assert [(one.host, one.token) for one in device.entries] == entries
    assert device.timeout_s == 20


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({}, "hostlist is empty"),
        ({"hostlist": " "}, "hostlist is empty"),
        ({"hostlist": TOKEN}, "entry 1 of hostlist is not NAME:TOKEN"),
        ({"hostlist": f"g1:a g2:{TOKEN}", "delimiter": "="}, "entry 1"),
        ({"hostlist": f"g1:a g2:{TOKEN}", "delimiter": "="}, "entry 2"),
        ({"hostlist": f"g1:{TOKEN}", "delimeter": "F"}, "entry 1"),
        ({"hostlist": f":{TOKEN}"}, "entry 1"),
        ({"hostlist": "g1:"}, "entry 1"),
        ({"hostlist": "g1: a"}, "entry 2"),
        ({"hostlist": "g1:a g\x071:b"}, "entry 2"),
        ({"hostlist": "guest1:a GUEST1:b"}, "GUEST1 is in hostlist twice"),
        ({"hostlist": "g1:a", "delimeter": " "}, "a blank"),
        ({"hostlist": "g1:a", "delimiter": ":\t"}, "a blank"),
        ({"hostlist": "g1:a", "delimiter": ":", "delimeter": "="}, "differ"),
        ({"hostlist": "g1:a", "timeout": "0"}, "timeout"),
        ({"hostlist": "g1:a", "timeout": "-1"}, "timeout"),
        ({"hostlist": "g1:a", "timeout": "nan"}, "timeout"),
        ({"hostlist": "g1:a", "timeout": "3601"}, "timeout"),
        ({"hostlist": "g1:a", "timeout": "1m"}, "timeout"),
    ],
)
def test_bad_parameters_are_named_and_no_token_is(values: dict[str, str], complaint: str) -> None:
    with pytest.raises(ParameterError, match=complaint) as caught:
        parameters.device(values)
    assert TOKEN[:8] not in str(caught.value)


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(ParameterError, match=r"blank.*empty.*timeout"):
        parameters.device({"delimeter": " ", "timeout": "x"})


def test_an_entry_shows_no_token() -> None:
    assert TOKEN not in repr(Entry("g1", TOKEN))
    assert TOKEN not in repr(parameters.device({"hostlist": f"g1:{TOKEN}"}))


@pytest.mark.parametrize("name", ["guest1", "GUEST1", "Guest1"])
def test_case_does_not_matter(name: str) -> None:
    device = parameters.device({"hostlist": "Guest1:a guest10:b"})
    found = device.find(name)
    assert found is not None
    assert found.token == "a"
    assert device.find("guest") is None
    assert device.find("") is None


@pytest.mark.parametrize(
    ("text", "seconds"), [("20", 20), ("20s", 20), (" 1.5 s", 1.5), ("", None), ("s", None)]
)
def test_durations(text: str, seconds: float | None) -> None:
    assert parameters.seconds(text) == seconds
