# SPDX-License-Identifier: GPL-2.0-or-later
"""Whom libvirt names as a QEMU's helpers, by pid files and by its control group."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from daemons.vm_stonithd.cluster import queries
from daemons.vm_stonithd.host import helper_processes, qemu_processes
from daemons.vm_stonithd.model.actions import KillHelpers
from pmkvm import run, settings
from pmkvm.deadline import Deadline
from pmkvm.fencing import ban as bans
from pmkvm.fencing.ban import Ban
from pmkvm.run import Completed

if TYPE_CHECKING:
    from tests.unit.virt.fake_qemu import FakeProcessTable, FakeQemu

SCOPE = "machine.slice/machine-qemu\\x2d13\\x2dguest2.scope"


class Host:
    """libvirt's run directory, control groups, and QEMU 13 of guest2."""

    def __init__(self, table: FakeProcessTable) -> None:
        self._table = table
        self.run = Path(settings.LIBVIRT_PID_DIR)
        key = "/var/lib/libvirt/qemu/domain-13-guest2/master-key.aes"
        self.qemu = table.start_other("-object", key)

    def process(self) -> FakeQemu:
        return self._table.start_other()

    def group(self, text: str) -> None:
        """As the kernel says of QEMU."""
        shown = self._table.directory / str(self.qemu.pid)
        shown.unlink()
        shown.mkdir()
        for name in ("stat", "cmdline"):
            (shown / name).symlink_to(f"/proc/{self.qemu.pid}/{name}")
        (shown / "cgroup").write_text(f"{text}\n", encoding="utf-8")

    def pid_file(self, name: str, pid: int, age_s: float = 0.0) -> Path:
        return self._table.write_pid_file(name, pid, age_s=age_s)

    def members(self, group: str, *processes: FakeQemu) -> None:
        directory = Path(settings.CGROUP, group)
        directory.mkdir(parents=True)
        text = "".join(f"{each.pid}\n" for each in processes)
        (directory / "cgroup.procs").write_text(text, encoding="ascii")

    def found(self) -> set[int]:
        return {life.pid for life in helper_processes.of(self.qemu.life)}


@pytest.fixture
def host(host: FakeProcessTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.setattr(settings, "CGROUP", str(tmp_path / "cgroup"))
    return Host(host)


def test_its_pid_files_and_nobody_elses(host: Host) -> None:
    fs, tpm, other = host.process(), host.process(), host.process()
    host.pid_file("13-guest2-fs0-virtiofsd", fs.pid)
    host.pid_file("swtpm/13-guest2-swtpm", tpm.pid)
    host.pid_file("guest2", host.qemu.pid)
    host.pid_file("113-guest2-fs0-virtiofsd", other.pid)
    host.pid_file("13-guest22-fs0-virtiofsd", other.pid)
    host.pid_file("13-guest2-fs1-virtiofsd", other.pid).rename(
        host.run / "13-guest2-fs1-virtiofsd.sock"
    )
    assert host.found() == {fs.pid, tpm.pid}


@pytest.mark.parametrize("text", ["", "x", "0", "1", "-5", "99999999"])
def test_a_pid_file_that_names_nobody(host: Host, text: str) -> None:
    host.pid_file("13-guest2-fs0-virtiofsd", 0).write_text(text, encoding="ascii")
    assert host.found() == set()


def test_a_process_that_came_after_its_pid_file_is_somebody_else(host: Host) -> None:
    host.pid_file("13-guest2-fs0-virtiofsd", host.process().pid, age_s=60)
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
    host.group(line)
    host.members(f"{group}/libvirt/emulator", host.qemu, helper)
    assert host.found() == {helper.pid}


@pytest.mark.parametrize(
    "group",
    [
        *("system.slice/libvirtd.service", "", "machine.slice"),
        # A user has made it.
        f"user.slice/user-1000.slice/{SCOPE}",
        f"user.slice/user-1000.slice/user@1000.service/app.slice/{SCOPE}",
        "system.slice/daemon.service/qemu-13-guest2.libvirt-qemu",
        f"system.slice/docker-1.scope/{SCOPE}",
    ],
)
def test_a_group_that_is_not_the_domains_own_tells_nothing(host: Host, group: str) -> None:
    host.group(f"0::/{group}")
    host.members(group or ".", host.qemu, host.process())
    assert host.found() == set()


def test_helpers_of_a_domain_that_it_is_not_are_not_its(host: Host) -> None:
    """Its command line is its own; libvirt's pid file is not."""
    helper = host.process()
    host.pid_file("13-guest2-fs0-virtiofsd", helper.pid)
    host.pid_file("guest1", host.qemu.pid)
    assert host.found() == set()
    (host.run / "guest1.pid").rename(host.run / "guest2.pid")
    assert host.found() == {helper.pid}


def test_a_helper_s_user_can_name_none_but_his_own(host: Host) -> None:
    helper = host.process()
    path = host.pid_file("swtpm/13-guest2-swtpm", helper.pid)
    assert host.found() == {helper.pid}
    path.symlink_to(path.rename(host.run / "elsewhere"))
    assert host.found() == set()


def order(host: Host) -> KillHelpers:
    end = int(time.time()) + 50
    ban = Ban("prmVMCTL_guest2", "reset", "9c41", "prmVMCTL_guest1", "5be0", "host1", "uuid2", end)
    return KillHelpers(ban, (host.qemu.life,))


@pytest.mark.parametrize("stands", [True, False])
def test_they_are_killed_under_the_ban_alone(
    host: Host, monkeypatch: pytest.MonkeyPatch, stands: bool
) -> None:
    helper = host.process()
    host.pid_file("13-guest2-fs0-virtiofsd", helper.pid)
    wanted = order(host)
    answer = Completed(0, bans.to_xml(wanted.ban), "") if stands else Completed(105, "", "")
    monkeypatch.setattr(run, "run", lambda _argv, **_options: answer)
    killed = qemu_processes.kill_helpers(wanted, lambda: queries.bans_text(Deadline(5)))
    assert [life.pid for life in killed] == ([helper.pid] if stands else [])
    assert host.qemu.lives
    assert helper.exit_code() == -signal.SIGKILL if stands else helper.lives
