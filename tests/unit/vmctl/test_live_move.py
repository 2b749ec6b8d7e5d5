# SPDX-License-Identifier: GPL-2.0-or-later
"""Before a live move: what the silence of an end means, and by which way it is asked."""

from __future__ import annotations

import pytest

from pmkvm.pacemaker.document import CibDocument
from pmkvm.virt import hindrances
from pmkvm.virt.hindrances import Ends
from pmkvm.virt.migration_uri import Transport
from tests.unit.vmctl.world import REMOTES, cib, cluster, guest, running, slides_conf
from vmctl import live_move, move
from vmctl.move import Move

SSH = Transport("qemu:///system", "ssh")


def judged(
    local: str, *silent: str, targets: tuple[str, ...] = ("hostB",)
) -> tuple[list[int], list[int]]:
    """The numbers of refusals and warnings; hostA is where the guest comes from."""
    ends = Ends("g1", local, "hostA", targets, SSH)
    found = hindrances.judge(ends, dict.fromkeys(silent, "no route"))
    refusals, warnings = map(live_move.messages, found)
    return [each.number for each in refusals], [each.number for each in warnings]


@pytest.mark.parametrize(
    ("local", "silent", "expected"),
    [
        # On the source both questions can be asked.
        ("hostA", (), ([], [])),
        ("hostA", ("hostA",), ([71], [])),
        ("hostA", ("hostB",), ([70], [])),
        ("hostA", ("hostA", "hostB"), ([71, 70], [])),
        # On the target its own libvirt, and the source's.
        ("hostB", (), ([], [72])),
        ("hostB", ("hostB",), ([71], [])),
        ("hostB", ("hostA",), ([70], [])),
        # Elsewhere the target's way is not the guest's.
        ("hostC", (), ([], [72])),
        ("hostC", ("hostA",), ([70], [])),
        ("hostC", ("hostB",), ([], [70, 72])),
    ],
)
def test_who_is_silent_to_whom(
    local: str, silent: tuple[str, ...], expected: tuple[list[int], list[int]]
) -> None:
    assert judged(local, *silent) == expected


def test_of_several_targets_one_that_is_reached_is_enough() -> None:
    both = ("hostB", "hostC")
    assert judged("hostA", "hostB", targets=both) == ([], [70])
    assert judged("hostA", "hostB", "hostC", targets=both) == ([70, 70], [])


def test_each_message_names_both_hosts_the_way_the_reason_and_what_to_do() -> None:
    found = hindrances.judge(Ends("g1", "hostA", "hostA", ["hostB"], SSH), {"hostB": "no route"})
    assert [str(each) for each in live_move.messages(found.refusals)] == [
        "MSG70 g1: hostA does not reach libvirt on hostB over"
        " qemu+ssh://hostB/system?no_tty=1, the way of its migrations: no route;"
        " try on hostA: virsh -c 'qemu+ssh://hostB/system?no_tty=1' list"
    ]
    found = hindrances.judge(Ends("g1", "hostC", "hostA", ["hostB"], SSH), {})
    assert [str(each) for each in live_move.messages(found.warnings)] == [
        "MSG72 g1: whether hostA reaches libvirt on hostB is not known before the move:"
        " vm-ctl runs on hostC; run on hostA it asks"
    ]


RULE = '<rule id="r" score="0"><expression id="e" attribute="x" operation="defined"/></rule>'


def parameters(rule: str = "", **values: str) -> str:
    pairs = "".join(
        f'<nvpair id="p-{name}" name="{name}" value="{value}"/>' for name, value in values.items()
    )
    return f'<instance_attributes id="p">{rule}{pairs}</instance_attributes>'


def transport(inner: str) -> tuple[Transport, str]:
    return live_move.transport("g1", CibDocument(cib(guest("g1", inner))), slides_conf())


def test_the_way_is_that_of_the_guests_own_parameters() -> None:
    given = {
        "hypervisor": "xen:///system",
        "migration_transport": "tls",
        "migration_user": "u",
        "migration_network_suffix": "-mig",
    }
    found, doubt = transport(parameters(**given))
    assert (found.uri("hostB"), doubt) == ("xen+tls://u@hostB-mig/system", "")


def test_a_guest_without_a_hypervisor_has_the_configured_one() -> None:
    assert transport(parameters(migration_transport="ssh")) == (SSH, "")


def test_a_way_that_a_rule_decides_is_not_known() -> None:
    _found, doubt = transport(parameters(RULE, migration_user="u"))
    assert doubt == "migration_user: a rule decides"


def test_without_a_node_it_may_go_where_the_scores_allow_it() -> None:
    found = cluster(running("g1", "hostA"), nodes=REMOTES)
    anywhere = Move("g1", "hostA", None, 1.0)
    assert move.targets(anywhere, {}, found) == ["hostB", "remote1"]
    assert move.targets(anywhere, {"hostB": -1000000}, found) == ["remote1"]
    assert move.targets(anywhere._replace(target="hostC"), {}, found) == ["hostC"]
