# SPDX-License-Identifier: GPL-2.0-or-later
"""The ban as text: the form of the protocol, told live or not, and nothing that breaks out."""

from __future__ import annotations

import calendar
import time
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmkvm.fencing import ban, instant
from pmkvm.fencing.ban import Ban, BanError

UUID = "1f0c2b6e-5d5e-4c1b-9a53-0f8d7a3b9c10"
BAN = Ban(
    "prmVMCTL_guest2",
    "reset",
    "9c41d7e02b6f5a13",
    "prmVMCTL_guest1",
    "5be0cd19137e2179",
    "host1",
    UUID,
    instant.from_text("2026-11-22T14:34:24Z"),
)
XML = f"""
<rsc_location id="vm-stonith-prmVMCTL_guest2" rsc="prmVMCTL_guest2">
  <rule id="vm-stonith-prmVMCTL_guest2-rule" score="-INFINITY" boolean-op="and">
    <expression id="vm-stonith-prmVMCTL_guest2-request" attribute="#kind" operation="ne"
      value="reset:9c41d7e02b6f5a13:prmVMCTL_guest1:5be0cd19137e2179:host1:{UUID}"/>
    <date_expression id="vm-stonith-prmVMCTL_guest2-lease" operation="lt"
      end="2026-11-22T14:34:24Z"/>
  </rule>
</rsc_location>"""

TEXT = st.text(st.characters(blacklist_categories=["Cs"]), max_size=20)


def canonical(text: str) -> str:
    return ElementTree.canonicalize(text, strip_text=True)


def test_it_is_written_as_the_protocol_has_it() -> None:
    assert canonical(ban.to_xml(BAN)) == canonical(XML)


def test_it_is_read_back_alone_among_others_and_in_a_whole_cib() -> None:
    other = ban.to_xml(BAN._replace(resource="x", id="1"))
    plain = '<rsc_location id="vm-ctl" rsc="prmVMCTL_guest2" node="host1" score="1"/>'
    for answer in (
        XML,
        f"<xpath-query>{plain}{other}{XML}</xpath-query>",
        f"<cib><configuration><constraints>{XML}{other}</constraints></configuration></cib>",
    ):
        assert ban.find(answer, "prmVMCTL_guest2") == BAN
    assert ban.find(other, "prmVMCTL_guest2") is None
    assert ban.find("", "prmVMCTL_guest2") is None
    assert ban.find_all(f"<a>{other}{plain}{XML}</a>") == (
        [BAN._replace(resource="x", id="1"), BAN],
        [],
    )


@given(TEXT, TEXT, TEXT)
def test_no_id_breaks_out_of_its_field(requester: str, coordinator: str, uuid: str) -> None:
    odd = BAN._replace(requester=requester, coordinator=coordinator, uuid=uuid)
    assert ban.find(ban.to_xml(odd), odd.resource) == odd
    assert odd.value.count(":") == 5
    assert not set(odd.value) & set("\"'<>& \n")


def test_a_colon_in_a_resource_s_id_is_no_separator() -> None:
    odd = BAN._replace(requester="a:b%3A")
    assert ":a%3Ab%253A:" in odd.value
    assert ban.find(ban.to_xml(odd), odd.resource) == odd


def test_a_settle_ban_has_no_requester() -> None:
    settle = BAN._replace(operation="settle", requester="", request="")
    assert settle.value == f"settle:9c41d7e02b6f5a13:::host1:{UUID}"
    assert ban.find(ban.to_xml(settle), settle.resource) == settle


def test_a_field_of_a_later_release_is_passed_over() -> None:
    text = ban.to_xml(BAN).replace(UUID, f"{UUID}:later")
    assert ban.find(text, BAN.resource) == BAN


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("reset:", "sleep:"),
        (":host1:", ":"),
        ("9c41d7e02b6f5a13", ""),
        ("host1", "host%zz"),
        ("host1", "host%FF"),
        ("14:34:24Z", "14:34:24"),
        ("14:34:24Z", "25:34:24Z"),
        ("date_expression", "op_expression"),
        ('rsc="prmVMCTL_guest2"', 'rsc="prmVMCTL_guest3"'),
        ("</rule>", ""),
    ],
)
def test_what_is_no_ban_is_never_taken_for_none(old: str, new: str) -> None:
    broken = ban.to_xml(BAN).replace(old, new)
    assert broken != ban.to_xml(BAN)
    with pytest.raises(BanError):
        ban.find(broken, BAN.resource)


def test_a_ban_that_nobody_understands_does_not_hide_the_others() -> None:
    broken = ban.to_xml(BAN._replace(resource="x")).replace("reset", "sleep")
    found, complaints = ban.find_all(f"<a>{broken}{XML}</a>")
    assert found == [BAN]
    assert len(complaints) == 1


def test_it_is_live_until_its_end() -> None:
    assert BAN.is_live(BAN.end - 0.1)
    assert not BAN.is_live(BAN.end)


def test_it_is_asked_for_by_its_id() -> None:
    place = "/cib/configuration/constraints/rsc_location"
    assert ban.xpath("g") == f"{place}[@id='vm-stonith-g']"
    assert ban.xpath_of_all() == f"{place}[starts-with(@id,'vm-stonith-')]"
    with pytest.raises(ValueError, match="can't be an id"):
        ban.xpath("g']|//*[@id='h")


@given(st.integers(0, 253402300799))
def test_times_of_day_go_there_and_back(seconds: int) -> None:
    text = instant.to_text(seconds)
    assert instant.from_text(text) == seconds
    assert calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ")) == seconds


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-62167219200, "0000-01-01T00:00:00Z"),
        (-62162121601, "0000-02-28T23:59:59Z"),
        (253402300800, "10000-01-01T00:00:00Z"),
    ],
)
def test_years_that_datetime_does_not_know(seconds: int, text: str) -> None:
    assert instant.to_text(seconds) == text
    assert instant.from_text(text) == seconds


@pytest.mark.parametrize("text", ["2026-11-22 14:34:24Z", "2026-11-22T14:34:24+00:00"])
def test_a_tool_s_spelling_of_the_time_is_understood(text: str) -> None:
    assert instant.to_text(instant.from_text(text)) == "2026-11-22T14:34:24Z"


@pytest.mark.parametrize(
    "text",
    [
        *("", "Z", "now", "2026-11-22Z", "2026-02-31T00:00:00Z", "2026-11-22T24:00:00Z"),
        *("1-2-3T1:2:3Z", "2026-11-22T14:34:24+01:00", "2026-13-01T00:00:00Z"),
        *("2026-11-22T14:34Z", "2026-11-22T14:34:24.0Z", "2026-11-22T14:34:24+01:00Z"),
        *("2026-11-22T14:34:24", "2026-11-22T14:34:24+00:00Z", "2026-11-22+00:00Z"),
        *("20261122T143424Z", "2026-W47-7T14:34:24Z", "2026-11-22T14:34:24ZZ"),
    ],
)
def test_what_is_no_time_in_utc_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no time in UTC"):
        instant.from_text(text)
