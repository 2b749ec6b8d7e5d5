# SPDX-License-Identifier: GPL-2.0-or-later
"""One cell under way: an action, or a fence, the lack from then on, its end, and what then is."""

from __future__ import annotations

import time
from typing import NamedTuple

from pmkvm.errors import HaError
from tests.lab.cluster import stonith
from tests.lab.errors import LabError
from tests.lab.faults import fault_course, faults, scarcity
from tests.lab.faults.fault_acts import Act as FaultAct
from tests.lab.faults.fault_course import Course
from tests.lab.faults.fence_bans import NewestCopies
from tests.lab.faults.fence_watch import Watch
from tests.lab.faults.scarcity_judge import Facts, HeldAction
from tests.lab.faults.scarcity_recovery import Recovery, of_daemons, wait_for_monitors
from tests.lab.guests.lives import Lives

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.lab.cluster.registration import Registered
    from tests.lab.faults.fence_promises import Story
    from tests.lab.faults.gate import Call
    from tests.lab.faults.scarcity import Action, Cell, Fence
    from tests.lab.faults.scarcity_acts import Spell
    from tests.lab.faults.scarcity_judge import Place
    from tests.lab.faults.scarcity_scene import Scene
    from tests.lab.hosts.process import Process

ASK_S = 20.0
CLEAN_S = 40.0


class Before(NamedTuple):
    """Boots of the guests, and the processes of the services, at a moment."""

    boots: dict[str, list[str]]
    services: dict[Place, tuple[Process, ...]]


def look(scene: Scene) -> Before:
    guests = (scene.pair.requester, scene.pair.target, scene.subject)
    boots = {one.guest.name: one.counter.boots() for one in guests}
    return Before(boots, scene.services())


def act_through(scene: Scene, cell: Cell, action: Action, spell: Spell) -> tuple[Facts, HeldAction]:
    """The action, the lack from its begin on, its end, and what then is."""
    gate, home = scene.gate, scene.home
    before, name, pair = look(scene), scene.resource(action), scene.pair
    with Lives(scene.lab.guests, scene.subject.guest) as lives:
        began_s = time.time()
        gate.hold(home, name, action.call, is_recurring=action.is_recurring)
        scene.cause(action)
        gate.wait_held(home, f"{action.name} of {name}")
        try:
            spell.begin()
            gate.let_go(home)
            time.sleep(scarcity.LASTS_S)
        finally:
            spell.end()
        wanted = {
            **of_daemons(scene),
            "the action": lambda: _held(scene, action, began_s).rc is not None,
            "what it is for": lambda: scene.has_come_to(action, scene.lab.status()),
        }
        with Recovery(wanted, lambda: bool(fenced(scene))) as recovery:
            recovery.wait()
        facts = Facts(cell.lack, spell.ended_s or 0.0, scene.subject.resource, took=recovery.took)
        held = HeldAction(
            action, _held(scene, action, began_s), not _is_same(scene, action, before)
        )
        facts = _close(scene, facts, before, (pair.requester, pair.target))
        facts = facts._replace(lives=lives.all())
    return facts, held


def fence_through(scene: Scene, cell: Cell, moment: Fence, spell: Spell) -> tuple[Story, Facts]:
    """A fence, the lack from one of its states on, its end, and what then is."""
    pair, before = scene.pair, look(scene)
    watched: list[Recovery] = []

    def undo() -> None:
        spell.end()
        watched.append(Recovery(of_daemons(scene), lambda: bool(fenced(scene))))
        watched[0].__enter__()

    act = FaultAct(spell.begin, undo, scarcity.LASTS_S)
    # A host whose /var is full keeps the copy of before on its disk.
    watch = Watch(pair, NewestCopies())
    with Lives(scene.lab.guests, pair.target.guest) as lives, watch:
        boots, boot = pair.requester.counter.boots(), pair.target.counter.boot() or ""
        fault, gave_up = scarcity.fault(cell, moment), fault_course.gave_up(scene.lab)
        course = Course(pair, fault, watch, lives, boots, "", boot, gave_up)
        try:
            story = fault_course.live_through(course, act)
            watched[0].wait()
        finally:
            spell.end()
            for recovery in watched:
                recovery.__exit__(None, None, None)
        facts = Facts(cell.lack, spell.ended_s or 0.0, pair.target.resource, took=watched[0].took)
        facts = _close(scene, facts, before, (pair.requester, scene.subject))
        facts = facts._replace(lives=lives.all())
    return story._replace(left=_but_honest(story.left, pair.target.resource)), facts


def _but_honest(left: Sequence[str], name: str) -> list[str]:
    """A start of the target that failed for what the host lacks has failed; it runs elsewhere."""
    return [
        text
        for text in left
        if not text.startswith((f"failed {name}_start_0 ", f"fail-count-{name}#start_0 "))
    ]


def fenced(scene: Scene) -> list[str]:
    """Hosts that were."""
    return sorted({event.host for event in scene.lab.fencing.events() if event.answer == "OK"})


def _held(scene: Scene, action: Action, began_s: float) -> Call:
    """The call that waited at the gate. LabError if it has not gone on yet."""
    wanted = (scene.home.name, scene.resource(action), action.call, action.is_recurring)
    for call in scene.gate.calls():
        about = (call.host, call.resource, call.action, call.is_recurring)
        if about == wanted and call.began_s > began_s:
            return call
    raise LabError(f"nobody has gone through the gate for {action.name}")


def _is_same(scene: Scene, action: Action, before: Before) -> bool:
    """Whether the subject of the action lives on in the process, or the boot, of before."""
    if action.agent == scarcity.ANYTHING:
        place = (scene.resource(action), scene.home.name)
        return scene.services().get(place) == before.services.get(place)
    return scene.subject.counter.boots() == before.boots[scene.subject.guest.name]


def _close(scene: Scene, facts: Facts, before: Before, healthy: Sequence[Registered]) -> Facts:
    """What has become of everybody, and whether a fence is answered now."""
    now = look(scene)
    steady = {place for place, found in before.services.items() if now.services.get(place) == found}
    well = [one for one in healthy if now.boots[one.guest.name] == before.boots[one.guest.name]]
    steady |= {(one.resource, host) for one in well for host in one.hosts()}
    facts = facts._replace(
        fenced=fenced(scene),
        anew=[one.guest.name for one in healthy if one not in well],
        doubled=[f"{name} on {host}" for (name, host), found in now.services.items() if found[1:]],
        steady=frozenset(steady),
        calls=scene.gate.calls(),
    )
    return facts if facts.fenced else _fence(scene, facts)


def _fence(scene: Scene, facts: Facts) -> Facts:
    """guest1 has guest2 fenced; both run."""
    pair = scene.pair
    processes = [process for _, process in scene.lab.guests.processes(pair.target.guest)]
    boot = pair.target.counter.boot() or ""
    try:
        answered = pair.answer(faults.RESET, timeout_s=ASK_S)
    except LabError as error:
        return facts._replace(answer=f"none: {error}")
    facts = facts._replace(
        answer=answered.text,
        is_ok=answered.is_ok,
        outlived=answered.is_ok and any(process.is_alive() for process in processes),
    )
    late, left = wait_for_monitors(scene, facts.ended_s), []
    try:
        if answered.is_ok:
            pair.returned(boot)
        stonith.wait_clean(scene.lab, CLEAN_S)
    except HaError as error:
        left.append(str(error).splitlines()[0])
    return facts._replace(late=late, left=left, fenced=fenced(scene))
