# SPDX-License-Identifier: GPL-2.0-or-later
"""vm-check, run on a host of the lab, and its answer as values."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from tests.lab.errors import LabError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.lab.hosts.machine import Machine

COMMAND = ("vm-check", "--format", "json")
# Beside what it promises, on two busy cores.
CHECK_S = 60.0
WELL, WARNED, FAILS = 0, 1, 2
EXIT_CODES = {"warning": WARNED, "error": FAILS}


class Found(NamedTuple):
    """What names a finding in a test: its id, and whom it concerns."""

    id: str
    subject: str
    host: str = ""


class Verdict(NamedTuple):
    """One run of vm-check; report is its JSON document."""

    rc: int
    report: dict[str, Any]

    @property
    def found(self) -> set[Found]:
        return {
            Found(each["id"], each["subject"], each.get("host", ""))
            for each in self.report["findings"]
        }

    @property
    def rc_of_severity(self) -> int:
        """The exit code that the worst of its findings asks for."""
        codes = (EXIT_CODES[each["severity"]] for each in self.report["findings"])
        return max(codes, default=WELL)

    def sentences(self) -> str:
        lines = (
            f"{each['severity']} {each['id']} {each['subject']} {each.get('host', '')}:"
            f" {each['sentence']} Cure: {each['cure']}"
            for each in self.report["findings"]
        )
        return "\n".join(lines)


def ask(host: Machine, *options: str) -> Verdict:
    done = host.run([*COMMAND, *options], timeout_s=CHECK_S)
    try:
        report = json.loads(done.out)
    except ValueError as error:
        raise LabError(f"{host.name}: vm-check: exit {done.rc}: {done.err.strip()}") from error
    return Verdict(done.rc, report)
