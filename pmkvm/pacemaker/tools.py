# SPDX-License-Identifier: GPL-2.0-or-later
"""One call of one Pacemaker tool: its environment, its deadline, its exit code judged."""

from __future__ import annotations

import os

from pmkvm import run
from pmkvm.errors import DeadlineError
from pmkvm.pacemaker.errors import (
    BadAnswerError,
    ClusterDownError,
    ExitCode,
    NotAllowedError,
    ToolError,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from xml.etree.ElementTree import Element

    from pmkvm.deadline import Deadline

# What the tools themselves read from the environment; everything else stays behind.
CIB_FILE = "CIB_file"
CIB_SHADOW, SHADOW_DIRECTORY = "CIB_shadow", "CIB_shadow_dir"
PASSED_ON = (CIB_FILE, CIB_SHADOW, SHADOW_DIRECTORY, "CIB_user", "PCMK_ipc_type")

# 2.1.5 says 102 for "no cluster"; crm_resource and crm_node have said 69 in some releases.
DOWN = (ExitCode.DISCONNECT, ExitCode.UNAVAILABLE)


def is_offline() -> bool:
    """Whether a file or a shadow copy stands in for the cluster: nothing will happen to wait for.

    CIB_file is evaluated by all tools, so it works with no cluster at all.
    """
    return bool(os.environ.get(CIB_FILE) or os.environ.get(CIB_SHADOW))


def call(
    argv: Sequence[str],
    deadline: Deadline,
    *,
    stdin: str | None = None,
    also_fine: Sequence[int] = (),
    environment: Mapping[str, str] | None = None,
) -> run.Completed:
    """Run the tool; the exit code of the result is 0 or one of also_fine.

    Raises CommandMissingError, ClusterDownError, ToolError, and DeadlineError.
    """
    deadline.check(f"waiting for {argv[0]}")
    passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    passed.update(environment or {})
    done = run.run(argv, timeout_s=deadline.remaining(), stdin=stdin, environment=passed)
    if done.rc != 0 and done.rc not in also_fine:
        raise _failure(argv[0], done)
    return done


def simulate(document: str, deadline: Deadline, options: Sequence[str] = ()) -> str:
    """What crm_simulate says in XML of that CIB. Raises as call does.

    It writes the CIB to a file named after its process, among the cluster's own files if nothing
    else is set, and leaves that there when it is killed.
    """
    from tempfile import TemporaryDirectory

    argv = ("crm_simulate", "--xml-pipe", *options, "--output-as=xml")
    with TemporaryDirectory(prefix="crm_simulate.") as directory:
        environment = {SHADOW_DIRECTORY: directory}
        return call(argv, deadline, stdin=document, environment=environment).out


def parsed(answer: str, tool: str) -> Element:
    """The root of what a tool has said in XML. Raises BadAnswerError."""
    from xml.etree import ElementTree

    try:
        return ElementTree.fromstring(answer)
    except ElementTree.ParseError as error:
        raise BadAnswerError(f"{tool}'s answer is no XML: {error}") from error


def _failure(tool: str, done: run.Completed) -> Exception:
    if os.geteuid() and not is_offline():
        from pmkvm.pacemaker import permission

        complaint = permission.complaint()
        if complaint:
            return NotAllowedError(complaint)
    if done.rc in DOWN:
        return ClusterDownError(f"Pacemaker does not run on this host ({tool} says {done.rc})")
    lines = (done.err or _in_answer(done.out)).splitlines()
    said = " / ".join(line.strip() for line in lines if line.strip())
    if done.rc == ExitCode.TIMEOUT:
        return DeadlineError(f"{tool}: the cluster did not answer in time ({said})")
    return ToolError(f"{tool} failed with {done.rc}: {said or 'no reason given'}", done.rc)


def _in_answer(out: str) -> str:
    """With --output-as=xml a tool says on stdout what is wrong, and nothing on stderr."""
    from xml.etree import ElementTree

    try:
        errors = ElementTree.fromstring(out).iterfind("status/errors/error")
        return "\n".join(each.text or "" for each in errors) or out
    except ElementTree.ParseError:
        return out
