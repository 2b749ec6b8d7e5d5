# SPDX-License-Identifier: GPL-2.0-or-later
"""The table as XML, in both forms; tests/tools holds it against the distribution's grammars."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from pmkvm.ocf.metadata import metadata
from pmkvm.ocf.table import Action, Agent, Parameter
from tests.unit.ocf.sample import agent_with, call, succeed

NASTY = "a < b & c > \"d\" 'e' ]]> \u8a08 <!-- x -->"

SAMPLE = agent_with(("start", succeed), ("monitor", succeed), ("reload-agent", succeed))


def parsed(agent: Agent, env: dict[str, str]) -> ET.Element:
    called = call(agent, "meta-data", env=env)
    assert (called.rc, called.err) == (0, "")
    return ET.fromstring(called.out.encode())


def parameter(root: ET.Element, name: str) -> dict[str, str]:
    (element,) = [one for one in root.iter("parameter") if one.get("name") == name]
    return dict(element.attrib)


@pytest.mark.parametrize(
    ("major", "minor", "version"),
    [
        (None, None, "1.0"),
        ("1", None, "1.0"),
        ("1", "0", "1.0"),
        ("1", "1", "1.1"),
        (None, "1", "1.1"),
        ("1", "12", "1.1"),
        # An API that does not exist yet: the form that everybody understands.
        ("2", "1", "1.0"),
        ("1", "x", "1.0"),
        ("1", "\u00b2", "1.0"),
    ],
)
def test_the_caller_says_which_form_it_speaks(
    major: str | None, minor: str | None, version: str
) -> None:
    said = {"OCF_RA_VERSION_MAJOR": major, "OCF_RA_VERSION_MINOR": minor}
    env = {name: value for name, value in said.items() if value is not None}
    assert parsed(SAMPLE, env).findtext("version") == version


def test_the_old_form_has_unique_and_nothing_of_the_new_one() -> None:
    root = parsed(SAMPLE, {})
    assert parameter(root, "config") == {"name": "config", "unique": "1", "required": "1"}
    assert parameter(root, "count") == {"name": "count", "unique": "0", "required": "0"}
    actions = [one.get("name") for one in root.iter("action")]
    assert actions == ["start", "monitor", "meta-data"]


def test_the_new_form_has_groups_and_reloadable_parameters() -> None:
    root = parsed(SAMPLE, {"OCF_RA_VERSION_MAJOR": "1", "OCF_RA_VERSION_MINOR": "1"})
    assert parameter(root, "config") == {
        "name": "config",
        "unique-group": "config",
        "reloadable": "0",
        "required": "1",
    }
    assert parameter(root, "count") == {"name": "count", "reloadable": "1", "required": "0"}
    actions = [one.get("name") for one in root.iter("action")]
    assert actions == ["start", "monitor", "reload-agent", "meta-data"]


def test_types_and_defaults_come_from_the_table() -> None:
    contents = {
        one.get("name"): dict(one[2].attrib) for one in parsed(SAMPLE, {}).iter("parameter")
    }
    assert contents == {
        "config": {"type": "string"},
        "uri": {"type": "string", "default": "qemu:///system"},
        "count": {"type": "integer", "default": "3"},
        "force": {"type": "boolean", "default": "false"},
    }


def test_actions_have_their_times_in_seconds() -> None:
    attributes = [dict(one.attrib) for one in parsed(SAMPLE, {}).iter("action")]
    assert attributes == [
        {"name": "start", "timeout": "30s"},
        {"name": "monitor", "timeout": "30s", "interval": "10s", "depth": "0"},
        {"name": "meta-data", "timeout": "5s"},
    ]


@pytest.mark.parametrize("ocf_1_1", [False, True])
def test_any_text_survives(ocf_1_1: bool) -> None:
    agent = Agent(
        NASTY,
        NASTY,
        NASTY,
        NASTY,
        (Parameter("p", NASTY, NASTY, default=NASTY),),
        (Action("start", 1, succeed),),
    )
    text = metadata(agent, ocf_1_1=ocf_1_1)
    root = ET.fromstring(text.encode())
    texts = [one.text for one in root.iter() if one.tag in ("longdesc", "shortdesc")]
    assert texts == [NASTY] * 4
    assert root.get("name") == root.get("version") == NASTY
    content = root.find("parameters/parameter/content")
    assert content is not None
    assert content.get("default") == NASTY


def test_it_begins_with_a_declaration_and_a_doctype() -> None:
    """Without an encoding: lxml refuses it in a str, which is what crmsh makes of it."""
    lines = call(SAMPLE, "meta-data").out.splitlines()
    assert lines[0] == '<?xml version="1.0"?>'
    assert lines[1] == '<!DOCTYPE resource-agent SYSTEM "ra-api-1.dtd">'


def test_it_needs_no_parameter_and_ignores_bad_ones() -> None:
    assert call(SAMPLE, "meta-data", env={"OCF_RESKEY_count": "x"}).rc == 0
