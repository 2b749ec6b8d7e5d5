# SPDX-License-Identifier: GPL-2.0-or-later
"""Whole commands against a scripted cluster, and what is asked of the hosts' libvirts."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from pmkvm import run, settings
from pmkvm.deadline import Deadline
from pmkvm.files import Lock
from tests.unit.pacemaker.script import Script, Step
from tests.unit.vmctl.world import DATA, cib, crm_mon, guest, running, target_role
from vmctl import commands, domains, main, movement, waiting
from vmctl.domains import HostDomains, HostSilentError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MON = ("crm_mon", "--output-as=xml")
NODE = ("crm_node", "--name")
QUERY, MODIFY = ("cibadmin", "--query"), ("cibadmin", "--modify")


def nothing_runs(_uri: str) -> HostDomains:
    return HostDomains(frozenset(["guest1", "guest2"]), frozenset())


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Script]:
    for name in ("CIB_file", "CIB_shadow"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(settings, "RUN_DIR", str(tmp_path / "run"))
    monkeypatch.setattr(waiting, "POLL_S", 0.0)

    def begin(*steps: Step) -> Script:
        script = Script(*steps)
        monkeypatch.setattr(run, "run", script.run)
        return script

    return begin


@pytest.fixture
def conf(tmp_path: Path) -> str:
    """The slides' configuration, and two definitions where it says they are."""
    for name in ("guest1", "guest2"):
        (tmp_path / f"{name}.xml").touch()
    path = tmp_path / "vm-ctl.conf"
    text = (DATA / "slides.conf").read_text(encoding="utf-8")
    path.write_text(text.replace("/etc/libvirt/qemu", str(tmp_path)), encoding="utf-8")
    return str(path)


def vm_ctl(typed: str, conf: str, ask: domains.Ask = nothing_runs) -> int:
    return main.main([*typed.split(), "--config", conf], ask)


def test_the_slides_command_is_one_change(play: Callable[..., Script], conf: str) -> None:
    script = play(
        Step(MON, out=crm_mon()), Step(NODE, out="hostA\n"), Step(QUERY, out=cib()), Step(MODIFY)
    )
    assert vm_ctl("resource add guest1, guest2 -a hostA", conf) == 0
    assert script.left == []
    written = script.calls[-1][1] or ""
    assert written.count("<primitive ") == 2
    assert 'node="hostA"' in written


def test_dry_run_prints_and_writes_nothing(
    play: Callable[..., Script], conf: str, capsys: pytest.CaptureFixture[str]
) -> None:
    script = play(Step(MON, out=crm_mon()), Step(NODE, out="hostA\n"), Step(QUERY, out=cib()))
    assert vm_ctl("resource add guest1 -a hostA --dry-run", conf) == 0
    assert script.left == []
    assert '<primitive id="prmVMCTL_guest1"' in capsys.readouterr().out


def test_all_hosts_that_are_online_are_asked_over_the_migration_transport(
    play: Callable[..., Script], conf: str, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []

    def ask(uri: str) -> HostDomains:
        asked.append(uri)
        on_b = frozenset(["guest2"]) if "hostB" in uri else frozenset[str]()
        return HostDomains(frozenset(["guest1", "guest2"]), on_b)

    play(Step(MON, out=crm_mon()), Step(NODE, out="hostA\n"), Step(QUERY, out=cib()))
    assert vm_ctl("resource add guest1,guest2 -a hostA", conf, ask) == 1
    assert sorted(asked) == ["qemu+ssh://hostB/system?no_tty=1", "qemu:///system"]
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == (
        "vm-ctl: MSG31 guest2: runs on hostB, Pacemaker would shut it down;"
        " stop it, or use --running\n"
    )


def test_a_host_that_hangs_is_named_and_holds_nobody_up(
    play: Callable[..., Script],
    conf: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(domains, "ANSWER_S", 0.2)

    def ask(uri: str) -> HostDomains:
        if "hostB" in uri:
            time.sleep(2)
        return nothing_runs(uri)

    play(Step(MON, out=crm_mon()), Step(NODE, out="hostA"), Step(QUERY, out=cib()), Step(MODIFY))
    begun = time.monotonic()
    assert vm_ctl("resource add guest1 -a hostA", conf, ask) == 0
    assert time.monotonic() - begun < 1.5
    assert "MSG34 hostB: could not be asked" in capsys.readouterr().err


def test_a_silent_libvirt_here_is_not_taken_for_an_undefined_guest(
    play: Callable[..., Script], conf: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def ask(_uri: str) -> HostDomains:
        raise HostSilentError("no socket")

    play(Step(MON, out=crm_mon()), Step(NODE, out="hostA\n"))
    assert vm_ctl("resource add guest1 -a hostA", conf, ask) == 1
    assert capsys.readouterr().err == "vm-ctl: MSG05 libvirt on hostA: no socket\n"


STOPPED = cib(guest("guest1", target_role("guest1", "Stopped")))


def test_start_waits_until_it_runs(play: Callable[..., Script], conf: str) -> None:
    script = play(
        Step(QUERY, out=STOPPED),
        Step(MODIFY),
        Step(MON, out=crm_mon(running("guest1", role="Stopped"))),
        Step(MON, out=crm_mon(running("guest1", "hostA"))),
    )
    assert vm_ctl("resource start guest1", conf) == 0
    assert script.left == []


def test_no_wait_returns_when_the_cluster_has_been_told(
    play: Callable[..., Script], conf: str
) -> None:
    script = play(Step(QUERY, out=STOPPED), Step(MODIFY))
    assert vm_ctl("resource start guest1 --no-wait", conf) == 0
    assert script.left == []


def test_stop_of_a_stopped_guest_writes_nothing(play: Callable[..., Script], conf: str) -> None:
    stopped = crm_mon(running("guest1", role="Stopped"))
    script = play(Step(QUERY, out=STOPPED), Step(MON, out=stopped))
    assert vm_ctl("resource stop guest1", conf) == 0
    assert script.left == []


def test_one_that_does_not_start_is_named(
    play: Callable[..., Script],
    conf: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(waiting, "SLACK_S", 0.05)
    monkeypatch.setattr(movement, "DEFAULT_TIMEOUT_S", 0.0)
    monkeypatch.setattr(waiting, "POLL_S", 1.0)
    stopped = Step(MON, out=crm_mon(running("guest1", role="Stopped")))
    play(Step(QUERY, out=STOPPED), Step(MODIFY), stopped, stopped)
    assert vm_ctl("resource start guest1", conf) == 1
    assert capsys.readouterr().err.startswith("vm-ctl: MSG37 guest1: not started after 0 s")


def test_moving_to_where_it_runs_is_a_success(
    play: Callable[..., Script], conf: str, capsys: pytest.CaptureFixture[str]
) -> None:
    play(Step(QUERY, out=STOPPED), Step(MON, out=crm_mon(running("guest1", "hostA"))))
    assert vm_ctl("resource move guest1 -n hostA", conf) == 0
    assert "MSG21" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (Step(QUERY, 102), "MSG01 Pacemaker is not running here: "),
        (Step(QUERY, 4, err="permission"), "MSG05 cibadmin failed with 4: permission"),
        (Step(QUERY, out="<cib/>"), "MSG05 cibadmin's answer has no configuration"),
        (Step(QUERY, out="<cib"), "MSG05 cibadmin's answer is no XML"),
    ],
)
def test_a_cluster_that_does_not_answer_well_is_one_line(
    play: Callable[..., Script],
    conf: str,
    capsys: pytest.CaptureFixture[str],
    step: Step,
    message: str,
) -> None:
    play(step)
    assert vm_ctl("resource start guest1", conf) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"vm-ctl: {message}")
    assert said.count("\n") == 1


def test_a_lock_that_another_holds_is_waited_for(
    play: Callable[..., Script],
    conf: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(commands, "LOCK_S", 0.1)
    (tmp_path / "run").mkdir()
    play()
    with Lock(str(tmp_path / "run" / "vm-ctl.lock"), Deadline(1)):
        assert vm_ctl("resource start guest1 --no-wait", conf) == 1
    assert "MSG17" in capsys.readouterr().err
    play(Step(QUERY, out=STOPPED), Step(MODIFY))
    assert vm_ctl("resource start guest1 --no-wait", conf) == 0


def test_uris_of_other_hosts() -> None:
    assert domains.remote_uri("qemu:///system", "tcp", "b") == "qemu+tcp://b/system?no_tty=1"
    assert domains.remote_uri("xen:///", "ssh", "b") == "xen+ssh://b/?no_tty=1"
