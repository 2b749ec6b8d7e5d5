# SPDX-License-Identifier: GPL-2.0-or-later
"""An agent under test: its metadata, and calls of it as Pacemaker makes them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

REASON = "ocf-exit-reason:"
# What Pacemaker itself gives, and no more.
ENVIRONMENT = {
    "OCF_ROOT": "/usr/lib/ocf",
    "OCF_RA_VERSION_MAJOR": "1",
    "OCF_RA_VERSION_MINOR": "1",
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C",
    "HA_LOGFACILITY": "none",
    "HA_LOGFILE": "/dev/null",
}
OVERDUE = -1
# Beyond the agent's own deadline, on a machine that is busy.
SLACK_S = 5.0


class Called(NamedTuple):
    """How a call ended; rc is OVERDUE if it had to be killed at its timeout."""

    rc: int
    out: str
    err: str
    seconds: float

    @property
    def reasons(self) -> list[str]:
        marked = [line for line in self.err.splitlines() if line.startswith(REASON)]
        return [line[len(REASON) :] for line in marked]


class Parameter(NamedTuple):
    name: str
    kind: str
    is_required: bool
    is_unique: bool


class Metadata(NamedTuple):
    version: str
    timeouts_s: Mapping[str, float]
    parameters: tuple[Parameter, ...]


class Agent:
    """One instance of one agent with its parameters."""

    def __init__(self, path: str, parameters: Mapping[str, str], instance: str) -> None:
        self.path = path
        self.parameters = dict(parameters)
        self.instance = instance
        self.calls = 0

    def with_parameters(self, **changed: str | None) -> Agent:
        """The same instance; None takes a parameter away."""
        merged = {**self.parameters, **changed}
        kept = {name: value for name, value in merged.items() if value is not None}
        return Agent(self.path, kept, self.instance)

    def environment(self, action: str, timeout_s: float, more: Mapping[str, str]) -> dict[str, str]:
        return {
            **ENVIRONMENT,
            "OCF_RESOURCE_INSTANCE": self.instance,
            "OCF_RESOURCE_PROVIDER": os.path.basename(os.path.dirname(self.path)),
            "OCF_RESOURCE_TYPE": os.path.basename(self.path),
            "OCF_RESKEY_CRM_meta_timeout": str(int(timeout_s * 1000)),
            "OCF_RESKEY_CRM_meta_name": action,
            **{f"OCF_RESKEY_{name}": value for name, value in self.parameters.items()},
            **more,
        }

    def begin(
        self,
        action: str,
        *arguments: str,
        timeout_s: float = 30,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.Popen[str]:
        """In a session of its own, as execd does it."""
        self.calls += 1
        return subprocess.Popen(
            [self.path, action, *arguments] if action else [self.path],
            env=self.environment(action, timeout_s, env or {}),
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )

    def call(
        self,
        action: str,
        *arguments: str,
        timeout_s: float = 30,
        env: Mapping[str, str] | None = None,
    ) -> Called:
        began = time.monotonic()
        child = self.begin(action, *arguments, timeout_s=timeout_s, env=env)
        try:
            out, err = child.communicate(timeout=timeout_s + SLACK_S)
            rc = child.returncode
        except subprocess.TimeoutExpired:
            out, err = kill(child)
            rc = OVERDUE
        return Called(rc, out, err, time.monotonic() - began)

    def probe(self) -> Called:
        return self.call("monitor", env={"OCF_RESKEY_CRM_meta_interval": "0"})

    def monitor(self, env: Mapping[str, str] | None = None) -> Called:
        recurring = {"OCF_RESKEY_CRM_meta_interval": "10000"}
        return self.call("monitor", env={**recurring, **(env or {})})

    def metadata(self) -> Metadata:
        """Raises ValueError, and ET.ParseError."""
        root = ET.fromstring(self.call("meta-data").out.encode())
        actions = root.findall("actions/action")
        return Metadata(
            root.findtext("version") or "",
            {one.get("name", ""): seconds(one.get("timeout", "")) for one in actions},
            tuple(_parameter(one) for one in root.iterfind("parameters/parameter")),
        )


def kill(child: subprocess.Popen[str]) -> tuple[str, str]:
    """As Pacemaker does at a timeout: SIGKILL, to the whole group, without a warning."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    try:
        return child.communicate(timeout=SLACK_S)
    except subprocess.TimeoutExpired:
        # Something outside the group holds the pipes.
        return "", ""


def seconds(text: str) -> float:
    """Raises ValueError: OCF 1.1 wants a number with a unit, or milliseconds."""
    for unit, factor in (("ms", 0.001), ("s", 1.0), ("min", 60.0), ("", 0.001)):
        if text.endswith(unit) and text[: len(text) - len(unit)].isdigit():
            return int(text[: len(text) - len(unit)]) * factor
    raise ValueError(f"timeout {text!r} is no time")


def _parameter(element: ET.Element) -> Parameter:
    content = element.find("content")
    return Parameter(
        element.get("name", ""),
        "" if content is None else content.get("type", ""),
        element.get("required") in ("1", "true"),
        element.get("unique") in ("1", "true") or element.get("unique-group") is not None,
    )
