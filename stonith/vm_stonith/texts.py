# SPDX-License-Identifier: GPL-2.0-or-later
"""What fence_vm_stonith says of itself. Pure."""

from __future__ import annotations

from stonith.plugin.fence_texts import Texts
from stonith.vm_stonith.options import NAME, OPTIONS

TEXTS = Texts(
    NAME,
    "Fences a guest through the cluster of the hosts",
    "fence_vm_stonith runs in a guest and fences another guest of the same cluster of hosts,"
    " whichever host that guest runs on. It asks through the guest's vm-connectd, over a virtio"
    " port and without a network. The vm-stonithd of the hosts kills the target, proves on all"
    " hosts that it is dead, and answers. A token of the hosts' administrator says which guest may"
    " be fenced.",
    OPTIONS,
    (
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
    ),
    "0: done; a fence is proven. 1: failed, or not proven in time; the reason is on standard\n"
    "error. 2: status of a guest that does not run.",
    ".B vm\\-stonith\\-key token\n"
    "on a host prints the whole device for crm and for pcs. Then, in a guest:\n"
    ".PP\n"
    ".nf\n"
    'fence_vm_stonith \\-o status \\-n guest2 \\-\\-hostlist="guest2:$TOKEN"\n'
    ".fi",
    ("vm-stonith-key", "vm-connectd", "vm-stonithd", "vm-stonith"),
)
