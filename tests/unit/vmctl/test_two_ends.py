# SPDX-License-Identifier: GPL-2.0-or-later
"""Whole moves: both ends of a live one are asked first. And whole commands about remote nodes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.unit.pacemaker.script import Step
from tests.unit.virtual_domain.fake_libvirtmod import Trouble
from tests.unit.vmctl import world
from tests.unit.vmctl.world import (
    HERE,
    MIGRATE,
    REMOTES,
    THERE,
    cib,
    crm_mon,
    guest,
    nothing_runs,
    running,
    target_role,
)
from vmctl import live_move

if TYPE_CHECKING:
    from collections.abc import Callable

    VmCtl = Callable[..., world.Ended]

MON, NODE = ("crm_mon", "--output-as=xml"), ("crm_node", "--name")
QUERY, MODIFY = ("cibadmin", "--query"), ("cibadmin", "--modify")
ADDING = (Step(MON, out=crm_mon()), Step(NODE, out="hostA\n"), Step(QUERY, out=cib()))
STOPPED = cib(guest("guest1", target_role("guest1", "Stopped")))
ON = Step(MON, out=crm_mon(running("guest1", "hostA")))
SSH = "".join(
    f'<nvpair id="p-{name}" name="{name}" value="{value}"/>'
    for name, value in {"hypervisor": HERE, "migration_transport": "ssh"}.items()
)
LIVE = cib(guest("guest1", f'{MIGRATE}<instance_attributes id="p">{SSH}</instance_attributes>'))
SCORES = Step(("crm_simulate", "--xml-pipe"), out="<r/>")


def moving(local: str, *more: Step) -> tuple[Step, ...]:
    """A live move of guest1 from hostA, by a vm-ctl on that host."""
    return (Step(QUERY, out=LIVE), ON, SCORES, Step(NODE, out=f"{local}\n"), *more)


WRITTEN = (Step(QUERY, out=LIVE), Step(MODIFY))
MOVE = "resource move guest1 -n hostB --no-wait"


def test_both_ends_of_a_live_move_are_asked_before_it_is_written(vm_ctl: VmCtl) -> None:
    libvirts = nothing_runs()
    ended = vm_ctl(MOVE, *moving("hostA", *WRITTEN), libvirts=libvirts)
    assert ended.rc == 0
    # This host's twice: once more for what libvirt would refuse.
    assert [len(each.called("virConnectOpen")) for each in libvirts.values()] == [2, 1]
    assert [line[:13] for line in ended.err.splitlines()] == ["vm-ctl: MSG53"]


@pytest.mark.parametrize("how", ["--no-wait", "--dry-run", ""])
@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        (HERE, f"MSG71 guest1: libvirt on hostA, {HERE}, does not answer, and a live migration"),
        (THERE, f"MSG70 guest1: hostA does not reach libvirt on hostB over {THERE}, the way of"),
    ],
)
def test_a_live_move_whose_end_is_silent_is_refused_and_nothing_is_written(
    vm_ctl: VmCtl, how: str, uri: str, reason: str
) -> None:
    libvirts = nothing_runs()
    libvirts[uri].down = "gone"
    typed = f"resource move guest1 -n hostB {how}"
    ended = vm_ctl(typed, *moving("hostA"), libvirts=libvirts)
    assert (ended.rc, ended.out) == (1, "")
    first, last = ended.err.splitlines()
    assert first.startswith(f"vm-ctl: {reason}")
    assert ": gone" in first
    assert last == "vm-ctl: MSG26 guest1: the move was not started"


def test_an_end_that_hangs_holds_a_move_up_for_its_time(
    vm_ctl: VmCtl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_move, "ANSWER_S", 0.2)
    libvirts = nothing_runs()
    libvirts[THERE].stuck = True
    ended = vm_ctl(MOVE, *moving("hostA"), libvirts=libvirts)
    assert ended.rc == 1
    assert "MSG70 guest1: hostA does not reach libvirt on hostB" in ended.err
    assert "out of time while asking" in ended.err


def test_from_a_third_host_the_way_between_the_two_is_not_known(vm_ctl: VmCtl) -> None:
    from_a = "qemu+ssh://hostA/system?no_tty=1"
    libvirts = {from_a: world.libvirt(["guest1"]), THERE: world.libvirt(["guest1"])}
    libvirts[THERE].down = "no key"
    ended = vm_ctl(MOVE, *moving("hostC", *WRITTEN), libvirts=libvirts)
    assert ended.rc == 0
    assert [line[8:13] for line in ended.err.splitlines()] == ["MSG70", "MSG72", "MSG53"]
    libvirts[from_a].down = "no key"
    assert vm_ctl(MOVE, *moving("hostC"), libvirts=libvirts).rc == 1


def test_a_user_whose_keys_are_not_the_agents_asks_nobody(
    vm_ctl: VmCtl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    steps = (*moving("hostA")[:3], *WRITTEN)
    ended = vm_ctl(MOVE, *steps)
    assert ended.rc == 0
    assert "MSG72 guest1: whether hostA reaches libvirt on hostB is not known" in ended.err
    assert "vm-ctl does not run as root" in ended.err


def test_a_guest_that_moves_cold_needs_no_way(vm_ctl: VmCtl) -> None:
    libvirts = nothing_runs()
    libvirts[THERE].down = "gone"
    query = Step(QUERY, out=STOPPED)
    ended = vm_ctl(MOVE, query, ON, SCORES, query, Step(MODIFY), libvirts=libvirts)
    assert ended.rc == 0
    assert libvirts[HERE].calls == []


def test_what_libvirt_would_refuse_is_said_beforehand(vm_ctl: VmCtl) -> None:
    libvirts = nothing_runs()
    guest1 = libvirts[HERE].domains["guest1"]
    guest1.snapshots = 2
    guest1.xml = "<domain><devices><disk><target dev='vda'/></disk></devices></domain>"
    guest1.block_jobs["vda"] = {"type": 2, "cur": 1 << 20, "end": 3 << 20}
    ended = vm_ctl(MOVE, *moving("hostA", *WRITTEN), libvirts=libvirts)
    assert ended.rc == 0
    assert ended.err.splitlines()[:2] == [
        "vm-ctl: MSG73 guest1: libvirt refuses to migrate it live, since it has snapshots (2);"
        " virsh snapshot-list guest1",
        "vm-ctl: MSG74 guest1: libvirt is at a block copy of vda, 1 of 3 MiB; a live migration"
        " waits for its end, or is refused",
    ]


@pytest.mark.parametrize("trouble", ["virDomainSnapshotNum", "virDomainGetJobStats"])
def test_a_libvirt_that_can_not_tell_of_them_is_no_obstacle(vm_ctl: VmCtl, trouble: str) -> None:
    libvirts = nothing_runs()
    libvirts[HERE].script(trouble, Trouble(3, "this function is not supported"))
    ended = vm_ctl(MOVE, *moving("hostA", *WRITTEN), libvirts=libvirts)
    assert ended.rc == 0
    assert [line[8:13] for line in ended.err.splitlines()] == ["MSG53"]


REMOTE_ON = crm_mon(running("guest1", "remote1"), nodes=REMOTES)


def test_a_guest_on_a_remote_node_is_listed(vm_ctl: VmCtl) -> None:
    steps = (Step(QUERY, out=STOPPED), Step(MON, out=REMOTE_ON))
    ended = vm_ctl("resource list -n remote1", *steps)
    assert ended.out.splitlines()[-1].split()[:5] == [
        *("guest1", "prmVMCTL_guest1", "NONE", "NONE", "remote1")
    ]
    for node, number in (("box-0", 75), ("hostX", 16)):
        ended = vm_ctl(f"resource list -n {node}", *steps)
        assert (ended.rc, ended.err[:17]) == (1, f"vm-ctl: MSG{number} {node}"[:17])


def test_a_remote_node_may_be_the_preferred_one_and_fences_there_are_warned_of(
    vm_ctl: VmCtl,
) -> None:
    libvirts = nothing_runs()
    libvirts["qemu+ssh://remote1/system?no_tty=1"] = world.libvirt(["guest1", "guest2"])
    mon = Step(MON, out=crm_mon(nodes=REMOTES))
    steps = (mon, *ADDING[1:], Step(MODIFY))
    ended = vm_ctl("resource add guest1 -a remote1", *steps, libvirts=libvirts)
    assert ended.rc == 0
    assert "MSG76 remote1: is a Pacemaker Remote node" in ended.err
    assert 'node="remote1"' in (ended.calls[-1][1] or "")
