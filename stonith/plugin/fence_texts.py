# SPDX-License-Identifier: GPL-2.0-or-later
"""fence_vm_stonith's metadata, help and man page, from its table of options."""

from __future__ import annotations

from pmkvm.version import VERSION
from stonith.plugin import parameters
from stonith.vm_stonith.options import OPTIONS, spelling

NAME = "fence_vm_stonith"
SHORTDESC = "Fences a guest through the cluster of the hosts"
LONGDESC = (
    "fence_vm_stonith runs in a guest and fences another guest of the same cluster of hosts,"
    " whichever host that guest runs on. It asks through the guest's vm-connectd, over a virtio"
    " port and without a network. The vm-stonithd of the hosts kills the target, proves on all"
    " hosts that it is dead, and answers. A token of the hosts' administrator says which guest may"
    " be fenced."
)
# What each does. That `on` says automatic=0 matters: else Pacemaker would unfence nodes with it.
ACTIONS = (
    ("on", "Start the guest after an off."),
    ("off", "Kill the guest; the hosts' cluster keeps it stopped until an on."),
    ("reboot", "Kill the guest; the hosts' cluster starts it again. This is the default."),
    ("status", "Exit 0 if the guest runs, 2 if it does not, 1 if that is not known."),
    ("monitor", "Ask vm-stonithd whether it would take each of the tokens."),
    ("list", "Print the guests of hostlist."),
    ("list-status", "Print the guests of hostlist, and whether they run."),
    ("validate-all", "Check the parameters without asking the hosts."),
    ("metadata", "Print the metadata."),
    ("manpage", "Print the man page."),
)
SEE_ALSO = ("vm-stonith-key", "vm-connectd", "vm-stonithd", "vm-stonith")


def metadata() -> str:
    import xml.etree.ElementTree as ET

    root = ET.Element("resource-agent", name=NAME, shortdesc=SHORTDESC)
    ET.SubElement(root, "longdesc").text = LONGDESC
    ET.SubElement(root, "vendor-url").text = parameters.VENDOR_URL
    listed = ET.SubElement(root, "parameters")
    for option in OPTIONS:
        element = ET.SubElement(listed, "parameter", name=option.name, unique="0")
        element.set("required", "1" if option.required else "0")
        if option.replaced_by:
            element.set("deprecated", "1")
        for older in OPTIONS:
            if older.replaced_by == option.name:
                element.set("obsoletes", older.name)
        ET.SubElement(element, "getopt", mixed=spelling(option))
        content = ET.SubElement(element, "content", type=option.content_type)
        if option.default:
            content.set("default", option.default)
        ET.SubElement(element, "shortdesc", lang="en").text = option.longdesc
    actions = ET.SubElement(root, "actions")
    for name, _ in ACTIONS:
        action = ET.SubElement(actions, "action", name=name)
        if name == "on":
            action.set("automatic", "0")
    ET.indent(root)
    return f'<?xml version="1.0" ?>\n{ET.tostring(root, encoding="unicode")}'


def usage() -> str:
    import textwrap

    lines = ["Usage:", f"    {NAME} [options], or name=value lines on stdin", "Options:"]
    for option in OPTIONS:
        if not option.replaced_by:
            default = f" Default: {option.default}." if option.default else ""
            lines.append(f"    {spelling(option)}")
            lines += textwrap.wrap(
                option.longdesc + default, initial_indent=" " * 8, subsequent_indent=" " * 8
            )
    lines.append("Actions:")
    lines += [f"    {name:<14}{text}" for name, text in ACTIONS]
    return "\n".join(lines)


def manpage() -> str:
    lines = [
        f'.TH {plain(NAME.upper())} 8 "" "pm_kvm_tools {VERSION.partition(".")[0]}" "pm_kvm_tools"',
        # Names of parameters stay whole.
        ".nh",
        ".SH NAME",
        f"{plain(NAME)} \\- {plain(SHORTDESC)}",
        ".SH SYNOPSIS",
        f".B {plain(NAME)}",
        "[\\fIOPTION\\fR]...",
        ".SH DESCRIPTION",
        plain(LONGDESC),
        ".SH OPTIONS",
        "Pacemaker gives them as lines NAME=VALUE on standard input. The NAME stands here in"
        " brackets.",
    ]
    for option in OPTIONS:
        if not option.replaced_by:
            default = f" Default: {option.default}." if option.default else ""
            tag = f"{spelling(option)} ({option.name})"
            lines += [".TP", f".B {plain(tag)}", plain(option.longdesc + default)]
    lines.append(".SH ACTIONS")
    for name, text in ACTIONS:
        lines += [".TP", f".B {plain(name)}", plain(text)]
    lines += [
        ".SH EXIT STATUS",
        "0: done; a fence is proven. 1: failed, or not proven in time; the reason is on standard",
        "error. 2: status of a guest that does not run.",
        ".SH EXAMPLES",
        ".B vm\\-stonith\\-key token",
        "on a host prints the whole device for crm and for pcs. Then, in a guest:",
        ".PP",
        ".nf",
        'fence_vm_stonith \\-o status \\-n guest2 \\-\\-hostlist="guest2:$TOKEN"',
        ".fi",
        ".SH SEE ALSO",
        *(f".BR {plain(name)} (8)," for name in SEE_ALSO[:-1]),
        f".BR {plain(SEE_ALSO[-1])} (8)",
    ]
    return "\n".join(lines)


def plain(text: str) -> str:
    """As roff prints it: a hyphen that may be copied, and no request in it."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    return f"\\&{escaped}" if escaped.startswith(".") else escaped
