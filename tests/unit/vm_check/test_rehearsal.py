# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from lxml import etree

from check.vm_check import of_one_guest, rehearsal
from pmkvm.fencing import ban as bans
from pmkvm.fencing.ban import Ban
from tests.unit.vm_check import fenced

if TYPE_CHECKING:
    from check.vm_check.facts import Facts

NOW, WORDS = fenced.NOW, fenced.WORDS
ELSEWHERE = ("maintenance", "unmanaged", "can't read", "clocks", "another uuid")


def answer(made: Facts, guest: str = "guest2") -> str:
    return str(rehearsal.Rehearsal(made).answer(made.guests[guest]))


def test_all_is_well() -> None:
    assert fenced.found(rehearsal, fenced.facts()) == []
    assert answer(fenced.facts()) == "OK (asked by prmguest1 on host1)"


def unmanaged() -> Facts:
    resources = (
        each._replace(managed=False) if each.id == "prmguest2" else each
        for each in fenced.instances()
    )
    return fenced.facts(cluster=fenced.cluster(tuple(resources)))


def no_quorum() -> Facts:
    return fenced.with_cib(lambda root: root.set("have-quorum", "0"))


def lost() -> Facts:
    def change(root: etree._Element) -> None:
        state = root.find("status/node_state[@uname='host2']")
        assert state is not None
        state.set("crmd", "offline")

    return fenced.with_cib(change)


def banned(resource: str) -> Facts:
    ban = Ban(resource, "reset", "9c41", "prmguest9", "5be0", "host1", "u", int(NOW) + 50)

    def change(root: etree._Element) -> None:
        owner = root.find("configuration/constraints")
        assert owner is not None
        owner.append(etree.fromstring(bans.to_xml(ban)))

    return fenced.with_cib(change)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (no_quorum(), "NG no quorum"),
        (fenced.option("maintenance-mode", "true"), "NG maintenance"),
        (unmanaged(), "NG prmguest2 is unmanaged"),
        (lost(), "NG host2 is neither a member nor down for good"),
        (fenced.words("host1", f"up={NOW}"), "NG this host's vm-stonithd can't read tokens"),
        (fenced.words("host2", WORDS.format(up=NOW + 60)), "NG clocks: host2's is +60 s from here"),
        (banned("prmguest1"), "NG you are being fenced"),
        (
            fenced.there("host1", "guest2", uuid="other"),
            "NG not proven on host1: the domain there has another uuid",
        ),
        (
            fenced.there(
                "host2", "guest2", live=fenced.element(fenced.domain_xml("guest2", kind="lxc"))
            ),
            "NG not proven on host2: its guest is no QEMU of that host",
        ),
    ],
)
def test_each_refusal_is_foretold_in_vm_stonithds_words(made: Facts, said: str) -> None:
    assert answer(made).startswith(said)
    told = rehearsal.Rehearsal(made).answer(made.guests["guest2"]).is_told_elsewhere
    assert (("fence-refused", "guest2") in fenced.found(rehearsal, made)) is not told
    assert told is any(words in said for words in ELSEWHERE)


def test_two_resources_of_one_uuid_are_refused() -> None:
    made = fenced.facts()
    twin = made.guests["guest2"]._replace(resource="prmtwin")
    assert "same uuid" in answer(made._replace(guests={**made.guests, "prmtwin": twin}))


def test_a_silent_host_is_judged_by_pacemakers_record() -> None:
    said = answer(fenced.words("host2", ""))
    assert said == "OK (asked by prmguest1 on host1; by Pacemaker's record on host2)"


def test_the_guard_is_the_one_of_the_write() -> None:
    """Of what only the guard sees: a clone is no target, and then there is nothing to rehearse."""
    made = fenced.facts()
    node = made.cib.find("configuration/nodes/node[@uname='host2']")
    assert node is not None
    pair = '<instance_attributes><nvpair name="maintenance" value="Yes"/></instance_attributes>'
    node.append(etree.fromstring(pair))
    assert answer(made).startswith("NG maintenance")
    one = rehearsal.Rehearsal(fenced.facts())
    assert one._guard(fenced.facts().guests["guest2"], "prmguest1", "host1") == ""
    other = rehearsal.Rehearsal(made)
    assert "node maintenance" in other._guard(made.guests["guest2"], "prmguest1", "host1")


def test_one_guest_is_told_number_by_number() -> None:
    made = fenced.facts(corosync={"token": "3000", "consensus": "3600"})
    told = list(of_one_guest.lines(made, made.guests["guest2"]))
    assert told[1].endswith("6.6 s (corosync's token + consensus, 3 + 3.6)")
    assert told[-2] == "a fence of it, rehearsed: OK (asked by prmguest1 on host1)"
    gone = made.guests["guest2"]._replace(resource="prmNone")
    assert "can't be fenced" in list(of_one_guest.lines(made, gone))[-1]
    for clone in made.cib.findall(".//clone"):
        made.cib.find("configuration/resources").remove(clone)  # type: ignore[union-attr]
    assert "no vm-stonithd" in list(of_one_guest.lines(made, made.guests["guest2"]))[-1]
