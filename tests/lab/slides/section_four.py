# SPDX-License-Identifier: GPL-2.0-or-later
"""Section 4 of the slides of 2011: the clones of the hosts and the guests' channel, and what has
changed in them. The files beside this one have each text as printed."""

from __future__ import annotations

from tests.lab.slides.deviation import BACKSLASHES, Deviation, changed, printed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

PING = Deviation(
    "Pacemaker has ping in the place of pingd now", "ocf:pacemaker:pingd", "ocf:pacemaker:ping"
)

# The text to paste has these too; the printed options work as they did.
DAEMONS_DOCUMENTED = [
    Deviation(
        "this directory is always taken",
        r' -d /var/lib/libvirt/qemu/"',
        '"',
    ),
    Deviation(
        "only tokens of openssl need these options",
        r"    cmdline_options=\"-c '.*\n",
        "",
    ),
    Deviation(
        "one line is enough for it",
        r"clnVmConnectd \\\n",
        "clnVmConnectd ",
    ),
]

CHANNEL_DOCUMENTED = [
    Deviation(
        "libvirt chooses a path by itself, and vm-connectd finds it",
        r"\n  <!-- .* -->\n  <source mode='bind' path='[^']*'/>",
        "\n  <source mode='bind'/>",
    ),
]


def watches(changes: Iterable[Deviation] = ()) -> str:
    """The clones of ping and diskd, for crmsh."""
    return changed(printed("pingd.crm", "diskd.crm"), [BACKSLASHES, PING, *changes])


def daemons(changes: Iterable[Deviation] = ()) -> str:
    """The clones of vm-connectd and vm-stonithd, for crmsh."""
    return changed(printed("vm_connectd.crm", "vm_stonithd.crm"), [BACKSLASHES, *changes])
