# SPDX-License-Identifier: GPL-2.0-or-later
"""What pages say about parameters and actions, written from the programs' own tables.

`python3 -m tests.reference` brings all of them up to date; a unit test holds them so.
"""

from __future__ import annotations

import re
import sys
import textwrap
from typing import TYPE_CHECKING, NamedTuple

from agents.diskd.agent import AGENT as DISKD
from agents.virtual_domain.agent import AGENT as VIRTUAL_DOMAIN
from agents.vm_anything.agent import AGENT as VM_ANYTHING
from agents.vm_client.agent import AGENT as VM_CLIENT
from check.vm_check.kinds import KINDS
from stonith.plugin import fence_texts
from stonith.plugin import parameters as vm_stonith
from stonith.stonith_helper import parameters as stonith_helper
from stonith.stonith_helper.texts import TEXTS as FENCE_VM_HELPER
from stonith.vm_stonith.texts import TEXTS as FENCE_VM_STONITH
from tests import tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from pmkvm.ocf.table import Agent
    from pmkvm.ocf.table import Parameter as OcfParameter
    from stonith.plugin.parameters import Parameter as PluginParameter

DOC = tree.ROOT / "doc"
MAN = DOC / "man"
# Of a line of documentation.
WIDTH = 120


class Page(NamedTuple):
    """A page of which that part is written here which stands between two comments."""

    path: Path
    begin: str
    end: str
    reference: Callable[[], str]


def markdown(agent: Agent) -> str:
    """One item for each parameter, one row for each action."""
    lines = ["", "### Parameters", ""]
    lines += [_item(parameter, agent) for parameter in agent.parameters]
    lines += ["", "### Actions", "", "| action | timeout | interval |", "|---|---|---|"]
    for action in agent.actions:
        interval = "" if action.interval_s is None else f"{action.interval_s} s"
        lines.append(f"| {action.name} | {action.timeout_s} s | {interval} |")
    return "\n".join([*lines, "", ""])


def _item(parameter: OcfParameter, agent: Agent) -> str:
    text = f"- `{parameter.name}` ({_kind(parameter)}): {_meaning(parameter, agent)}"
    return textwrap.fill(text, WIDTH, subsequent_indent="  ", break_on_hyphens=False)


def _kind(parameter: OcfParameter) -> str:
    default = str(parameter.default)
    if isinstance(parameter.default, bool):
        default = "yes" if parameter.default else "no"
    return "required" if parameter.required else f"{parameter.content_type}, {default or 'not set'}"


def _meaning(parameter: OcfParameter, agent: Agent) -> str:
    restarts = agent.action("reload-agent") and not parameter.reloadable
    restart = " A change restarts the guest." if restarts else ""
    return f"{parameter.shortdesc}. {parameter.longdesc}{restart}"


def manual(agent: Agent) -> str:
    """DESCRIPTION's text, PARAMETERS and ACTIONS."""
    lines = [fence_texts.plain(agent.longdesc), ".SH PARAMETERS"]
    lines += _tagged((one.name, _kind(one), _meaning(one, agent)) for one in agent.parameters)
    lines.append(".SH ACTIONS")
    for action in agent.actions:
        interval = "" if action.interval_s is None else f", interval {action.interval_s} s"
        lines += _tagged([(action.name, "", f"timeout {action.timeout_s} s{interval}")])
    return "\n".join([*lines, ""])


def plugin(parameters: Sequence[PluginParameter]) -> str:
    """PARAMETERS of a plugin of cluster-glue."""
    kinds = {one: "required" if one.required else one.default or "not set" for one in parameters}
    tagged = _tagged((one.name, kinds[one], one.longdesc) for one in parameters)
    return "\n".join([".SH PARAMETERS", *tagged, ""])


def _tagged(entries: Iterable[tuple[str, str, str]]) -> list[str]:
    lines = []
    for name, kind, text in entries:
        suffix = f" ({kind})" if kind else ""
        lines += [".TP", f".B {fence_texts.plain(name + suffix)}", fence_texts.plain(text)]
    return lines


def findings_list() -> str:
    """An item for each kind that vm-check knows."""
    items = (
        f"- `{kind.id}` ({kind.severity.value}): {kind.meaning} Cure: {_placeholders(kind.cure)}."
        for kind in sorted(KINDS)
    )
    wrapped = (
        textwrap.fill(item, WIDTH, subsequent_indent="  ", break_on_hyphens=False) for item in items
    )
    return "\n".join(["", *wrapped, "", ""])


def _placeholders(cure: str) -> str:
    """What each finding says itself, in capitals: a page is about none."""
    return re.sub(r"\{(\w+)(:[^}]*)?\}", lambda match: match[1].upper(), cure)


def findings_manual() -> str:
    """FINDINGS of its page."""
    tagged = _tagged((kind.id, kind.severity.value, kind.meaning) for kind in sorted(KINDS))
    return "\n".join([*tagged, ""])


_NOTE = "reference: written by python3 -m tests.reference"
_END = "end of reference"


def _in_markdown(name: str, agent: Agent) -> Page:
    return Page(DOC / name, f"<!-- {_NOTE} -->\n", f"<!-- {_END} -->\n", lambda: markdown(agent))


def _in_manual(name: str, reference: Callable[[], str]) -> Page:
    return Page(MAN / name, f'.\\" {_NOTE}\n', f'.\\" {_END}\n', reference)


PAGES = (
    _in_markdown("virtualdomain.md", VIRTUAL_DOMAIN),
    _in_manual("ocf_extra_VirtualDomain.7", lambda: manual(VIRTUAL_DOMAIN)),
    _in_manual("ocf_extra_vm-anything.7", lambda: manual(VM_ANYTHING)),
    _in_markdown("diskd.md", DISKD),
    _in_manual("ocf_extra_diskd.7", lambda: manual(DISKD)),
    _in_manual("ocf_pacemaker_diskd.7", lambda: manual(DISKD)),
    _in_markdown("vm-managerd.md", VM_CLIENT),
    _in_manual("ocf_extra_vm-client.7", lambda: manual(VM_CLIENT)),
    _in_manual("vm-stonith.8", lambda: plugin(vm_stonith.SHARED)),
    _in_manual("stonith-helper.8", lambda: plugin(stonith_helper.TABLE)),
    Page(DOC / "vm-check.md", f"<!-- {_NOTE} -->\n", f"<!-- {_END} -->\n", findings_list),
    _in_manual("vm-check.8", findings_manual),
    # What `-o manpage` prints.
    _in_manual("fence_vm_helper.8", lambda: f"{fence_texts.manpage(FENCE_VM_HELPER)}\n"),
    _in_manual("fence_vm_stonith.8", lambda: f"{fence_texts.manpage(FENCE_VM_STONITH)}\n"),
)


def renewed(page: Page, text: str) -> str:
    """The page's text with its reference as it should be."""
    head, begin, rest = text.partition(page.begin)
    _old, end, tail = rest.partition(page.end)
    if not begin or not end:
        raise ValueError(f"{page.path} has no place for its reference")
    return f"{head}{begin}{page.reference()}{end}{tail}"


def main() -> int:
    for page in PAGES:
        page.path.write_text(renewed(page, page.path.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
