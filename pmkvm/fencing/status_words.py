# SPDX-License-Identifier: GPL-2.0-or-later
"""The words of the protocol about hosts and histories, as XPath 1.0 predicates. Pure.

Written `@a!='x'`, not `not(@a='x')`: on a missing attribute the first is false. Pacemaker 2.1
writes crmd and in_ccm as online/offline and true/false, 3.0 as times, where 0 is no.
"""

from __future__ import annotations

# Of a node_state.
OK = (
    "@join='member' and @expected='member' and @crmd!='offline' and @crmd!='0'"
    " and @in_ccm!='false' and @in_ccm!='0'"
)
DOWN = "(@crmd='offline' or @crmd='0') and @join='down' and @expected='down'"
# Neither a remote node nor a guest that is a node has join, crmd or expected in its node_state.
CLUSTER_NODE = "not(@remote_node)"
_REMOTE_UP = "not(@in_ccm='false' or @in_ccm='0')"

# Of an nvpair: a boolean that is set, in each spelling that Pacemaker takes.
_UPPER, _LOWER = "TRUEYSON", "trueyson"
TRUE = f"contains('|true|yes|on|y|1|',concat('|',translate(@value,'{_UPPER}','{_LOWER}'),'|'))"

# Of an lrm_resource: something of it is under way.
PENDING = "lrm_rsc_op[@rc-code='193' or @op-status='-1']"


def ended(resource: str) -> str:
    """Of an lrm_resource: the history has ended with the guest down."""
    return _closed(resource, "(@operation='stop' and @rc-code='0')", ("7",))


def recorded(resource: str) -> str:
    """Of an lrm_resource: Pacemaker has written down that it does not run, or that it can't tell.

    The result of a stop does not matter: a failed one is Pacemaker's affair.
    """
    return _closed(resource, "@operation='stop'", ("7", "5"))


def may_run(resource: str) -> str:
    """Of the node_state of a host that is DOWN. A host that was fenced has no lrm."""
    return f"lrm[not({_entry(resource)}[{ended(resource)}])]"


def may_run_remotely(resource: str) -> str:
    """Of any node_state: a remote node's, and Pacemaker does not say that the guest is down there.

    Nobody of ours looks at the processes there. "Not installed" says that there is no agent that
    could have started it. Of a node that is down, a missing entry says that nothing began there.
    """
    entry = _entry(resource)
    down = _closed(resource, "(@operation='stop' and @rc-code='0')", ("7", "5"))
    is_open = f"lrm/{entry}[lrm_rsc_op][not({down})]"
    return f"@remote_node and ({is_open} or ({_REMOTE_UP} and not(lrm/{entry}[lrm_rsc_op])))"


def unrecorded(resource: str) -> str:
    """Of a node_state: Pacemaker has yet to write the stop down. A missing entry is none."""
    return f"lrm/{_entry(resource)}[lrm_rsc_op][not({recorded(resource)})]"


def _entry(resource: str) -> str:
    return f"lrm_resources/lrm_resource[@id='{resource}']"


def _closed(resource: str, stop: str, probes: tuple[str, ...]) -> str:
    last = f"{resource}_last_0"
    probed = " or ".join(f"@rc-code='{code}'" for code in probes)
    # After a live migration _last_0 is still "monitor 7" on the host where the guest now runs.
    arrived = (
        f"lrm_rsc_op[@operation='migrate_from'][not(@call-id<../lrm_rsc_op[@id='{last}']/@call-id)]"
    )
    return (
        f"lrm_rsc_op[@id='{last}'][{stop} or (@operation='monitor' and ({probed}))]"
        f" and not({PENDING}) and not({arrived})"
    )
