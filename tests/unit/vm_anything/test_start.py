# SPDX-License-Identifier: GPL-2.0-or-later
"""What a program finds when it is started, and what is left of one that dies at that."""

from __future__ import annotations

import os
import pwd
import shlex
import signal
from typing import TYPE_CHECKING

import pytest

from agents.vm_anything import user
from tests.unit.vm_anything.world import wait_for

if TYPE_CHECKING:
    from tests.unit.vm_anything.world import World

WAIT = "exec sleep 60"
# Shows its arguments, one a line, then stays.
SHOW = f'printf "%s\\n" "$@" "end" >arguments; {WAIT}'


def test_the_slides_use_of_it_works(world: World) -> None:
    options = "-c 'openssl des-ede3 -d -base64 -k vmstonith' -i"
    parameters = world.run(SHOW, cmdline_options=options, login_shell="false")
    assert world.read("arguments") == [
        "-c",
        "openssl des-ede3 -d -base64 -k vmstonith",
        "-i",
        "end",
    ]
    assert world.act("monitor", parameters).rc == 0
    assert world.act("stop", parameters).rc == 0
    assert world.act("monitor", parameters).rc == 7


def test_options_are_split_and_never_executed(world: World) -> None:
    options = r"""$HOME `id` * ; touch "a  b" '$(id)' c\ d '' # >out"""
    world.start({**world.program(SHOW), "cmdline_options": options})
    arguments = ["$HOME", "`id`", "*", ";", "touch", "a  b", "$(id)", "c d", "", "#", ">out", "end"]
    assert world.read("arguments") == arguments
    assert not (world.directory / "out").exists()


@pytest.mark.parametrize("action", ["start", "validate-all"])
def test_bad_quoting_is_an_error_of_configuration(world: World, action: str) -> None:
    called = world.act(action, {**world.program(SHOW), "cmdline_options": "-c 'openssl"})
    assert called.outcome == (6, "parameter cmdline_options: No closing quotation")
    assert world.processes() == []


def test_the_program_stands_on_its_own(world: World) -> None:
    text = (
        "with open('seen', 'w') as f: print(os.getsid(0) == os.getpgrp() == os.getpid(),"
        " os.getcwd(), os.readlink('/proc/self/fd/0'), oct(os.umask(0)),"
        " *sorted(os.listdir('/proc/self/fd')), file=f)\ntime.sleep(60)"
    )
    mask = os.umask(0o077)
    try:
        world.start(world.python(text))
    finally:
        os.umask(mask)
    seen = world.read("seen")[0].split()
    # 3 and 4: its own file and listdir's; nothing of the agent's is open in it.
    assert seen == ["True", str(world.directory), "/dev/null", "0o22", *"01234"]


def environment(world: World, **parameters: str) -> dict[str, str]:
    world.start({**world.program(f"env >env; {WAIT}"), **parameters})
    return dict(line.partition("=")[::2] for line in world.read("env"))


def test_a_login_gives_the_user_s_environment_and_nothing_else(world: World) -> None:
    world.patch.setenv("HA_LOGFACILITY", "daemon")
    me = pwd.getpwuid(os.geteuid())
    seen = environment(world, user=me.pw_name)
    assert seen.pop("NOTIFY_SOCKET").startswith("@")
    assert seen.pop("VM_ANYTHING").endswith(f" {world.pidfile()}")
    seen.pop("PWD", "")
    assert seen == {
        "HOME": me.pw_dir,
        "USER": me.pw_name,
        "LOGNAME": me.pw_name,
        "SHELL": me.pw_shell,
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    }


def test_without_a_login_the_agent_s_environment_is_kept(world: World) -> None:
    given = {"HA_LOGFACILITY": "daemon", "OCF_ROOT": "/usr/lib/ocf", "PATH": "/bin:/usr/bin"}
    not_for_it = {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "5", "LISTEN_FDS": "1", "HOME": "/x"}
    not_for_it["VM_ANYTHING"] = "5 /x"
    for name, value in {**given, **not_for_it}.items():
        world.patch.setenv(name, value)
    me = pwd.getpwuid(os.geteuid())
    seen = environment(world, user=me.pw_name, login_shell="false")
    assert given.items() <= seen.items()
    assert (seen["HOME"], seen["NOTIFY_SOCKET"][0]) == (me.pw_dir, "@")
    assert seen["VM_ANYTHING"].endswith(f" {world.pidfile()}")
    assert not {"WATCHDOG_USEC", "LISTEN_FDS"} & set(seen)


def test_output_is_appended(world: World) -> None:
    log, errors = world.directory / "log", world.directory / "errors"
    log.write_text("before\n")
    parameters = world.program(f"echo out; echo err >&2; {WAIT}")
    parameters["logfile"] = str(log)
    world.start({**parameters, "errlogfile": str(errors)})
    assert world.read("errors") == ["err"]
    assert world.read("log") == ["before", "out"]
    world.act("stop", parameters)
    world.start(parameters)
    # Without errlogfile both go to logfile.
    wait_for(lambda: log.read_text() == "before\nout\nout\nerr\n")


def test_a_log_that_can_t_be_written_is_no_start(world: World) -> None:
    called = world.act("start", {**world.program(WAIT), "logfile": "/nowhere/log"})
    assert called.outcome == (5, "/nowhere/log: No such file or directory")
    assert world.processes() == []


def test_the_pidfile_holds_one_life(world: World) -> None:
    life = world.live(WAIT)
    assert world.pidfile().read_text() == f"{life.pid} {life.start_time}\n"
    assert world.pidfile().parent.stat().st_mode & 0o777 == 0o700


def test_a_second_start_starts_nothing(world: World) -> None:
    parameters = world.program(WAIT)
    assert world.start(parameters) == world.start(parameters)
    assert len(world.processes()) == 1


def test_two_instances_run_at_once(world: World) -> None:
    parameters = world.program(WAIT)
    one, two = world.start(parameters, name="p1"), world.start(parameters, name="p2")
    assert world.act("stop", parameters, name="p1").rc == 0
    assert world.processes() == [two]
    assert one != two
    assert world.act("monitor", parameters, name="p1").rc == 7
    assert world.act("monitor", parameters, name="p2").rc == 0


@pytest.mark.parametrize("number", ["0", "7", "12"])
def test_instances_of_an_anonymous_clone_are_one(world: World, number: str) -> None:
    """2011's agent cut off numbers of two digits only."""
    parameters = {**world.program(WAIT), "CRM_meta_globally_unique": "false"}
    world.act("start", parameters, name=f"p1:{number}")
    assert world.pidfile("p1").exists()
    assert world.act("monitor", parameters, name="p1:3").rc == 0
    assert world.act("monitor", parameters, name="p1").rc == 0


@pytest.mark.parametrize("unique", ["true", "nonsense", ""])
def test_other_instances_are_not(world: World, unique: str) -> None:
    parameters = {**world.program(WAIT), "CRM_meta_globally_unique": unique}
    if not unique:
        del parameters["CRM_meta_globally_unique"]
    world.start(parameters, name="p1:0")
    assert world.act("monitor", parameters, name="p1:1").rc == 7


def test_a_name_does_not_leave_the_directory(world: World) -> None:
    parameters = world.program(WAIT)
    assert world.act("start", parameters, name="../../a%b").rc == 0
    assert [path.name for path in world.pidfile().parent.iterdir()] == ["..%2F..%2Fa%25b.pid"]


@pytest.mark.usefixtures("a_whole_moment")
def test_a_program_that_dies_says_why_and_leaves_nothing(world: World) -> None:
    log = world.directory / "errors"
    log.write_text("an older reason\n")
    parameters = world.program("sleep 60 & trap '' TERM; sleep 60 & echo no key >&2; exit 3")
    called = world.act("start", {**parameters, "errlogfile": str(log)})
    assert called.outcome == (1, "the program ended with 3 while it started: no key")
    assert world.processes() == []
    assert not world.pidfile().exists()
    assert world.probe(parameters).rc == 7


@pytest.mark.usefixtures("a_whole_moment")
@pytest.mark.parametrize(
    ("text", "end"),
    [("exit 0", "ended with 0"), ("kill -SEGV $$", f"was killed by signal {signal.SIGSEGV:d}")],
)
def test_one_that_dies_in_silence_borrows_no_older_reason(
    world: World, text: str, end: str
) -> None:
    log = world.directory / "errors"
    log.write_text("an older reason\n")
    called = world.act("start", {**world.program(text), "logfile": str(log)})
    assert called.outcome == (1, f"the program {end} while it started")


def test_what_is_left_of_the_last_life_is_killed_first(world: World) -> None:
    parameters = world.program(f"sleep 61 & {WAIT}")
    old = world.start(parameters)
    wait_for(lambda: len(world.processes()) == 2)
    os.kill(old, signal.SIGKILL)
    wait_for(lambda: len(world.processes()) == 1)
    (left,) = world.processes()
    assert world.start(parameters) != old
    assert left not in world.processes()


def test_the_hook_may_need_the_program_to_be_further(world: World) -> None:
    flag = shlex.quote(str(world.directory / "flag"))
    parameters = {
        **world.program(f"sleep 0.2; touch flag; {WAIT}"),
        "monitor_hook": f"test -e {flag}",
    }
    world.start(parameters)
    assert (world.directory / "flag").exists()


# One that the deadline cuts short has the reason that it gave before.
@pytest.mark.parametrize("first", ["", "test -e tried && exec sleep 61; touch tried; "])
def test_a_hook_that_is_never_content_is_no_start(world: World, first: str) -> None:
    hook = f"cd {world.directory}; {first}echo no service; exit 4"
    called = world.act("start", {**world.program(WAIT), "monitor_hook": hook}, timeout_s=5)
    assert called.outcome == (1, "monitor_hook ended with 4: no service")
    assert world.processes() == []
    assert not world.pidfile().exists()


@pytest.mark.parametrize(
    ("parameters", "code", "reason"),
    [
        ({"binfile": "/nowhere/bin"}, 5, "/nowhere/bin does not exist, or USER can't see it"),
        ({"binfile": "/etc/passwd"}, 5, "/etc/passwd is not executable for USER"),
        ({"binfile": "/bin"}, 5, "/bin does not exist, or USER can't see it"),
        ({"binfile": "bin"}, 6, "parameter binfile='bin' must be an absolute path"),
        ({}, 6, "parameter binfile is required and not set"),
        ({"binfile": "/bin/sh", "workdir": "/etc/passwd"}, 5, "/etc/passwd is no directory"),
        ({"binfile": "/bin/sh", "user": "no.such"}, 5, "user 'no.such' does not exist here"),
        (
            {"binfile": "/bin/sh", "stop_timeout": "-1"},
            6,
            "stop_timeout='-1' must be a whole number",
        ),
        ({"binfile": "/bin/sh", "login_shell": "x"}, 6, "login_shell='x' must be yes or no"),
        ({"binfile": "/nowhere", "workdir": "/no"}, 5, "see it; /no is no directory"),
    ],
)
@pytest.mark.parametrize("action", ["start", "validate-all"])
def test_parameters_are_checked_before_anything_is_started(
    world: World, action: str, parameters: dict[str, str], code: int, reason: str
) -> None:
    name = pwd.getpwuid(os.geteuid()).pw_name
    called = world.act(action, {"user": name, **parameters})
    assert called.rc == code
    assert reason.replace("USER", name) in called.reason
    assert not world.pidfile().exists()


def test_good_parameters_are_valid(world: World) -> None:
    name = pwd.getpwuid(os.geteuid()).pw_name
    assert world.act("validate-all", {**world.program(WAIT), "user": name}) == (0, "", "")


def test_a_user_is_its_number_and_all_its_groups() -> None:
    nobody = pwd.getpwnam("nobody")
    if os.geteuid() == nobody.pw_uid:
        assert user.account_of(nobody) is None
    elif os.geteuid() == 0:
        account = user.account_of(nobody)
        assert account is not None
        assert (account.uid, account.gid) == (nobody.pw_uid, nobody.pw_gid)
        assert nobody.pw_gid in account.groups


def test_another_user_has_its_own_rights(world: World) -> None:
    """Only root can become somebody; anybody else is told so."""
    parameters = {"binfile": "/bin/sleep", "cmdline_options": "60", "user": "nobody"}
    parameters["workdir"] = "/"
    called = world.act("start", parameters)
    if os.geteuid() != 0:
        assert called.outcome == (4, "only root may run a program as nobody")
        return
    with open(f"/proc/{world.pid()}/status", encoding="utf-8") as file:
        status = dict(line.split(":\t", 1) for line in file.read().splitlines() if ":\t" in line)
    nobody = pwd.getpwnam("nobody")
    assert status["Uid"].split() == [str(nobody.pw_uid)] * 4
    assert status["Gid"].split() == [str(nobody.pw_gid)] * 4
    assert status["Groups"].split() == [str(nobody.pw_gid)]
    assert world.act("stop", parameters).rc == 0
    # Not into a directory of root's, and root has its own rights again afterwards.
    called = world.act("start", {**parameters, "logfile": str(world.directory / "log")})
    assert called.outcome == (5, f"{world.directory}/log: Permission denied")
    called = world.act("start", {**parameters, "binfile": world.program(WAIT)["binfile"]})
    assert called.rc == 5
    assert (os.geteuid(), os.getegid()) == (0, 0)
