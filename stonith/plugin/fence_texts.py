# SPDX-License-Identifier: GPL-2.0-or-later
"""Metadata, help and man page of a fence agent, from its table of options. Pure."""

from __future__ import annotations

from pmkvm.light_types import NamedTuple
from pmkvm.version import VERSION
from stonith.plugin import parameters
from stonith.plugin.fence_options import spelling

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from stonith.plugin.parameters import Parameter


class Texts(NamedTuple):
    """What an agent says of itself.

    actions: each with its meaning. That `on` says automatic=0 matters: else Pacemaker would unfence
    nodes with it. exit_status, examples: as roff has them. see_also: pages of section 8.
    """

    name: str
    shortdesc: str
    longdesc: str
    options: Sequence[Parameter]
    actions: Sequence[tuple[str, str]]
    exit_status: str
    examples: str
    see_also: Sequence[str]


def metadata(agent: Texts) -> str:
    import xml.etree.ElementTree as ET

    root = ET.Element("resource-agent", name=agent.name, shortdesc=agent.shortdesc)
    ET.SubElement(root, "longdesc").text = agent.longdesc
    ET.SubElement(root, "vendor-url").text = parameters.VENDOR_URL
    listed = ET.SubElement(root, "parameters")
    for option in agent.options:
        element = ET.SubElement(listed, "parameter", name=option.name, unique="0")
        element.set("required", "1" if option.required else "0")
        if option.replaced_by:
            element.set("deprecated", "1")
        for older in agent.options:
            if older.replaced_by == option.name:
                element.set("obsoletes", older.name)
        ET.SubElement(element, "getopt", mixed=spelling(option))
        content = ET.SubElement(element, "content", type=option.content_type)
        if option.default:
            content.set("default", option.default)
        ET.SubElement(element, "shortdesc", lang="en").text = option.longdesc
    actions = ET.SubElement(root, "actions")
    for name, _ in agent.actions:
        action = ET.SubElement(actions, "action", name=name)
        if name == "on":
            action.set("automatic", "0")
    ET.indent(root)
    return f'<?xml version="1.0" ?>\n{ET.tostring(root, encoding="unicode")}'


def usage(agent: Texts) -> str:
    import textwrap

    lines = ["Usage:", f"    {agent.name} [options], or name=value lines on stdin", "Options:"]
    for option in agent.options:
        if not option.replaced_by:
            default = f" Default: {option.default}." if option.default else ""
            lines.append(f"    {spelling(option)}")
            lines += textwrap.wrap(
                option.longdesc + default, initial_indent=" " * 8, subsequent_indent=" " * 8
            )
    lines.append("Actions:")
    lines += [f"    {name:<14}{text}" for name, text in agent.actions]
    return "\n".join(lines)


def manpage(agent: Texts) -> str:
    release = VERSION.partition(".")[0]
    lines = [
        f'.TH {plain(agent.name.upper())} 8 "" "pm_kvm_tools {release}" "pm_kvm_tools"',
        # Names of parameters stay whole.
        ".nh",
        ".SH NAME",
        f"{plain(agent.name)} \\- {plain(agent.shortdesc)}",
        ".SH SYNOPSIS",
        f".B {plain(agent.name)}",
        "[\\fIOPTION\\fR]...",
        ".SH DESCRIPTION",
        plain(agent.longdesc),
        ".SH OPTIONS",
        "Pacemaker gives them as lines NAME=VALUE on standard input. The NAME stands here in"
        " brackets.",
    ]
    for option in agent.options:
        if not option.replaced_by:
            default = f" Default: {option.default}." if option.default else ""
            tag = f"{spelling(option)} ({option.name})"
            lines += [".TP", f".B {plain(tag)}", plain(option.longdesc + default)]
    lines.append(".SH ACTIONS")
    for name, text in agent.actions:
        lines += [".TP", f".B {plain(name)}", plain(text)]
    lines += [
        ".SH EXIT STATUS",
        agent.exit_status,
        ".SH EXAMPLES",
        agent.examples,
        ".SH SEE ALSO",
        *(f".BR {plain(name)} (8)," for name in agent.see_also[:-1]),
        f".BR {plain(agent.see_also[-1])} (8)",
    ]
    return "\n".join(lines)


def plain(text: str) -> str:
    """As roff prints it: a hyphen that may be copied, and no request in it."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    return f"\\&{escaped}" if escaped.startswith(".") else escaped
