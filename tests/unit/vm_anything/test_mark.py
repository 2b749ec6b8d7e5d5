# SPDX-License-Identifier: GPL-2.0-or-later
"""The pid file is gone, or can't be believed, read or written: the program is known by its mark."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agents.vm_anything import mark, session
from agents.vm_anything.session import Session
from pmkvm import settings
from tests.unit.vm_anything.world import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.unit.vm_anything.world import World

WAIT = "exec sleep 60"
NOBODY = 65534


def delete(world: World) -> None:
    shutil.rmtree(world.run_dir)


def replace_by_a_file(world: World) -> None:
    shutil.rmtree(world.run_dir)
    world.run_dir.mkdir()
    (world.run_dir / "anything").write_text("of somebody")


def spoil(world: World) -> None:
    world.pidfile().write_text("of somebody")


def name_another(world: World) -> None:
    """What was written there before, and could not be replaced."""
    world.pidfile().write_text("1 1\n")


GONE = pytest.mark.parametrize("lose", [delete, replace_by_a_file, spoil, name_another])


@GONE
@pytest.mark.parametrize("login", ["true", "false"])
def test_a_program_is_known_without_its_pid_file(
    world: World, lose: Callable[[World], None], login: str
) -> None:
    parameters = {**world.program(f"sleep 61 & {WAIT}"), "login_shell": login}
    pid = world.start(parameters)
    wait_for(lambda: len(world.processes()) == 2)
    for action in ("monitor", "status", "start"):
        lose(world)
        assert world.act(action, parameters).rc == 0
        assert pid in world.processes()
    assert world.probe(parameters).rc == 0
    assert len(world.processes()) == 2, "no second one was started"
    lose(world)
    world.stop(parameters)
    assert world.probe(parameters) == (7, "", "")


@pytest.mark.parametrize("action", ["monitor", "start"])
def test_the_pid_file_is_written_again(world: World, action: str) -> None:
    parameters = world.program(WAIT)
    pid = world.start(parameters)
    text = world.pidfile().read_text()
    delete(world)
    assert f"found without its pid file: program {pid}" in world.act(action, parameters).err
    assert world.pidfile().read_text() == text
    assert world.act("monitor", parameters) == (0, "", "")


def test_a_pid_file_elsewhere_may_be_lost_too(world: World) -> None:
    parameters = {**world.program(WAIT), "pidfile": str(world.directory / "my.pid")}
    assert world.act("start", parameters).rc == 0
    Path(parameters["pidfile"]).unlink()
    assert world.act("monitor", parameters).rc == 0
    assert Path(parameters["pidfile"]).exists()
    Path(parameters["pidfile"]).unlink()
    world.stop(parameters)


def test_an_instance_of_an_anonymous_clone_is_found_under_every_number(world: World) -> None:
    parameters = {**world.program(WAIT), "CRM_meta_globally_unique": "false"}
    assert world.act("start", parameters, name="p1:0").rc == 0
    delete(world)
    assert world.act("monitor", parameters, name="p1:3").rc == 0
    delete(world)
    assert world.act("monitor", parameters, name="p2").rc == 7
    assert world.act("stop", parameters, name="p2").rc == 0
    assert len(world.processes()) == 1


def test_all_that_are_found_are_stopped(world: World) -> None:
    """A second one was started while the first had no mark yet, or by hand."""
    parameters = world.run(WAIT)
    with marked(world):
        assert len(world.processes()) == 2
        world.stop(parameters)


# --- a pid file that can't be written


@pytest.mark.parametrize("pidfile", ["", "/nowhere/pid", "/proc/pid"])
def test_a_program_whose_pid_file_can_t_be_written_runs_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch, pidfile: str
) -> None:
    monkeypatch.setattr(settings, "RUN_DIR", "/proc/no")
    parameters = {**world.program(WAIT), "pidfile": pidfile}
    assert world.act("start", parameters).says(0, "can't be written")
    assert world.act("monitor", parameters).rc == 0
    assert world.act("start", parameters).rc == 0
    assert len(world.processes()) == 1
    world.stop(parameters)


def test_one_that_nothing_leads_to_does_not_run(world: World) -> None:
    pid = world.directory / "pid"
    text = f"echo $$ >{pid}; exec env -u VM_ANYTHING sleep 60"
    # Content once the mark is gone.
    hook = (
        f"until test -s {pid} && readlink /proc/$(cat {pid})/exe | grep -q sleep;"
        " do sleep 0.05; done"
    )
    parameters = {**world.program(text), "pidfile": "/nowhere/pid", "monitor_hook": hook}
    called = world.act("start", parameters)
    assert called.rc == 1
    assert "/nowhere/pid can't be written" in called.reason
    assert "it would not be found again" in called.reason
    assert world.processes() == []


# --- who is not the program

FORGER = """\
import os
if os.getsid(0) != os.getpid():
    os.setsid()
if {more!r} == "a child of root's" and not os.fork():
    os.execv("/bin/sleep", ["sleep", "61"])
os.setresuid({user}, {user}, {user})
ticks = int(open("/proc/self/stat").read().rpartition(")")[2].split()[19])
mark = str(ticks - {late}) + " " + {path!r}
padding = "x" * (70000 if {more!r} == "a long environment" else 1)
os.execve({program!r}, ["sleep", "60"], {{"PADDING": padding, "VM_ANYTHING": mark}})
"""


@contextlib.contextmanager
def marked(
    world: World,
    *prefix: str,
    user: int | None = None,
    program: str = "/bin/sleep",
    late: int = 0,
    more: str = "",
) -> Iterator[int]:
    """A process with the mark of p1, as anybody could make it; gives its number."""
    path = str(world.pidfile())
    code = FORGER.format(
        user=-1 if user is None else user, program=program, late=late, more=more, path=path
    )
    argv = [*prefix, sys.executable, "-c", code]
    before = set(world.processes())
    with subprocess.Popen(argv, cwd=world.directory, start_new_session=True) as child:
        wait_for(lambda: any(is_sleep(pid) for pid in set(world.processes()) - before))
        try:
            yield next(pid for pid in set(world.processes()) - before if is_sleep(pid))
        finally:
            child.kill()


def is_sleep(pid: int) -> bool:
    return Path(f"/proc/{pid}/cmdline").read_bytes() == b"sleep\x0060\0"


def is_taken_for_it(world: World, user: str = "root") -> bool:
    """By a monitor, and by a stop, which ends it then."""
    parameters = {"binfile": "/bin/sleep", "user": user}
    before = world.processes()
    rc = world.act("monitor", parameters).rc
    assert rc in (0, 7)
    assert world.act("stop", parameters).rc == 0
    assert (world.processes() == before) == (rc == 7)
    return rc == 0


def me() -> str:
    return pwd.getpwuid(os.geteuid()).pw_name


@pytest.mark.parametrize(
    ("late", "more", "is_taken"),
    [
        # So that the others, and the tests that follow, have their reason.
        (0, "", True),
        # What a program starts has its mark; so has who has read it.
        (-1, "", False),
        (502, "", False),
        # Anybody's may be as long as the kernel allows: so many bytes are looked at.
        (0, "a long environment", False),
    ],
)
def test_a_forged_mark_is_taken_for_the_program_s_at_its_time_and_beginning_alone(
    world: World, late: int, more: str, is_taken: bool
) -> None:
    with marked(world, late=late, more=more):
        assert is_taken_for_it(world, me()) is is_taken


def test_a_process_of_another_user_is_nobody_of_ours(world: World) -> None:
    user = NOBODY if os.geteuid() == 0 else None
    with marked(world, user=user):
        assert not is_taken_for_it(world, "root")


def test_a_setuid_program_is_nobody_of_ours(world: World) -> None:
    """Such as sudo that waits for a password, in the environment that its user gave it."""
    program = world.directory / "setuid"
    shutil.copy("/bin/sleep", program)
    program.chmod(0o4755)
    with marked(world, program=str(program)):
        assert not is_taken_for_it(world, me())


def test_a_container_s_process_is_nobody_of_ours(world: World) -> None:
    prefix = ["unshare", "--pid", "--fork", "--kill-child"]
    own = ["--user", "--map-root-user"] if os.geteuid() != 0 else []
    with marked(world, *prefix, *own):
        assert not is_taken_for_it(world, me())


def test_a_program_whose_start_was_slow_is_found_by_its_mark(world: World) -> None:
    """A host without memory takes long from the mark to the fork."""
    with marked(world, late=400):
        assert is_taken_for_it(world, me())


def test_what_a_program_leaves_in_a_session_of_its_own_is_not_the_program(world: World) -> None:
    """It has inherited the mark."""
    world.patch.setattr(mark, "_START_S", 1.0)
    parameters = world.python(
        "time.sleep(1.2)\n"
        "if not os.fork():\n os.setsid()\n open('left', 'w').write('x\\n')\n time.sleep(60)\n"
        "time.sleep(60)"
    )
    pid = world.start(parameters)
    world.read("left")
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    delete(world)
    assert world.act("monitor", parameters).rc == 7
    assert len(world.processes()) == 1


def test_an_early_child_is_not_taken_for_a_program_that_is_known_to_be_over(world: World) -> None:
    """It has made its session in the first seconds. A stop leaves nothing that has the mark."""
    parameters = world.program(f"setsid sleep 61 & {WAIT}")
    pid = world.start(parameters)
    wait_for(lambda: len(world.processes()) == 2)
    (child,) = set(world.processes()) - {pid}
    wait_for(lambda: os.getsid(child) == child)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert world.act("monitor", parameters).rc == 7
    assert world.start(parameters) not in (pid, child)
    world.stop(parameters)
    assert world.probe(parameters).rc == 7


def test_of_another_user_s_session_only_his_own_are_ended(world: World) -> None:
    """He may have forged it around a process that he could not end, as by sudo."""
    life = world.live(WAIT)
    assert session.members(Session(life, os.geteuid())) == [life]
    assert session.members(Session(life, os.geteuid() + 1)) == []
    assert world.act("stop", {}).rc == 0
    if os.geteuid() == 0:
        with marked(world, user=NOBODY, more="a child of root's") as pid:
            (roots,) = set(world.processes()) - {pid}
            parameters = {"binfile": "/bin/sleep", "user": "nobody"}
            assert world.act("monitor", parameters).rc == 0
            # A file of root's would be believed without a limit.
            assert not world.pidfile().exists()
            assert world.act("stop", parameters).rc == 0
            assert world.processes() == [roots]
            assert world.act("monitor", parameters).rc == 7
