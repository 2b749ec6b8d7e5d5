# SPDX-License-Identifier: GPL-2.0-or-later
"""What every agent must do when nothing goes wrong, and with parameters that are wrong.

Each check gets the agent, stopped, leaves it stopped, and yields its complaints.
"""

from __future__ import annotations

import os
import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from tests.ocf.agent import OVERDUE, Agent, Called

if TYPE_CHECKING:
    from collections.abc import Iterator

OK, GENERIC, ARGS, UNIMPLEMENTED, INSTALLED, CONFIGURED, NOT_RUNNING = 0, 1, 2, 3, 5, 6, 7
DEGRADED = 190
RUNS = (OK, DEGRADED)
MANDATORY = ("start", "stop", "monitor", "meta-data")
NOBODY = 65534
AT_ONCE = 10

BAD = {"boolean": "perhaps", "integer": "many"}


def expect(called: Called, allowed: tuple[int, ...], what: str) -> Iterator[str]:
    """And what holds for any call: in time, and one exit reason of one line at most."""
    if called.rc == OVERDUE:
        yield f"{what}: not ended by its timeout, after {called.seconds:.1f} s"
    elif called.rc not in allowed:
        said = called.reasons[-1] if called.reasons else called.err.strip().rpartition("\n")[2]
        yield f"{what}: {called.rc} instead of {' or '.join(map(str, allowed))} ({said})"
    if len(called.reasons) > 1:
        yield f"{what}: {len(called.reasons)} exit reasons, of which Pacemaker keeps the last"
    if "Traceback" in called.err:
        yield f"{what}: a traceback on stderr"


def metadata(agent: Agent) -> Iterator[str]:
    """It is there without parameters, for everybody, in both versions of OCF."""
    bare = Agent(agent.path, {}, "tested")
    for minor in ("0", "1"):
        called = bare.call("meta-data", env={"OCF_RA_VERSION_MINOR": minor})
        yield from expect(called, (OK,), f"meta-data for OCF 1.{minor}")
        try:
            root = ET.fromstring(called.out.encode())
        except ET.ParseError as error:
            yield f"meta-data for OCF 1.{minor} is not XML: {error}"
            return
        if root.get("name") != os.path.basename(agent.path):
            yield f"its name is {root.get('name')!r} and its file {os.path.basename(agent.path)!r}"
    try:
        known = agent.metadata()
    except ValueError as error:
        yield str(error)
        return
    yield from (f"no action {name}" for name in MANDATORY if name not in known.timeouts_s)
    for parameter in known.parameters:
        if parameter.kind not in ("string", "boolean", "integer", "select"):
            yield f"parameter {parameter.name} has the type {parameter.kind!r}"
    unknown = set(agent.parameters) - {parameter.name for parameter in known.parameters}
    yield from (f"no parameter {name}, which is given" for name in sorted(unknown))


def words(agent: Agent) -> Iterator[str]:
    """One action, all other arguments ignored; unknown ones are 3."""
    yield from expect(agent.call("no-such-action"), (UNIMPLEMENTED,), "an unknown action")
    yield from expect(agent.call("monitor", "more", "--words"), (NOT_RUNNING,), "words behind")
    if agent.call("").rc == OK:
        yield "no action at all: 0"


def idempotence(agent: Agent) -> Iterator[str]:
    """Twice is once."""
    yield from expect(agent.call("stop"), (OK,), "stop of what never ran")
    yield from expect(agent.probe(), (NOT_RUNNING,), "probe of what never ran")
    for round_ in ("first", "second"):
        yield from expect(agent.call("start", timeout_s=120), (OK,), f"{round_} start")
        yield from expect(agent.monitor(), RUNS, f"monitor after the {round_} start")
        yield from expect(agent.probe(), RUNS, f"probe after the {round_} start")
    for round_ in ("first", "second"):
        yield from expect(agent.call("stop", timeout_s=120), (OK,), f"{round_} stop")
        yield from expect(agent.monitor(), (NOT_RUNNING,), f"monitor after the {round_} stop")


def validation(agent: Agent) -> Iterator[str]:
    """Of what is given, at each level; and of nothing that is not."""
    if "validate-all" not in agent.metadata().timeouts_s:
        return
    for level in ("", "0", "5", "10", "20", "many"):
        called = agent.call("validate-all", env={"OCF_CHECK_LEVEL": level})
        yield from expect(called, (OK,), f"validate-all at level {level!r}")


def bad_parameters(agent: Agent) -> Iterator[str]:
    """One at a time: named by validate-all and start; a stop and a probe still tell the truth."""
    for parameter in agent.metadata().parameters:
        if parameter.is_required:
            yield from _bad(agent.with_parameters(**{parameter.name: None}), parameter.name)
        if parameter.kind in BAD:
            bad = agent.with_parameters(**{parameter.name: BAD[parameter.kind]})
            yield from _bad(bad, parameter.name)


def _bad(agent: Agent, name: str) -> Iterator[str]:
    for action in ("validate-all", "start"):
        called = agent.call(action)
        yield from expect(called, (ARGS, CONFIGURED), f"{action} with a bad {name}")
        if called.rc != UNIMPLEMENTED and not any(name in reason for reason in called.reasons):
            yield f"{action} with a bad {name}: no exit reason names it"
    yield from expect(agent.call("stop"), (OK,), f"stop with a bad {name}")
    allowed = (NOT_RUNNING, INSTALLED, CONFIGURED)
    yield from expect(agent.probe(), allowed, f"probe with a bad {name}")


def environment(agent: Agent) -> Iterator[str]:
    """Another language, another node name, an odd clock, no name of an instance."""
    yield from expect(agent.call("start", timeout_s=120), (OK,), "start")
    for more in (
        {"LC_ALL": "ja_JP.UTF-8", "LANG": "ja_JP.UTF-8"},
        {"OCF_RESKEY_CRM_meta_on_node": "not-the-host-name"},
        {"OCF_RESKEY_CRM_meta_interval": "x"},
        {"OCF_CHECK_LEVEL": "x"},
        {"TZ": "Pacific/Kiritimati"},
        {"HA_debug": "1"},
        {"PYTHONPATH": "/no/such", "PYTHONHOME": "/no/such", "BASH_ENV": "/no/such"},
    ):
        yield from expect(agent.monitor(more), RUNS, f"monitor with {more}")
    yield from expect(agent.call("stop", timeout_s=120), (OK,), "stop")


def at_once(agent: Agent) -> Iterator[str]:
    """Monitors beside each other."""
    yield from expect(agent.call("start", timeout_s=120), (OK,), "start")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for called in pool.map(lambda _: agent.monitor(), range(AT_ONCE)):
            yield from expect(called, RUNS, f"one of {AT_ONCE} monitors at once")
    yield from expect(agent.call("stop", timeout_s=120), (OK,), "stop")


def rights(agent: Agent) -> Iterator[str]:
    """Everybody may read the metadata, and nobody may change the agent."""
    mode = os.stat(agent.path).st_mode
    if mode & 0o022:
        yield "others than its owner may write to it"
    if mode & 0o555 != 0o555:
        yield "not everybody may read and execute it"


CHECKS = (metadata, words, rights, idempotence, validation, bad_parameters, environment, at_once)
