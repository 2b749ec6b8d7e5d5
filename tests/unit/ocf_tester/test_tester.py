# SPDX-License-Identifier: GPL-2.0-or-later
"""The tester is content with a good agent, and finds each defect that is planted in it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests import tree
from tests.ocf import behaviour, faults
from tests.ocf.__main__ import main
from tests.ocf.agent import OVERDUE, Agent, seconds

if TYPE_CHECKING:
    from pathlib import Path

# A resource that is a file. A defect is a line of shell, run before the action.
AGENT = """#!/bin/sh
state="$OCF_RESKEY_state"
fail() {{ echo "ocf-exit-reason:$2" >&2; exit "$1"; }}
check() {{
    [ -n "$state" ] || fail 6 "parameter state is required"
    case "$OCF_RESKEY_fast" in perhaps) fail 6 "parameter fast must be yes or no";; esac
}}
{defect}
case "$1" in
meta-data) cat <<END
<?xml version="1.0"?><resource-agent name="sample"><version>1.0</version>
<parameters><parameter name="state" required="1" unique="1"><content type="string"/></parameter>
<parameter name="fast"><content type="boolean" default="no"/></parameter>
<parameter name="config"><content type="string"/></parameter></parameters><actions>
<action name="start" timeout="20s"/><action name="stop" timeout="20s"/>
<action name="monitor" timeout="20s"/><action name="validate-all" timeout="5s"/>
<action name="meta-data" timeout="5s"/></actions></resource-agent>
END
;;
start) check; : >"$state";;
stop) [ -z "$state" ] || rm -f "$state";;
monitor) [ -n "$state" ] && [ -e "$state" ] || exit 7;;
validate-all) check;;
*) exit 3;;
esac
"""


class TheTester:
    """One run of the tester over an agent with a defect, or none."""

    def __init__(self, directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._directory = directory
        self._capsys = capsys

    def run(self, only: str, defect: str = "", *more: str) -> tuple[int, str]:
        agent = self._directory / "sample"
        agent.write_text(AGENT.format(defect=defect), encoding="utf-8")
        agent.chmod(0o755)
        (self._directory / "config").write_text("config")
        given = [f"state={self._directory}/state", f"config={self._directory}/config"]
        options = [option for pair in given for option in ("-o", pair)]
        rc = main([*options, "--only", only, "--kills", "1", "--seed", "5", *more, str(agent)])
        return rc, self._capsys.readouterr().out


@pytest.fixture
def tested(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> TheTester:
    monkeypatch.setattr(faults, "SETTLE_S", 0.5)
    monkeypatch.setattr(faults, "POLL_S", 0.05)
    monkeypatch.setattr(faults, "_durations", {})
    return TheTester(tmp_path, capsys)


EVERYTHING = [
    *("metadata", "words", "rights", "idempotence", "validation", "bad_parameters"),
    *("environment", "at_once", "killed", "configuration", "two_instances"),
]


@pytest.mark.parametrize("check", EVERYTHING)
def test_a_good_agent_passes(tested: TheTester, tmp_path: Path, check: str) -> None:
    second = f"state={tmp_path}/other"
    rc, out = tested.run(check, "", "--config", "config", "--second", second)
    assert rc == 0, out
    assert f"ok {check} (" in out


def test_an_outage_that_it_does_not_need_is_survived(tested: TheTester) -> None:
    rc, out = tested.run("outage air", "", "--outage", "air=/bin/true::/bin/true")
    assert rc == 0, out
    assert "ok outage air (" in out


@pytest.mark.parametrize(
    ("check", "defect", "complaint"),
    [
        ("metadata", '[ "$1" = meta-data ] && echo "<a"', "is not XML"),
        (
            "metadata",
            '[ "$1" = meta-data ] && [ -z "$state" ] && exit 1',
            "meta-data for OCF 1.0: 1",
        ),
        ("words", '[ "$1" = no-such-action ] && exit 0', "an unknown action: 0 instead of 3"),
        ("words", "[ $# -gt 1 ] && exit 2", "words behind: 2 instead of 7"),
        ("idempotence", '[ "$1" = start ] && [ -e "$state" ] && exit 1', "second start: 1"),
        ("idempotence", '[ "$1" = stop ] && [ ! -e "$state" ] && exit 1', "stop of what never ran"),
        ("idempotence", '[ "$1" = stop ] && exit 0', "monitor after the first stop: 0"),
        ("validation", '[ "$OCF_CHECK_LEVEL" = 5 ] && exit 1', "validate-all at level '5': 1"),
        ("bad_parameters", '[ "$1" = stop ] && [ -z "$state" ] && exit 6', "stop with a bad state"),
        ("bad_parameters", "unset OCF_RESKEY_fast", "validate-all with a bad fast: 0"),
        ("bad_parameters", 'fail() { exit "$1"; }', "no exit reason names it"),
        ("environment", '[ "$OCF_RESKEY_CRM_meta_on_node" ] && exit 1', "not-the-host-name"),
        (
            "at_once",
            'mkdir "$state.lock" || exit 1; sleep 1; rmdir "$state.lock"',
            "monitors at once",
        ),
        (
            "killed",
            '[ "$1" = start ] && { mkdir "$state.lock" || exit 1; sleep 2; rmdir "$state.lock"; }',
            "start after start was killed",
        ),
        ("configuration", '[ -s "$OCF_RESKEY_config" ] || exit 7', "monitor, config gone: 7"),
        ("two_instances", '[ "$1" = stop ] && rm -f "${state%/*}"/[so]t*', "monitor of the second"),
        ("idempotence", "fail 1 a; fail 1 b", "instead of"),
        ("idempotence", "echo ocf-exit-reason:a >&2; echo ocf-exit-reason:b >&2", "2 exit reasons"),
        ("idempotence", 'echo "Traceback (most" >&2', "a traceback on stderr"),
    ],
)
def test_a_planted_defect_is_found(
    tested: TheTester, tmp_path: Path, check: str, defect: str, complaint: str
) -> None:
    more = ("--config", "config", "--second", f"state={tmp_path}/other")
    rc, out = tested.run(check, defect, *more)
    assert rc == 1, out
    assert f"FAILED {check} (" in out
    assert complaint in out


def test_an_outage_that_makes_it_lie_is_found(tested: TheTester, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    defect = f'[ "$1" = monitor ] && [ -e {flag} ] && exit 7'
    outage = f"disk=/bin/touch {flag}::/bin/rm {flag}"
    rc, out = tested.run("outage disk", defect, "--outage", outage)
    assert rc == 1
    assert "monitor with disk: 7 instead of 0 or 190 or 1" in out
    assert not flag.exists()


def test_an_action_that_does_not_end_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.ocf.agent.SLACK_S", 0.2)
    path = tmp_path / "sample"
    path.write_text(AGENT.format(defect='trap "" TERM; sleep 60'), encoding="utf-8")
    path.chmod(0o755)
    called = Agent(str(path), {}, "tested").call("monitor", timeout_s=0.2)
    assert called.rc == OVERDUE
    assert called.seconds < 30
    (complaint,) = behaviour.expect(called, (7,), "monitor")
    assert "not ended by its timeout" in complaint


@pytest.mark.parametrize(
    ("text", "value"), [("20s", 20), ("1500ms", 1.5), ("2min", 120), ("5000", 5)]
)
def test_a_timeout_is_read_as_ocf_writes_it(text: str, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "a", "a=b", "a=b::", "=b::c"])
def test_an_outage_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not NAME=BREAKING::REPAIR"):
        faults.parse_outage(text)


def of_ours(directory: Path, package: str, name: str, *arguments: str) -> str:
    """One of our agents from the checkout, with directories of its own; what it is blamed for."""
    (directory / "proc").mkdir()
    stub = directory / name
    stub.write_text(
        f"#!{sys.executable} -I\n"
        "import sys\n"
        "sys.dont_write_bytecode = True\n"
        f"sys.path.insert(0, {str(tree.ROOT)!r})\n"
        "from pmkvm import settings\n"
        f"settings.RUN_DIR = {str(directory / 'run')!r}\n"
        f"if {package!r} == 'virtual_domain':\n"
        f"    settings.PROC = {str(directory / 'proc')!r}\n"
        f"from agents.{package}.agent import main\n"
        "main()\n"
    )
    stub.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-B", "-m", "tests.ocf", *arguments, str(stub)],
        cwd=tree.ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_our_own_vm_anything_passes(tmp_path: Path) -> None:
    options = ["-o", "binfile=/bin/sleep", "-o", "cmdline_options=600", "--kills", "1"]
    checks = "metadata,words,rights,idempotence,validation,environment,killed"
    assert of_ours(tmp_path, "vm_anything", "vm-anything", *options, "--only", checks) == ""


def test_our_own_virtual_domain_passes_where_there_is_no_libvirt(tmp_path: Path) -> None:
    """The rest is for a host that has one."""
    config = tmp_path / "g1.xml"
    config.write_text("<domain type='kvm'><name>g1</name></domain>")
    options = ["-o", f"config={config}", "--only", "metadata,words,rights,bad_parameters"]
    assert of_ours(tmp_path, "virtual_domain", "VirtualDomain", *options) == ""
