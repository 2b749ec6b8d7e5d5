# SPDX-License-Identifier: GPL-2.0-or-later
"""What is asked of corosync's own tool on this host, each call with a deadline.

corosync-cmapctl prints keys that are documented (cmap_keys(8)); corosync-cfgtool is for people. A
corosync that has stopped does not answer either, for as long as one waits.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from daemons.ifcheckd import picture
from pmkvm import run
from pmkvm.errors import HaError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from daemons.ifcheckd.picture import Links, Membership

TOOL_S = 3.0
# Eight links to each of a hundred nodes are half of it.
LONGEST = 4 << 20

_MEMBERSHIP = ("nodelist.", "runtime.members.", "totem.transport")
_LINKS = ("-m", "stats", "stats.knet.node")


class CorosyncError(HaError):
    """corosync has not said what was asked."""


def membership() -> Membership:
    """Raises HaError."""
    known = picture.membership(picture.cmap(_ask(["corosync-cmapctl", *_MEMBERSHIP])))
    if known is None:
        raise CorosyncError("corosync does not say which of its nodes this host is")
    return known


def links() -> Links:
    """Raises HaError."""
    seen = picture.links(picture.cmap(_ask(["corosync-cmapctl", *_LINKS])))
    if not seen:
        raise CorosyncError("corosync says nothing of its links")
    return seen


def interfaces(addresses: Sequence[str]) -> dict[str, str]:
    """The network devices that have them; an address that none has is not in it. Raises HaError."""
    try:
        devices = json.loads(_ask(["ip", "-json", "address", "show"]))
    except ValueError as error:
        raise CorosyncError("ip does not say which device has which address") from error
    found = {each: picture.interface_of(each, devices) for each in addresses}
    return {address: name for address, name in found.items() if name}


def _ask(argv: Sequence[str]) -> str:
    done = run.run(argv, timeout_s=TOOL_S)
    # corosync-cmapctl ends with 1 if one of several keys is not there.
    if not done.out.strip():
        said = done.err.strip().rpartition("\n")[2]
        raise CorosyncError(f"{argv[0]} ended with {done.rc}: {said or 'it printed nothing'}")
    if len(done.out) > LONGEST:
        raise CorosyncError(f"{argv[0]} prints more than {LONGEST} characters")
    return done.out
