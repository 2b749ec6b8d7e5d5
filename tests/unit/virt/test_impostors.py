# SPDX-License-Identifier: GPL-2.0-or-later
"""Who is taken for a QEMU of libvirt's, and who only says so: real processes with real tricks."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pmkvm import settings
from pmkvm.virt import pid_file, qemu, qemu_user, record
from pmkvm.virt.identity import Identity
from pmkvm.virt.record import Record, Stage
from tests import impostor
from tests.unit.virt.fake_qemu import G1, OTHER_UUID, READY, UUID, qemu_arguments

if TYPE_CHECKING:
    from tests.unit.virt.fake_qemu import FakeProcessTable

G2 = Identity("g2", OTHER_UUID, is_qemu=True)
# On a machine that is busy; the look at an endless command line took 38 s, and 1 GiB.
LOOK_S, LOOK_KIB = 5.0, 65536


@pytest.fixture
def _whole_machine(host: FakeProcessTable, monkeypatch: pytest.MonkeyPatch) -> None:
    """All its processes are seen, new ones as well."""
    assert host
    monkeypatch.setattr(settings, "PROC", "/proc")


@pytest.mark.usefixtures("_whole_machine")
@pytest.mark.parametrize("kind", impostor.KINDS)
def test_another_user_s_process_is_nobody_whatever_it_says(nobody: int, kind: str) -> None:
    """Nor does it cost anything to look at it."""
    identity = Identity(f"guest-{uuid.uuid4()}", str(uuid.uuid4()), is_qemu=True)
    arguments = [kind, identity.name, identity.uuid, "60", str(nobody)]
    argv = [sys.executable, "-I", impostor.__file__, *arguments]
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with subprocess.Popen(argv, stdout=subprocess.PIPE, start_new_session=True) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == READY
            began = time.monotonic()
            for _ in range(3):
                assert qemu.find(identity) == []
                assert qemu.living(identity) == []
                assert qemu.find(identity._replace(name="")) == []
            assert time.monotonic() - began < LOOK_S
        finally:
            os.killpg(child.pid, 9)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < LOOK_KIB


def test_one_of_qemu_s_user_counts(host: FakeProcessTable, nobody: int) -> None:
    """Written down by nobody, as if its pid file had been deleted: unknown is never "stopped"."""
    Path(settings.QEMU_CONF).write_text(f'user = "+{nobody}"\n', encoding="ascii")
    mine = host.start_impostor(impostor.ENDLESS, "g1", UUID, user=nobody)
    (found,) = qemu.find(G1)
    assert found.life == mine.life
    # libvirt writes it behind the devices.
    assert found.guest.is_incoming
    assert qemu.living(G1) == [mine.life]


@pytest.mark.parametrize(
    ("group", "counts"),
    [
        ("/machine.slice/machine-qemu\\x2d3\\x2dg1.scope/libvirt/emulator", True),
        ("/machine/qemu-3-g1.libvirt-qemu", True),
        ("/user.slice/user-1000.slice/user@1000.service/machine-qemu\\x2d3\\x2dg1.scope", False),
        ("/system.slice/sshd.service", False),
    ],
)
def test_a_domain_that_runs_as_another_user_is_known_by_its_group(
    host: FakeProcessTable, nobody: int, group: str, counts: bool
) -> None:
    """Its label says so (<seclabel model='dac'>); root alone puts a process into its group."""
    mine = host.start_impostor(impostor.SAME, "g1", UUID, user=nobody)
    shown = host.directory / str(mine.pid)
    shown.unlink()
    shown.mkdir()
    if os.geteuid() == 0:
        os.chown(shown, nobody, nobody)
    for name in ("stat", "status", "cmdline", "ns", "exe", "task"):
        (shown / name).symlink_to(f"/proc/{mine.pid}/{name}")
    (shown / "cgroup").write_text(f"0::{group}\n", encoding="ascii")
    assert qemu.living(G1) == ([mine.life] if counts else [])


@pytest.mark.parametrize(
    ("conf", "found"),
    [
        (None, {0, 107, 64055}),
        ('#user = "root"\n', {0, 107, 64055}),
        ('user = "root"\n', {0}),
        ('user="qemu"\n', {0, 107}),
        ("user = 'qemu' # of RHEL\n", {0, 107}),
        ('user = "qemu"\nuser = "+36"\ngroup = "+35"\n', {0, 36}),
        ('user = "1000"\nusername = "qemu"\n', {0, 1000}),
        ('user = "of a directory"\n', None),
    ],
)
def test_the_users_of_qemu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, conf: str | None, found: set[int] | None
) -> None:
    accounts = tmp_path / "passwd"
    accounts.write_text(
        "root:x:0:0::/root:/bin/sh\n\nbroken\nqemu:x:107:107::/:/sbin/nologin\n"
        "libvirt-qemu:x:64055:109:Libvirt Qemu,,,:/var/lib/libvirt:/usr/sbin/nologin\n",
        encoding="ascii",
    )
    path = tmp_path / "qemu.conf"
    if conf is not None:
        path.write_text(conf, encoding="ascii")
    monkeypatch.setattr(settings, "ACCOUNTS", str(accounts))
    monkeypatch.setattr(settings, "QEMU_CONF", str(path))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert qemu_user.uids() == found


UNTOLD = ["neither account", "no accounts", "accounts are a directory", "qemu.conf is a directory"]


@pytest.mark.parametrize("what", [*UNTOLD, "a user of a directory"])
def test_where_qemu_s_user_can_t_be_told_every_user_s_process_counts(
    host: FakeProcessTable, nobody: int, what: str
) -> None:
    """Unknown is never "stopped"."""
    accounts, conf = Path(settings.ACCOUNTS), Path(settings.QEMU_CONF)
    mine = host.start_impostor(impostor.SAME, "g1", UUID, user=nobody)
    assert qemu.living(G1) == []
    if what == "neither account":
        accounts.write_text("root:x:0:0::/root:/bin/sh\n", encoding="ascii")
    elif what == "a user of a directory":
        conf.write_text('user = "svc-qemu"\n', encoding="ascii")
    elif what == "qemu.conf is a directory":
        conf.mkdir()
    else:
        accounts.unlink()
        if "directory" in what:
            accounts.mkdir()
    assert qemu_user.uids() is None
    assert qemu.living(G1) == [mine.life]


def test_a_setuid_program_speaks_for_somebody_else(host: FakeProcessTable) -> None:
    """A sudo that waits for a password is root's with all its ids; its arguments are its user's."""
    program = host.directory.parent / "setuid"
    shutil.copy("/bin/sh", program)
    mine = host.start_shell("g1", UUID, executable=str(program))
    assert qemu.living(G1) == [mine.life]
    program.chmod(0o4755)
    assert qemu.living(G1) == []


def test_a_container_s_process_is_of_another_host(host: FakeProcessTable) -> None:
    own = ["--user", "--map-root-user"] if os.geteuid() != 0 else []
    script = ["-c", "echo ready; read line", *qemu_arguments("g1", UUID)]
    argv = ["unshare", "--pid", "--fork", "--kill-child", *own, "/bin/sh", *script]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == READY
        children = Path(f"/proc/{child.pid}/task/{child.pid}/children")
        (inside,) = children.read_text(encoding="ascii").split()
        (host.directory / inside).symlink_to(f"/proc/{inside}")
        assert qemu.living(G1) == []


class TestWhatRootHasWrittenDown:
    """It outweighs what a process says of itself."""

    def test_a_pid_file_s_life_is_the_guest_s_whatever_it_says(
        self, host: FakeProcessTable
    ) -> None:
        taken = host.start_qemu_that_rewrites("g1", UUID)
        assert qemu.find(G1) == []
        assert qemu.living(G1) == []
        host.write_pid_file("g1", taken.pid)
        assert qemu.living(G1) == [taken.life]
        taken.end()
        assert qemu.living(G1) == []

    def test_one_that_is_remembered_for_another_guest_is_not_this_one(
        self, host: FakeProcessTable
    ) -> None:
        """A QEMU of g2 that was taken over can't pass for g1, by name or by uuid."""
        for name, domain in (("g1", UUID), ("g2", UUID), ("g1", OTHER_UUID)):
            liar = host.start_qemu(name, domain)
            domain_of_g2 = G2._replace(uuid=str(uuid.uuid4()))
            record.store("vm2", Record(domain_of_g2, Stage.RUNNING, liar.life))
            assert qemu.living(G1) == []
            liar.end()

    def test_one_that_libvirt_has_started_for_another_domain_is_not_this_one(
        self, host: FakeProcessTable
    ) -> None:
        liar = host.start_qemu("g1", OTHER_UUID)
        host.write_pid_file("g2", liar.pid)
        assert qemu.living(G1) == []
        assert qemu.living(G2) == [liar.life]

    def test_a_record_of_its_own_takes_nothing_from_it(self, host: FakeProcessTable) -> None:
        mine = host.start_qemu("g1", UUID)
        record.store("vm/1", Record(G1, Stage.RUNNING, mine.life))
        assert record.of_life(mine.life) == G1
        assert qemu.living(G1) == [mine.life]


class TestPidFile:
    """What it names is killed with root's rights."""

    def test_names_a_life(self, host: FakeProcessTable) -> None:
        mine = host.start_other("x")
        host.write_pid_file("g1", mine.pid)
        assert pid_file.life_of("g1") == mine.life
        assert pid_file.domain_of(mine.life) == "g1"

    def test_is_older_than_who_has_the_number_now(self, host: FakeProcessTable) -> None:
        """libvirt was killed before it could remove the file, and the number was given away."""
        mine = host.start_other("x")
        host.write_pid_file("g1", mine.pid, age_s=5)
        assert pid_file.life_of("g1") is None
        assert pid_file.domain_of(mine.life) is None

    @pytest.mark.parametrize("text", ["", "x", "0", "1", "-1", "4194304000", "9" * 5000])
    def test_may_hold_anything(self, host: FakeProcessTable, text: str) -> None:
        path = host.write_pid_file("g1", 1)
        path.write_text(text, encoding="ascii")
        assert pid_file.life_of("g1") is None

    @pytest.mark.parametrize("name", ["", "../g1", "a/b", "none"])
    def test_is_none_for_such_a_name(self, host: FakeProcessTable, name: str) -> None:
        mine = host.start_other("x")
        path = host.write_pid_file("g1", mine.pid)
        path.rename(path.parent.parent / "g1.pid")
        assert pid_file.life_of(name) is None

    def test_that_is_a_link_or_a_pipe_is_none(self, host: FakeProcessTable) -> None:
        mine = host.start_other("x")
        path = host.write_pid_file("g2", mine.pid)
        path.with_name("g1.pid").symlink_to(path)
        os.mkfifo(path.with_name("g3.pid"))
        path.with_name("g4.pid").mkdir()
        assert [pid_file.life_of(name) for name in ("g1", "g3", "g4")] == [None] * 3

    def test_of_another_user_names_his_own_processes_alone(
        self, host: FakeProcessTable, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A helper may write its own; in its directory its user can write any number."""
        mine = host.start_other("x")
        path = host.write_pid_file("g1", mine.pid)
        if os.geteuid() == 0:
            os.chown(path, impostor.NOBODY, impostor.NOBODY)
        else:
            monkeypatch.setattr(os, "geteuid", lambda: 0)
            assert pid_file.life_of("g1") == mine.life
            return
        assert pid_file.life_of("g1") is None
        his = host.start_impostor(impostor.NAMED, "g1", UUID, user=impostor.NOBODY)
        path.write_text(str(his.pid), encoding="ascii")
        assert pid_file.life_of("g1") == his.life
