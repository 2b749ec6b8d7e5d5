# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

import pytest

from pmkvm.ocf.context import parse_boolean
from pmkvm.ocf.table import Parameter
from tests.unit.ocf.sample import PARAMETERS, agent_with, call, seen_by, succeed

CONFIG = {"OCF_RESKEY_config": "/etc/g1.xml"}


def test_pacemakers_words_for_yes_and_no() -> None:
    for text in ("yes", "true", "1", "on", "y", "Yes", "True", "TRUE", "On", "Y"):
        assert parse_boolean(text) is True, text
    for text in ("no", "false", "0", "off", "n", "No", "FALSE", "Off", "N"):
        assert parse_boolean(text) is False, text
    for text in ("", "2", "ja", "truth", "yes no"):
        with pytest.raises(ValueError, match=f"^{text}$"):
            parse_boolean(text)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("uri", "test:///default", "test:///default"),
        ("uri", "  xen:///  ", "xen:///"),
        ("uri", "", "qemu:///system"),
        ("uri", None, "qemu:///system"),
        ("count", "12", 12),
        ("count", " ", 3),
        ("count", "", 3),
        ("force", "Yes", True),
        ("force", "0", False),
        ("force", "", False),
    ],
)
def test_a_parameter_has_the_type_of_its_default(
    name: str, text: str | None, value: object
) -> None:
    env = CONFIG if text is None else {**CONFIG, f"OCF_RESKEY_{name}": text}
    seen = seen_by("start", env).parameters[name]
    assert seen == value
    assert type(seen) is type(value)


def test_the_typed_accessors() -> None:
    env = {**CONFIG, "OCF_RESKEY_count": "7", "OCF_RESKEY_force": "1"}
    context = seen_by("start", env)
    assert context.text("config") == "/etc/g1.xml"
    assert context.number("count") == 7
    assert context.flag("force") is True


@pytest.mark.parametrize(
    ("name", "text", "allowed"),
    [
        ("count", "-5", "a whole number"),
        ("count", "3.5", "a whole number"),
        ("count", "x", "a whole number"),
        ("count", "1_000", "a whole number"),
        ("count", "\u0663", "a whole number"),
        ("force", "perhaps", "yes or no"),
        ("force", "2", "yes or no"),
        ("colour", "blue", "one of red, green"),
    ],
)
def test_a_value_that_is_not_allowed_is_named(name: str, text: str, allowed: str) -> None:
    parameters = (*PARAMETERS, Parameter("colour", "C", "C.", "red", choices=("red", "green")))
    agent = agent_with(("start", succeed), parameters=parameters)
    called = call(agent, "start", env={**CONFIG, f"OCF_RESKEY_{name}": text})
    assert called.outcome == (6, f"parameter {name}={text!r} must be {allowed}")


def test_a_bad_value_of_a_tolerant_action_is_replaced_by_the_default() -> None:
    context = seen_by("stop", {"OCF_RESKEY_count": "x", "OCF_RESKEY_force": "perhaps"})
    assert context.number("count") == 3
    assert context.flag("force") is False
    assert context.text("config") == ""


@pytest.mark.parametrize(
    ("action", "interval", "is_probe"),
    [
        ("monitor", "0", True),
        ("monitor", "10000", False),
        # A person at a terminal sets no interval: that is not Pacemaker's probe.
        ("monitor", None, False),
        ("monitor", "", False),
        ("start", "0", False),
    ],
)
def test_a_probe_is_a_monitor_with_interval_zero(
    action: str, interval: str | None, is_probe: bool
) -> None:
    meta = {} if interval is None else {"OCF_RESKEY_CRM_meta_interval": interval}
    assert seen_by(action, {**CONFIG, **meta}).is_probe is is_probe


@pytest.mark.parametrize(
    ("timeout", "seconds", "said"),
    [
        ("20000", 18, 20),
        # A tenth is kept back, three seconds at most.
        ("120000", 117, 120),
        ("5500", 4.95, 5.5),
        # Nobody said: the action's own 30 s.
        (None, 27, 0),
        ("", 27, 0),
        ("0", 27, 0),
        ("soon", 27, 0),
        ("-5", 27, 0),
        ("\u00b2", 27, 0),
    ],
)
def test_the_deadline_comes_before_pacemakers_kill(
    timeout: str | None, seconds: float, said: float
) -> None:
    meta = {} if timeout is None else {"OCF_RESKEY_CRM_meta_timeout": timeout}
    context = seen_by("start", {**CONFIG, **meta})
    # It has been counting since; five seconds are more than any machine takes for that.
    assert max(0.0, seconds - 5) <= context.deadline.remaining() <= seconds
    assert context.timeout_s == said


@pytest.mark.parametrize(
    ("text", "level"), [("", 0), ("10", 10), ("20", 20), ("deep", 0), ("\u00b2", 0)]
)
def test_the_check_level_is_a_number_or_zero(text: str, level: int) -> None:
    assert seen_by("monitor", {**CONFIG, "OCF_CHECK_LEVEL": text}).check_level == level


def test_meta_attributes_are_given_without_their_prefix() -> None:
    env = {**CONFIG, "OCF_RESKEY_CRM_meta_migrate_target": "node2", "CRM_meta_x": "1"}
    assert seen_by("start", env).meta == {"migrate_target": "node2"}


@pytest.mark.parametrize(("env", "name"), [({"OCF_RESOURCE_INSTANCE": "g1"}, "g1"), ({}, "Sample")])
def test_the_instance_is_the_resources_id(env: dict[str, str], name: str) -> None:
    assert seen_by("start", {**CONFIG, **env}).instance == name
