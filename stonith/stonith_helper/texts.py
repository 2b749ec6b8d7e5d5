# SPDX-License-Identifier: GPL-2.0-or-later
"""What fence_vm_helper says of itself. Pure."""

from __future__ import annotations

from stonith.plugin.fence_texts import Texts
from stonith.stonith_helper.fence import OTHER_THAN_IN_2011
from stonith.stonith_helper.options import NAME, OPTIONS

TEXTS = Texts(
    NAME,
    "Lets the active node fence first",
    "fence_vm_helper makes one of two nodes wait when they fence each other, so that the node that"
    " runs the service fences first. It fences nobody. Use it alone in the first level of a fencing"
    " topology, before a device that two nodes can use against each other at the same time. The"
    " node on which standby_check_command fails is the standby, and waits. Then the answer is no,"
    " and the fencer asks the next level. Never put it into one level with other devices: that"
    " level would always fail. Give it pcmk_reboot_retries=1 and pcmk_off_retries=1, or the fencer"
    " asks it a second time. It does what external/stonith-helper of cluster-glue does, with the"
    f" parameters of 2011. Other than in 2011: {' '.join(OTHER_THAN_IN_2011)}",
    OPTIONS,
    (
        ("off", "Wait if this node is the standby, then fail, so that the next level is asked."),
        ("reboot", "The same. This is the default."),
        ("status", "Always exit 1: this device does not know whether a node runs."),
        ("monitor", "Check the parameters, and whether standby_check_command can be run."),
        ("list", "Print the nodes of hostlist."),
        ("validate-all", "The same as monitor."),
        ("metadata", "Print the metadata."),
        ("manpage", "Print the man page."),
    ),
    "0: the parameters are good, or what was asked about them is printed. A fence ends with 0\n"
    "only if trust_dead_check is set and the target is silent. 1: failed. A fence ends so as a\n"
    "rule.",
    "With crm:\n"
    ".PP\n"
    ".nf\n"
    "primitive prmHelper\\-host1 stonith:fence_vm_helper \\e\n"
    "  params hostlist=host1 pcmk_reboot_retries=1 pcmk_off_retries=1 \\e\n"
    '    standby_check_command="crm_resource \\-r prmVMCTL_guest1 \\-W | grep \\-qw'
    ' \\(gauname \\-n\\(ga" \\e\n'
    "  op monitor interval=60s timeout=60s\n"
    "fencing_topology host1: prmHelper\\-host1 prmIpmi\\-host1\n"
    ".fi\n"
    ".PP\n"
    "With pcs:\n"
    ".PP\n"
    ".nf\n"
    "pcs stonith create prmHelper\\-host1 fence_vm_helper hostlist=host1 \\e\n"
    "  pcmk_reboot_retries=1 pcmk_off_retries=1 \\e\n"
    "  standby_check_command='crm_resource \\-r prmVMCTL_guest1 \\-W | grep \\-qw"
    " \\(gauname \\-n\\(ga'\n"
    "pcs stonith level add 1 host1 prmHelper\\-host1\n"
    "pcs stonith level add 2 host1 prmIpmi\\-host1\n"
    ".fi",
    ("stonith-helper", "fence_vm_stonith", "fence_heuristics_ping", "stonith_admin"),
)
