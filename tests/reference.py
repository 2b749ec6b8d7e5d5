# SPDX-License-Identifier: GPL-2.0-or-later
"""The reference of an agent's parameters and actions in its page, written from the agent's table.

`python3 -m tests.reference` brings doc/virtualdomain.md up to date; a unit test holds it so.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from agents.virtual_domain.agent import AGENT
from tests import tree

if TYPE_CHECKING:
    from pmkvm.ocf.table import Agent, Parameter

PAGE = tree.ROOT / "doc" / "virtualdomain.md"
BEGIN = "<!-- reference: written by python3 -m tests.reference -->\n"
END = "<!-- end of reference -->\n"


def reference(agent: Agent) -> str:
    """Markdown; one row for each parameter and each action."""
    lines = ["### Parameters", "", "| parameter | type, default | meaning |", "|---|---|---|"]
    lines += [_row(parameter) for parameter in agent.parameters]
    lines += ["", "### Actions", "", "| action | timeout | interval |", "|---|---|---|"]
    for action in agent.actions:
        interval = "" if action.interval_s is None else f"{action.interval_s} s"
        lines.append(f"| {action.name} | {action.timeout_s} s | {interval} |")
    return "\n".join([*lines, "", ""])


def renewed(page: str, agent: Agent) -> str:
    """The page with its reference as it should be."""
    head, _, rest = page.partition(BEGIN)
    _old, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n{reference(agent)}{END}{tail}"


def _row(parameter: Parameter) -> str:
    default = str(parameter.default)
    if isinstance(parameter.default, bool):
        default = "yes" if parameter.default else "no"
    kind = "required" if parameter.required else f"{parameter.content_type}, {default or 'not set'}"
    notes = [f"{parameter.shortdesc}. {parameter.longdesc}"]
    if not parameter.reloadable:
        notes.append("A change restarts the guest.")
    return f"| `{parameter.name}` | {kind} | {' '.join(notes)} |".replace("\n", " ")


def main() -> int:
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(renewed(page, AGENT), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
