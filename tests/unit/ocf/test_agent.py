# SPDX-License-Identifier: GPL-2.0-or-later
"""From one word in to one code and one line of reason out."""

from __future__ import annotations

import itertools
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from pmkvm import thread_call
from pmkvm.deadline import Deadline
from pmkvm.errors import DeadlineError, ExhaustedError, HaError
from pmkvm.ocf import agent
from pmkvm.ocf.codes import OcfCode
from pmkvm.ocf.errors import OcfError
from pmkvm.run import run
from tests.unit.ocf.sample import agent_with, call, succeed

if TYPE_CHECKING:
    from pmkvm.ocf.context import Context

SAMPLE = agent_with(("start", succeed), ("stop", succeed), ("monitor", succeed))
CONFIG = {"OCF_RESKEY_config": "/etc/g1.xml"}


def raising(error: BaseException, **env: str) -> tuple[int, str, str]:
    def fail(_context: Context) -> OcfCode:
        raise error

    called = call(agent_with(("start", fail)), "start", env={**CONFIG, **env})
    return called.rc, called.reason, called.err


@pytest.mark.parametrize("action", ["usage", "help", "--help", "-h"])
def test_usage_names_every_action(action: str) -> None:
    assert call(SAMPLE, action) == (0, "usage: Sample {start|stop|monitor|meta-data|usage}\n", "")


def test_no_action_at_all_is_a_wrong_call_and_shows_the_usage() -> None:
    called = call(SAMPLE)
    assert called.rc == OcfCode.ARGS
    assert "usage: Sample {start|" in called.out


@pytest.mark.parametrize("action", ["promote", "notify", "reload", "", "START", "run"])
def test_an_unknown_action_is_unimplemented(action: str) -> None:
    called = call(SAMPLE, action, env=CONFIG)
    assert called.rc == OcfCode.UNIMPLEMENTED
    assert repr(action) in called.err
    assert "usage: Sample" in called.err
    # ocf-tester asks for optional actions: that is no failure to be shown in crm_mon.
    assert called.reason == ""


@pytest.mark.parametrize(
    ("action", "minor", "rc"),
    [("monitor", "1", 190), ("monitor", "0", 0), ("monitor", "", 0), ("start", "1", 0)],
)
def test_degraded_is_said_to_a_monitor_of_ocf_1_1_only(action: str, minor: str, rc: int) -> None:
    def degraded(_context: Context) -> OcfCode:
        raise OcfError(OcfCode.DEGRADED, "half of it is gone")

    env = {"OCF_RESKEY_config": "/g1.xml", "OCF_RA_VERSION_MINOR": minor}
    called = call(agent_with((action, degraded)), action, env=env)
    assert called.rc == rc
    assert called.reason == ("half of it is gone" if rc else "")
    assert "half of it is gone" in called.err


@pytest.mark.parametrize("code", [OcfCode(number) for number in (0, 1, 7, 8, 190)])
def test_the_code_of_the_action_is_passed_on_in_silence(code: OcfCode) -> None:
    assert call(agent_with(("monitor", lambda _context: code)), "monitor") == (
        code,
        "",
        # Tolerant: the missing parameter is a warning, no more.
        "WARNING: parameter config is required and not set\n",
    )


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (OcfError(OcfCode.INSTALLED, "no such file"), 5, "no such file"),
        (OcfError(OcfCode.PERM, "not allowed"), 4, "not allowed"),
        (HaError("libvirt: no"), 1, "libvirt: no"),
        (DeadlineError("out of time while sleeping"), 1, "out of time while sleeping"),
        (ZeroDivisionError("by zero"), 1, "start failed: ZeroDivisionError('by zero')"),
        (OSError(5, "Input/output error"), 1, "start failed: OSError(5, 'Input/output error')"),
    ],
)
def test_every_error_is_a_code_and_one_reason(error: Exception, code: int, reason: str) -> None:
    rc, said, err = raising(error)
    assert (rc, said) == (code, reason)
    assert err.count("ocf-exit-reason:") == 1
    assert f"ERROR: {reason}" in err


def test_an_unexpected_error_leaves_its_traceback_in_the_log_in_one_line() -> None:
    _, _, err = raising(ZeroDivisionError("by zero"))
    (line,) = [line for line in err.splitlines() if "Traceback" in line]
    assert line.startswith("ERROR: ")
    assert "in fail" in line


def test_an_exit_reason_is_one_line_without_control_characters() -> None:
    forged = "bad\nocf-exit-reason:forged\x1b[31m\x00\u2028end"
    rc, reason, err = raising(OcfError(OcfCode.GENERIC, forged))
    assert rc == 1
    assert reason == "bad ocf-exit-reason:forged [31m  end"
    assert len(err.splitlines()) == 2
    assert err.isprintable() or set(err) - {"\n"} == {c for c in err if c.isprintable()}


def test_the_reason_has_the_prefix_that_pacemaker_asks_for() -> None:
    _, _, err = raising(OcfError(OcfCode.GENERIC, "why"), OCF_EXIT_REASON_PREFIX="reason> ")
    assert err.splitlines()[-1] == "reason> why"


@pytest.mark.parametrize("config", [{}, {"OCF_RESKEY_config": ""}], ids=["not set", "empty"])
def test_every_bad_parameter_is_named_at_once(config: dict[str, str]) -> None:
    env = {**config, "OCF_RESKEY_count": "many", "OCF_RESKEY_force": "maybe"}
    called = call(SAMPLE, "start", env=env)
    assert called.rc == OcfCode.CONFIGURED
    assert called.reason == (
        "parameter config is required and not set; parameter count='many' must be a whole number;"
        " parameter force='maybe' must be yes or no"
    )


@pytest.mark.parametrize("action", ["stop", "monitor"])
def test_an_action_that_must_tell_the_truth_runs_in_spite_of_bad_parameters(action: str) -> None:
    called = call(SAMPLE, action, env={"OCF_RESKEY_count": "many"})
    assert called.rc == OcfCode.SUCCESS
    assert "WARNING: parameter count='many'" in called.err
    assert called.reason == ""


def test_a_stuck_action_ends_before_pacemaker_kills_it_and_says_where_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(thread_call, "_abandoned", [])
    release = threading.Event()

    def hang(_context: Context) -> OcfCode:
        release.wait()
        return OcfCode.SUCCESS

    try:
        # More, where there was no thread in it by then.
        for timeout_ms in (200, 2000, 20000):
            env = {**CONFIG, "OCF_RESKEY_CRM_meta_timeout": str(timeout_ms)}
            called = call(agent_with(("start", hang)), "start", env=env)
            if " (in " in called.reason:
                break
    finally:
        release.set()
    assert called.rc == OcfCode.GENERIC
    assert called.reason.startswith("out of time while in start (in ")
    assert thread_call.abandoned()


CHILD = """\
import sys, threading
from pmkvm.ocf.agent import main
from tests.unit.ocf.sample import agent_with, succeed
def hang(context):
    threading.Event().wait()
main(agent_with(("start", hang), ("stop", succeed)))
"""


@pytest.mark.parametrize(("action", "code"), [("start", 1), ("stop", 0), ("meta-data", 0)])
def test_the_process_leaves_with_the_code_even_past_a_stuck_thread(action: str, code: int) -> None:
    timeout_ms = "300" if action == "start" else "60000"
    env = {**CONFIG, "OCF_RESKEY_CRM_meta_timeout": timeout_ms}
    done = run([sys.executable, "-B", "-c", CHILD, action], timeout_s=120, environment=env)
    assert done.rc == code, done.err
    assert ("out of time while in start" in done.err) == (action == "start")
    assert done.out.endswith("</resource-agent>\n") == (action == "meta-data")


@pytest.mark.parametrize("where", ["make_context", "Call", "is_exhaustion", "pause"])
def test_an_action_goes_on_wherever_it_found_no_memory(
    monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """Also in the look whether there was any, and in the pause after that."""
    holder = Deadline if where == "pause" else agent
    plain, tries = getattr(holder, where), itertools.count()
    lacking = [ExhaustedError("no thread can be started"), ExhaustedError("no descriptor")]

    def short_of_memory(*arguments: object) -> object:
        if next(tries) == 0:
            raise MemoryError
        return plain(*arguments)

    def function(_context: Context) -> OcfCode:
        if lacking and where in ("is_exhaustion", "pause"):
            raise lacking.pop()
        return OcfCode.SUCCESS

    monkeypatch.setattr(holder, where, short_of_memory)
    assert call(agent_with(("stop", function)), "stop", env=CONFIG) == (0, "", "")
    assert next(tries) > 1, "nothing was short of memory"


def test_an_action_without_memory_for_its_context_ends_at_its_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_memory(*_arguments: object) -> None:
        raise MemoryError

    monkeypatch.setattr(agent, "make_context", no_memory)
    called = call(SAMPLE, "stop", env={**CONFIG, "OCF_RESKEY_CRM_meta_timeout": "500"})
    assert (called.rc, called.reason) == (OcfCode.GENERIC, "out of memory in stop")
