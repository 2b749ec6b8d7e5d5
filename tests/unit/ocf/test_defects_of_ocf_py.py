# SPDX-License-Identifier: GPL-2.0-or-later
"""The eight defects of resource-agents' ocf.py (each was tried on it), none of which is ours.

Where a defect names a test, that one shows it; the others are shown here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agents.virtual_domain.agent import AGENT
from pmkvm import settings
from pmkvm.ocf.codes import OcfCode
from tests.unit.ocf.sample import agent_with, call

if TYPE_CHECKING:
    from pathlib import Path

    from pmkvm.ocf.context import Context

CONFIG = {"OCF_RESKEY_config": "/etc/g1.xml"}


# 1. No XML escaping: & or < in any text makes the metadata not well-formed. test_metadata.py:
#    test_any_text_survives.
# 2. HA_debug=0 turns debugging on; unset drops INFO. test_log.py:
#    test_debug_only_if_it_is_asked_for.
# 3. is_true lacks True, Yes and On; a probe is seen where no interval is set. test_context.py:
#    test_pacemakers_words_for_yes_and_no, test_a_probe_is_a_monitor_with_interval_zero.
# 4. An extra argument is an error; __OCF_ACTION silently beats the argument.
def test_4_the_first_argument_decides_and_neither_others_nor_the_environment() -> None:
    ran: list[str] = []

    def remember(context: Context) -> OcfCode:
        ran.append(context.action)
        return OcfCode.SUCCESS

    agent = agent_with(("start", remember), ("stop", remember))
    assert call(agent, "start", "more", "--and-more", env=CONFIG).rc == OcfCode.SUCCESS
    call(agent, "stop", env={**CONFIG, "__OCF_ACTION": "start"})
    assert ran == ["start", "stop"]


# 5. A log file that can't be opened ends even meta-data with a traceback.
@pytest.mark.parametrize("action", ["meta-data", "start", "stop"])
def test_5_a_log_that_cannot_be_written_never_fails_an_action(tmp_path: Path, action: str) -> None:
    def speak(context: Context) -> OcfCode:
        context.log.info("fine")
        return OcfCode.SUCCESS

    agent = agent_with(("start", speak), ("stop", speak))
    env = {**CONFIG, "HA_LOGFILE": str(tmp_path / "no" / "such" / "log")}
    called = call(agent, action, env=env)
    assert called.rc == OcfCode.SUCCESS
    assert "Traceback" not in called.err
    # What had to be said is not lost.
    assert ("INFO: fine" in called.err) == (action != "meta-data")


# 6. An empty value counts as set: required passes, the default is not used; nothing is typed.
#    test_agent.py: test_every_bad_parameter_is_named_at_once; test_context.py:
#    test_a_parameter_has_the_type_of_its_default, test_a_value_that_is_not_allowed_is_named.
# 7. No environment gate: what is missing on a node makes a stop or a probe fail with 1, and a
# failed stop means fencing.
@pytest.mark.parametrize(
    ("action", "env", "code"),
    [
        ("stop", {}, OcfCode.SUCCESS),
        ("stop", {"OCF_RESKEY_config": "/nowhere/g1.xml"}, OcfCode.SUCCESS),
        (
            "monitor",
            {"OCF_RESKEY_config": "/nowhere/g1.xml", "OCF_RESKEY_CRM_meta_interval": "0"},
            OcfCode.NOT_RUNNING,
        ),
        ("start", {"OCF_RESKEY_config": "/nowhere/g1.xml"}, OcfCode.INSTALLED),
        ("start", {}, OcfCode.CONFIGURED),
    ],
)
def test_7_a_node_without_the_definition_is_told_by_the_process_table(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    action: str,
    env: dict[str, str],
    code: OcfCode,
) -> None:
    (tmp_path / "proc").mkdir()
    monkeypatch.setattr(settings, "PROC", str(tmp_path / "proc"))
    monkeypatch.setattr(settings, "RUN_DIR", str(tmp_path / "run"))
    called = call(AGENT, action, env={"OCF_RESOURCE_INSTANCE": "g1", **env})
    assert called.rc == code, called.err


# 8. A handler that returns True exits 1; no degraded codes, no check level, no deadline.
#    test_context.py: test_the_check_level_is_a_number_or_zero,
#    test_the_deadline_comes_before_pacemakers_kill.
@pytest.mark.parametrize("returned", [True, False, None, 0, "0"])
def test_8_a_return_value_that_is_no_code_is_a_failure_that_says_so(returned: object) -> None:
    agent = agent_with(("start", lambda _context: returned))  # type: ignore[return-value,arg-type]
    called = call(agent, "start", env=CONFIG)
    assert called.rc == OcfCode.GENERIC
    assert f"start returned {returned!r}" in called.reason


def test_8_the_codes_of_the_specification_are_all_there() -> None:
    assert [int(code) for code in (OcfCode.DEGRADED, OcfCode.DEGRADED_PROMOTED)] == [190, 191]
    assert [int(code) for code in (OcfCode.RUNNING_PROMOTED, OcfCode.FAILED_PROMOTED)] == [8, 9]
