# SPDX-License-Identifier: GPL-2.0-or-later
"""What an agent must survive: its own death at any moment, and the failure of what it needs."""

from __future__ import annotations

import os
import random
import shlex
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from tests.ocf.agent import Agent, kill
from tests.ocf.behaviour import GENERIC, NOT_RUNNING, OK, RUNS, expect

if TYPE_CHECKING:
    from collections.abc import Iterator

LONG_S = 120.0
# How long the truth may take to come out after a kill.
SETTLE_S = 60.0
POLL_S = 0.5


class Outage(NamedTuple):
    """Something that the agent needs, and how it is broken and repaired (argv, no shell)."""

    name: str
    breaking: tuple[str, ...]
    repair: tuple[str, ...]


def parse_outage(text: str) -> Outage:
    """NAME=BREAKING::REPAIR. Raises ValueError."""
    name, equals, commands = text.partition("=")
    breaking, colons, repair = commands.partition("::")
    if not (name and equals and colons and breaking.strip() and repair.strip()):
        raise ValueError(f"{text!r} is not NAME=BREAKING::REPAIR")
    return Outage(name, tuple(shlex.split(breaking)), tuple(shlex.split(repair)))


def killed(agent: Agent, kills: int, seed: int) -> Iterator[str]:
    """Each action killed at random moments and repeated: it comes to the same end."""
    chance = random.Random(seed)
    for action, end in (("start", RUNS), ("stop", (NOT_RUNNING,)), ("monitor", RUNS)):
        for _ in range(kills):
            yield from _killed_once(agent, action, end, chance)
    yield from expect(agent.call("stop", timeout_s=LONG_S), (OK,), "stop at the end")


def _killed_once(
    agent: Agent, action: str, end: tuple[int, ...], chance: random.Random
) -> Iterator[str]:
    before = "stop" if action == "start" else "start"
    yield from expect(agent.call(before, timeout_s=LONG_S), (OK,), f"{before} before the kill")
    moment = _duration(agent, action) * chance.random()
    child = agent.begin(action, timeout_s=LONG_S)
    time.sleep(moment)
    kill(child)
    what = f"after {action} was killed at {moment:.2f} s"
    called = agent.probe()
    deadline = time.monotonic() + SETTLE_S
    while called.rc not in (*RUNS, NOT_RUNNING) and time.monotonic() < deadline:
        time.sleep(POLL_S)
        called = agent.probe()
    yield from expect(called, (*RUNS, NOT_RUNNING), f"probe {what}")
    if action != "monitor":
        yield from expect(agent.call(action, timeout_s=LONG_S), (OK,), f"{action} {what}")
    yield from expect(agent.monitor(), end, f"monitor {what}")


_durations: dict[tuple[str, str], float] = {}


def _duration(agent: Agent, action: str) -> float:
    """Of a call that nobody disturbs, measured once; the state is what it was before."""
    key = (agent.path, action)
    if key not in _durations:
        _durations[key] = agent.call(action, timeout_s=LONG_S).seconds
        if action != "monitor":
            agent.call("start" if action == "stop" else "stop", timeout_s=LONG_S)
    return _durations[key]


def outage(agent: Agent, broken: Outage) -> Iterator[str]:
    """In time whatever is broken; what runs is never called stopped, and is stopped in the end."""
    yield from expect(agent.call("start", timeout_s=LONG_S), (OK,), "start")
    _run(broken.breaking)
    try:
        for _ in range(3):
            allowed = (*RUNS, GENERIC)
            yield from expect(agent.monitor(), allowed, f"monitor with {broken.name}")
        yield from expect(agent.probe(), (*RUNS, GENERIC), f"probe with {broken.name}")
        stopped = agent.call("stop", timeout_s=LONG_S)
        yield from expect(stopped, (OK, GENERIC), f"stop with {broken.name}")
        if stopped.rc == OK:
            yield from expect(agent.probe(), (NOT_RUNNING,), f"probe after it, {broken.name}")
        started = agent.call("start", timeout_s=30)
        yield from expect(started, (OK, GENERIC, 5), f"start with {broken.name}")
    finally:
        _run(broken.repair)
    # What was asked for meanwhile may still come.
    time.sleep(POLL_S)
    for action in ("stop", "start", "stop"):
        yield from expect(agent.call(action, timeout_s=LONG_S), (OK,), f"{action} after it")
    yield from expect(agent.probe(), (NOT_RUNNING,), "probe after it")


def configuration(agent: Agent, parameter: str) -> Iterator[str]:
    """The file that a parameter names vanishes, can't be read, changes: what runs is not lost."""
    path = agent.parameters[parameter]
    for what, spoil in (("gone", _hide), ("empty", _empty), ("a directory", _directory)):
        yield from expect(agent.call("start", timeout_s=LONG_S), (OK,), f"start, {parameter} whole")
        os.rename(path, f"{path}.kept")
        try:
            spoil(path)
            yield from expect(agent.monitor(), RUNS, f"monitor, {parameter} {what}")
            stopped = agent.call("stop", timeout_s=LONG_S)
            yield from expect(stopped, (OK,), f"stop, {parameter} {what}")
        finally:
            _remove(path)
            os.rename(f"{path}.kept", path)
        yield from expect(agent.probe(), (NOT_RUNNING,), f"probe, {parameter} whole again")


def _hide(_path: str) -> None:
    """It is gone already."""


def _empty(path: str) -> None:
    with open(path, "w", encoding="utf-8"):
        pass


def _directory(path: str) -> None:
    os.mkdir(path)


def _remove(path: str) -> None:
    if os.path.isdir(path):
        os.rmdir(path)
    elif os.path.exists(path):
        os.unlink(path)


def two_instances(one: Agent, other: Agent) -> Iterator[str]:
    """Side by side, and neither touches the other."""
    both = (one, other)
    with ThreadPoolExecutor(2) as pool:
        for called in pool.map(lambda agent: agent.call("start", timeout_s=LONG_S), both):
            yield from expect(called, (OK,), "one of two starts at once")
    yield from expect(one.call("stop", timeout_s=LONG_S), (OK,), "stop of the first")
    yield from expect(other.monitor(), RUNS, "monitor of the second")
    yield from expect(one.monitor(), (NOT_RUNNING,), "monitor of the first")
    yield from expect(other.call("stop", timeout_s=LONG_S), (OK,), "stop of the second")


def clock(agent: Agent, faketime: str) -> Iterator[str]:
    """The clock of an action is years ahead or behind (libfaketime, by its path)."""
    for jump in ("+10y", "-10y"):
        more = {"LD_PRELOAD": faketime, "FAKETIME": jump, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        for action, allowed in (("start", (OK,)), ("monitor", RUNS), ("stop", (OK,))):
            called = agent.call(action, timeout_s=LONG_S, env=more)
            yield from expect(called, allowed, f"{action} with the clock at {jump}")
        yield from expect(agent.probe(), (NOT_RUNNING,), f"probe after {jump}")


def _run(argv: tuple[str, ...]) -> None:
    subprocess.run(argv, check=True, timeout=60, stdin=subprocess.DEVNULL)
