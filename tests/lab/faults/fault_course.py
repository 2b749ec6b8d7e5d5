# SPDX-License-Identifier: GPL-2.0-or-later
"""One cell of the fault table under way: asked, hit, answered, mended, and what was seen of it."""

from __future__ import annotations

import contextlib
import re
import time
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from pmkvm.errors import HaError
from tests.lab.cluster import stonith
from tests.lab.cluster.cluster import LOG
from tests.lab.errors import LabError
from tests.lab.faults import faults, fence_promises
from tests.lab.faults.faults import State
from tests.lab.faults.fence_promises import Kill, Story
from tests.lab.faults.situations import wait_until
from tests.lab.guests.pair import BOOT_S, Pair

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.lab.faults.fault_acts import Act
    from tests.lab.faults.faults import Cell
    from tests.lab.faults.fence_watch import Watch
    from tests.lab.guests.fencing_guest import Asking
    from tests.lab.guests.lives import Lives
    from tests.lab.hosts.machine import Machine
    from tests.lab.lab import Lab

REQUEST_S = 20.0
# The loss of a host, and its fencing, is waited for.
LOSS_S = 45.0
REACHED_S = 30.0
# A second life of the target that something ends would be seen to end in this time.
AFTERWARDS_S = 3.0
# Lease, and 15 s until anybody removes what ran out.
CLEAN_S = 80.0
BYSTANDER = "bystander"
GIVES_UP = "Could not initiate start action"
KILLED = re.compile(r"(?m)^(\S+ \S+) vm-stonithd\[\d+\] info: (\S+) .*: killed QEMU \d+ \(ban")


class Course(NamedTuple):
    """One cell under way."""

    pair: Pair
    cell: Cell
    watch: Watch
    lives: Lives
    # guest1's QEMU and boots, and the bystander's start, before it.
    boots: list[str]
    bystander: str
    boot: str
    # How often Pacemaker's controller had ended itself.
    gave_up: int


def live_through(course: Course, act: Act) -> Story:
    """The fence, the fault in it, the fault's end, and what comes afterwards."""
    fault = course.cell.fault
    timeout_s = LOSS_S if fault.risk else REQUEST_S
    story = Story(course.cell.operation, time.time(), timeout_s, 0.0, moves=fault.moves)
    story = story._replace(risk=frozenset(fault.risk), lost_s=fault.lost_s)
    with ThreadPoolExecutor(1) as pool:
        try:
            asking = _ask(course, act, timeout_s)
        except BaseException:
            if course.watch.hit is not None:
                act.undo()
            raise
        undoing = pool.submit(_undo_in_time, act)
        story = _answered(asking, story)
        undone_s = undoing.result()
    if fault.what != faults.FROZEN:
        # Meanwhile somebody else has kept it stopped.
        story = story._replace(undone_s=undone_s)
    return _settle(course, act, story)


def _ask(course: Course, act: Act, timeout_s: float) -> Asking:
    """guest1 asks, and the fault has come when this returns."""
    pair, cell, watch = course.pair, course.cell, course.watch
    if cell.state is not State.WAITING:
        watch.arm(cell.state, cell.operation, act.do)
        asking = pair.ask(cell.operation, timeout_s=timeout_s)
        if not watch.wait(REACHED_S):
            raise LabError(f"the state is not reached: {cell.state.value}")
        return asking
    name, host = pair.target.resource, pair.lab.host(faults.COORDINATOR)
    host.must(["crm_resource", "--meta", "-r", name, "-p", "is-managed", "-v", "false"])
    pair.lab.cluster.wait(lambda now: not now.find(name)[0].is_managed, "unmanaged", 20)
    size = len(host.on_disk(stonith.LOG))
    asking = pair.ask(cell.operation, timeout_s=timeout_s)
    wait_until(lambda: "is unmanaged" in host.on_disk(stonith.LOG)[size:], "the request on host1")
    watch.fire(cell.state, act.do)
    watch.wait(REACHED_S)
    wait_until(lambda: _is_managed_again(pair), "the target managed again", 60)
    return asking


def _is_managed_again(pair: Pair) -> bool:
    argv = ["crm_resource", "--meta", "-r", pair.target.resource, "-d", "is-managed"]
    for host in pair.lab.hosts:
        with contextlib.suppress(HaError):
            if host.run(argv, timeout_s=10).rc == 0:
                return True
    return False


def _undo_in_time(act: Act) -> float:
    """The fault's end, while the answer is waited for; gives its time."""
    if act.after_s is not None:
        time.sleep(act.after_s)
        act.undo()
    return time.time()


def _answered(asking: Asking, story: Story) -> Story:
    try:
        answered = asking.answered()
    except LabError as error:
        # Its promises say whether it may be dead.
        print(f"no answer: {error}")
        return story
    return story._replace(
        answer=answered.text,
        is_ok=answered.is_ok,
        took_s=answered.took_s,
        answered_s=time.time(),
    )


def _settle(course: Course, act: Act, story: Story) -> Story:
    """Wait for the fence's end as far as it has one by itself; then take an off back."""
    pair, cell = course.pair, course.cell
    is_kept = cell.operation == faults.OFF or cell.fault.stays
    dead = _bring_back_hosts(pair)
    if is_kept:
        time.sleep(AFTERWARDS_S)
        _switch_on(course)
    is_back = _is_back(course)
    if act.after_s is None:
        act.undo()
    has_given_up = gave_up(pair.lab) > course.gave_up
    if has_given_up:
        story = story._replace(risk=frozenset(host.name for host in pair.lab.hosts), moves=True)
    left = _left(course, is_moved=story.moves or bool(story.risk), has_given_up=has_given_up)
    time.sleep(AFTERWARDS_S)
    ok_s = [one.at_s for one in pair.proven() if one.at_s > story.asked_s]
    events = {event.host for event in pair.lab.fencing.events() if event.answer == "OK"}
    # In this order: a life that goes on was seen at the end of the watch.
    ended_s, lives = course.lives.looked_s, course.lives.all()
    return story._replace(
        ended_s=ended_s,
        ok_s=ok_s[0] if ok_s else None,
        requester_died_s=course.watch.requester_died_s,
        bans=course.watch.banned(),
        lives=lives,
        kills=_kills(pair.lab.hosts, story.asked_s),
        back_s=max(story.asked_s, lives[-1].first_s) if is_back and lives else None,
        is_kept_stopped=is_kept,
        left=left,
        gone=frozenset(events | dead),
    )


def _bring_back_hosts(pair: Pair) -> set[str]:
    """What was lost is fenced, and boots again, as a machine would; gives it."""
    lab = pair.lab
    if any(host.is_cut() or not host.is_alive() for host in lab.hosts):
        wait_until(lambda: _has_lost(lab), "a host that was lost is fenced", 60)
    dead = [host for host in lab.hosts if not host.is_alive()]
    for host in dead:
        # Pacemaker 2.1.5 leaves one pending that is a member before its fencing has been told.
        lab.cluster.wait_offline(host)
    for host in lab.hosts:
        if host in dead:
            lab.boot(host)
        elif host.is_cut():
            host.heal()
    lab.cluster.wait_online(timeout_s=BOOT_S)
    return {host.name for host in dead}


def _has_lost(lab: Lab) -> bool:
    """Whether each host that is lost has been fenced."""
    fenced = {event.host for event in lab.fencing.events() if event.answer == "OK"}
    dead = {host.name for host in lab.hosts if not host.is_alive()}
    return bool(dead) and dead <= fenced


def _switch_on(course: Course) -> None:
    """Through the guest if that can be, else as an administrator."""
    pair = course.pair
    with contextlib.suppress(LabError):
        if pair.requester.hosts() and pair.answer("on", timeout_s=20).is_ok:
            return
    stonith.wait_ready(pair.lab)
    pair.target.vm_ctl("resource", "start", pair.target.guest.name, "--no-wait")


def _is_back(course: Course) -> bool:
    """Whether the target runs in the end, and ticks."""
    target = course.pair.target
    try:
        within_s = fence_promises.BACK_S + 30 + course.cell.fault.lost_s
        course.pair.lab.cluster.wait_running(target.resource, timeout_s=within_s)
    except LabError as error:
        print(error)
        return False
    return target.counter.is_ticking(BOOT_S)


def gave_up(lab: Lab) -> int:
    """How often Pacemaker 2.1.5's controller has ended itself on both hosts, which it does when a
    refresh meets a start that it is about to carry out: with a Dummy and no fence as well."""
    return sum(host.on_disk(LOG).count(GIVES_UP) for host in lab.hosts)


def _left(course: Course, *, is_moved: bool, has_given_up: bool) -> list[str]:
    """What a fence must not leave, apart from what the fault itself does."""
    pair = course.pair
    found = [
        text
        for text in pair.leftovers("Started", course.boots, CLEAN_S)
        # Daemons that were killed have failed, and so has what they served.
        if not text.startswith(("failed ", "fail-count-", "host fenced")) or "prmVMCTL_" in text
    ]
    if has_given_up:
        found = [text for text in found if not text.startswith("fail-count-")]
    if is_moved:
        own = ("guest1 has been started anew", "constraint cli-")
        found = [text for text in found if not text.startswith(own)]
    elif bystander(pair) != course.bystander:
        found.append("the bystander has been stopped")
    if pair.target.counter.is_going_back():
        found.append("two boots of the target interleave")
    return found


def bystander(pair: Pair) -> str:
    """Its start or stop that came last, as Pacemaker has it."""
    path = f".//lrm_resource[@id='{BYSTANDER}']/lrm_rsc_op[@id='{BYSTANDER}_last_0']"
    return " ".join(one.get("transition-key", "") for one in pair.lab.cib().iterfind(path))


def _kills(hosts: list[Machine], since_s: float) -> list[Kill]:
    return [
        Kill(host.name, stonith.time_of(found[0]))
        for host in hosts
        for found in KILLED.finditer(host.on_disk(stonith.LOG))
        if found[2] != faults.NO_REQUEST and stonith.time_of(found[0]) > since_s
    ]
