# SPDX-License-Identifier: GPL-2.0-or-later
"""The ids under which vm-ctl has registered guests since 2011; others build on them.

A domain's name may hold what an XML id may not. Such characters stand as _xHHHH_ in ids, the form
in which ISO 9075-14 puts names into XML; names of letters, digits, '.', '_' and '-' stay as ever.
"""

from __future__ import annotations

import re

PRIMITIVE = "prmVMCTL_"

# What is valid in an id in every schema version. libxml2's idea of other letters has changed.
PLAIN = re.compile(r"[A-Za-z0-9._-]+")
TO_ESCAPE = re.compile(r"[^A-Za-z0-9._-]|_(?=x[0-9A-F]{4,6}_)")
ESCAPED = re.compile(r"_x((?:10|[1-9A-F])?[0-9A-F]{4})_")

# The constraints of a move, under the names that crm_resource knows and clears.
CLI_PREFER, CLI_BAN = "cli-prefer-", "cli-ban-"
# cli-standby-: of Pacemaker before 1.1.9
MOVE_PREFIXES = (CLI_PREFER, CLI_BAN, "cli-standby-")


def is_plain(text: str) -> bool:
    return PLAIN.fullmatch(text) is not None


def is_usable(domain_name: str) -> bool:
    return domain_name.isprintable() and "/" not in domain_name


def escaped(name: str) -> str:
    return TO_ESCAPE.sub(lambda match: f"_x{ord(match[0]):04X}_", name)


def resource(domain_name: str) -> str:
    return PRIMITIVE + escaped(domain_name)


def domain(resource_id: str) -> str | None:
    """The domain that a resource of ours is for, None for any other resource."""
    if not resource_id.startswith(PRIMITIVE) or resource_id == PRIMITIVE:
        return None
    name = resource_id[len(PRIMITIVE) :]
    return ESCAPED.sub(lambda match: chr(int(match[1], 16)), name)


def preferred_node(domain_name: str, node: str) -> str:
    return f"locVMCTL_{escaped(domain_name)}_{escaped(node)}_ACT"


def constraint(kind: str, domain_name: str, what: str) -> str:
    """kind: loc for a node attribute, col or odr for a resource."""
    return f"{kind}VMCTL_{escaped(domain_name)}_{what}"
