# SPDX-License-Identifier: GPL-2.0-or-later
"""Whom libvirt names as a QEMU's helpers, by pid files and by its control group."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from daemons.vm_stonithd.cluster import queries
from daemons.vm_stonithd.host import helper_processes, qemu_processes
from daemons.vm_stonithd.model.actions import KillHelpers
from pmkvm import process, run, settings
from pmkvm.deadline import Deadline
from pmkvm.fencing import ban as bans
from pmkvm.fencing.ban import Ban
from pmkvm.run import Completed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pmkvm.process import Life

SCOPE = "machine.slice/machine-qemu\\x2d13\\x2dguest2.scope"


class Sleeper:
    """A process of ours."""

    def __init__(self) -> None:
        self._child = subprocess.Popen(["sleep", "60"])
        self.pid = self._child.pid

    @property
    def lives(self) -> bool:
        return self._child.poll() is None

    def killed(self) -> bool:
        try:
            return self._child.wait(30) != 0
        except subprocess.TimeoutExpired:
            return False

    def end(self) -> None:
        self._child.kill()
        self._child.wait()


class Host:
    """A process table, libvirt's run directory and control groups, and QEMU 13 of guest2."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.sleepers: list[Sleeper] = []
        self.qemu = self.process()
        self.line(self.qemu.pid, "/var/lib/libvirt/qemu/domain-13-guest2/master-key.aes")
        self.group(self.qemu.pid, "0::/user.slice")

    @property
    def life(self) -> Life:
        found = process.life_of(self.qemu.pid)
        assert found is not None
        return found

    def process(self) -> Sleeper:
        made = Sleeper()
        self.sleepers.append(made)
        directory = self.root / "proc" / str(made.pid)
        directory.mkdir(parents=True)
        stat = Path(f"/proc/{made.pid}/stat").read_text(encoding="utf-8")
        (directory / "stat").write_text(stat, encoding="utf-8")
        return made

    def line(self, pid: int, argument: str) -> None:
        path = self.root / "proc" / str(pid) / "cmdline"
        path.write_bytes(b"qemu\0-object\0" + argument.encode() + b"\0")

    def group(self, pid: int, text: str) -> None:
        (self.root / "proc" / str(pid) / "cgroup").write_text(f"{text}\n", encoding="utf-8")

    def pid_file(self, name: str, pid: int, age_s: float = 0.0) -> None:
        path = self.root / "run" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{pid}\n", encoding="ascii")
        os.utime(path, (time.time() - age_s, time.time() - age_s))

    def members(self, group: str, *sleepers: Sleeper) -> None:
        directory = self.root / "cgroup" / group
        directory.mkdir(parents=True)
        text = "".join(f"{each.pid}\n" for each in sleepers)
        (directory / "cgroup.procs").write_text(text, encoding="ascii")

    def found(self) -> set[int]:
        return {life.pid for life in helper_processes.of(self.life)}


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    monkeypatch.setattr(settings, "PROC", str(tmp_path / "proc"))
    monkeypatch.setattr(settings, "LIBVIRT_PID_DIR", str(tmp_path / "run"))
    monkeypatch.setattr(settings, "CGROUP", str(tmp_path / "cgroup"))
    made = Host(tmp_path)
    yield made
    for sleeper in made.sleepers:
        sleeper.end()


def test_its_pid_files_and_nobody_elses(host: Host) -> None:
    fs, tpm, other = host.process(), host.process(), host.process()
    host.pid_file("13-guest2-fs0-virtiofsd.pid", fs.pid)
    host.pid_file("swtpm/13-guest2-swtpm.pid", tpm.pid)
    host.pid_file("guest2.pid", host.qemu.pid)
    host.pid_file("113-guest2-fs0-virtiofsd.pid", other.pid)
    host.pid_file("13-guest22-fs0-virtiofsd.pid", other.pid)
    host.pid_file("13-guest2-fs1-virtiofsd.sock", other.pid)
    assert host.found() == {fs.pid, tpm.pid}


@pytest.mark.parametrize("text", ["", "x", "0", "1", "-5", "99999999"])
def test_a_pid_file_that_names_nobody(host: Host, text: str) -> None:
    host.pid_file("13-guest2-fs0-virtiofsd.pid", 0)
    (host.root / "run" / "13-guest2-fs0-virtiofsd.pid").write_text(text, encoding="ascii")
    assert host.found() == set()


def test_a_process_that_came_after_its_pid_file_is_somebody_else(host: Host) -> None:
    host.pid_file("13-guest2-fs0-virtiofsd.pid", host.process().pid, age_s=60)
    assert host.found() == set()


@pytest.mark.parametrize(
    ("line", "group"),
    [
        (f"0::/{SCOPE}/libvirt/emulator", SCOPE),
        (f"5:memory:/{SCOPE}", f"memory/{SCOPE}"),
        ("1:name=systemd:/machine/qemu-13-guest2.libvirt-qemu/emulator",
         "systemd/machine/qemu-13-guest2.libvirt-qemu"),
    ],
)  # fmt: skip
def test_its_control_group(host: Host, line: str, group: str) -> None:
    helper = host.process()
    host.group(host.qemu.pid, line)
    host.members(f"{group}/libvirt/emulator", host.qemu, helper)
    assert host.found() == {helper.pid}


@pytest.mark.parametrize("group", ["system.slice/libvirtd.service", "", "machine.slice"])
def test_a_group_that_is_not_the_domains_own_tells_nothing(host: Host, group: str) -> None:
    host.group(host.qemu.pid, f"0::/{group}")
    host.members(group or ".", host.qemu, host.process())
    assert host.found() == set()


def test_helpers_of_a_domain_that_it_is_not_are_not_its(host: Host) -> None:
    """Its command line is its own; libvirt's pid file is not."""
    helper = host.process()
    host.pid_file("13-guest2-fs0-virtiofsd.pid", helper.pid)
    host.pid_file("guest1.pid", host.qemu.pid)
    assert host.found() == set()
    os.rename(host.root / "run" / "guest1.pid", host.root / "run" / "guest2.pid")
    assert host.found() == {helper.pid}


def test_a_helper_s_user_can_name_none_but_his_own(host: Host) -> None:
    helper = host.process()
    host.pid_file("swtpm/13-guest2-swtpm.pid", helper.pid)
    assert host.found() == {helper.pid}
    path = host.root / "run" / "swtpm" / "13-guest2-swtpm.pid"
    path.rename(host.root / "elsewhere")
    path.symlink_to(host.root / "elsewhere")
    assert host.found() == set()


@pytest.mark.parametrize(
    "group",
    [
        f"user.slice/user-1000.slice/{SCOPE}",
        f"user.slice/user-1000.slice/user@1000.service/app.slice/{SCOPE}",
        "system.slice/daemon.service/qemu-13-guest2.libvirt-qemu",
        f"system.slice/docker-1.scope/{SCOPE}",
    ],
)
def test_a_group_that_a_user_has_made_is_no_domain_s(host: Host, group: str) -> None:
    host.group(host.qemu.pid, f"0::/{group}")
    host.members(group, host.qemu, host.process())
    assert host.found() == set()


def order(host: Host) -> KillHelpers:
    end = int(time.time()) + 50
    ban = Ban("prmVMCTL_guest2", "reset", "9c41", "prmVMCTL_guest1", "5be0", "host1", "uuid2", end)
    return KillHelpers(ban, (host.life,))


@pytest.mark.parametrize("stands", [True, False])
def test_they_are_killed_under_the_ban_alone(
    host: Host, monkeypatch: pytest.MonkeyPatch, stands: bool
) -> None:
    helper = host.process()
    host.pid_file("13-guest2-fs0-virtiofsd.pid", helper.pid)
    wanted = order(host)
    answer = Completed(0, bans.to_xml(wanted.ban), "") if stands else Completed(105, "", "")
    monkeypatch.setattr(run, "run", lambda _argv, **_options: answer)
    killed = qemu_processes.kill_helpers(wanted, lambda: queries.bans_text(Deadline(5)))
    assert [life.pid for life in killed] == ([helper.pid] if stands else [])
    assert host.qemu.lives
    assert helper.killed() if stands else helper.lives
