# SPDX-License-Identifier: GPL-2.0-or-later
"""The ids under which vm-ctl has registered guests since 2011; others build on them."""

from __future__ import annotations

import re

PRIMITIVE = "prmVMCTL_"

# What stays a valid XML id behind our prefixes, in every schema version. The rest of the world's
# letters are valid in XML too, but libxml2's idea of them differs between releases.
USABLE = re.compile(r"[A-Za-z0-9._-]+")

# crm_resource --move leaves these behind (Pacemaker 1.1.9 and later; before that cli-standby-).
MOVE_PREFIXES = ("cli-prefer-", "cli-ban-", "cli-standby-")


def is_usable(name: str) -> bool:
    return USABLE.fullmatch(name) is not None


def resource(domain: str) -> str:
    return PRIMITIVE + domain


def domain(resource_id: str) -> str | None:
    """The domain that a resource of ours is for, None for any other resource."""
    ours = resource_id.startswith(PRIMITIVE) and len(resource_id) > len(PRIMITIVE)
    return resource_id[len(PRIMITIVE) :] if ours else None


def preferred_node(domain_name: str, node: str) -> str:
    return f"locVMCTL_{domain_name}_{node}_ACT"


def location(domain_name: str, attribute: str) -> str:
    return f"locVMCTL_{domain_name}_{attribute}"


def colocation(domain_name: str, with_resource: str) -> str:
    return f"colVMCTL_{domain_name}_{with_resource}"


def order(domain_name: str, first: str) -> str:
    return f"odrVMCTL_{domain_name}_{first}"
