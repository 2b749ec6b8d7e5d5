# SPDX-License-Identifier: GPL-2.0-or-later
"""Section 5 of the slides of 2011, each command as printed, with guests that run; and guests by the
hundred that do not. The hosts are those of section 4.
"""

from __future__ import annotations

import contextlib
import time

import pytest

from pmkvm.virt.survey import ANSWER_S
from tests.lab.cluster import slides
from tests.lab.cluster.registration import Registered
from tests.lab.guests import many
from tests.lab.guests.guests import Guest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.hosts.machine import Machine
    from tests.lab.lab import Lab

pytestmark = pytest.mark.rotating(parts=4)

# The shell that is not there.
ABSENT = {"pcs only": "crm", "crmsh only": "pcs"}
# Beside twice what the same takes while all hosts speak, on two busy cores.
OWN_S = 3.0
PROBES_S = 120.0


@pytest.fixture(scope="module")
def hosts(lab: Lab) -> Iterator[Lab]:
    lab.clean()
    slides.load(lab)
    with slides.configured(lab, **slides.ENTRIES):
        yield lab


@pytest.mark.parametrize("shells", ABSENT)
def test_section_five(hosts: Lab, shells: str) -> None:
    lab = hosts
    guest1, guest2 = (Registered(lab, Guest(name)) for name in ("guest1", "guest2"))
    for one in (guest1, guest2):
        lab.guests.define(one.guest)

    with slides.without(lab, ABSENT[shells]):
        slides.type_in(lab, "vm-ctl resource add guest1, guest2 -a host1")
        for guest in ("guest1", "guest2"):
            differ = slides.deviations(guest)
            as_printed = slides.printed(guest) - set(differ) | set(differ.values())
            found = slides.objects(lab, guest)
            assert len(found) == len(as_printed) == 10
            assert (found - as_printed, as_printed - found) == (set(), set())

        # The console is a file that outlives its guest.
        earlier = guest1.counter.boots()
        last = [one.counter.boot() for one in (guest1, guest2)]
        slides.type_in(lab, "vm-ctl resource start guest1, guest2")
        assert [guest1.hosts(), guest2.hosts()] == [["host1"], ["host1"]]
        boots = [
            one.counter.wait_for_boot(other_than=boot).boot
            for one, boot in zip((guest1, guest2), last)
        ]
        before = slides.objects(lab, "guest2")

        slides.type_in(lab, "vm-ctl resource move guest2 -n host2")
        assert guest2.hosts() == ["host2"]
        # No constraint of the move is left, and allow-migrate is off: it boots anew.
        assert slides.objects(lab, "guest2") == before
        boots[1] = guest2.counter.wait_for_boot(other_than=boots[1]).boot

        slides.type_in(lab, "vm-ctl location move guest2")
        act = "location locVMCTL_guest2_{0}_ACT prmVMCTL_guest2 200: {0}"
        assert before ^ slides.objects(lab, "guest2") == {act.format("host1"), act.format("host2")}

        slides.type_in(lab, "vm-ctl resource stop guest2")
        assert guest2.hosts() == []

        slides.type_in(lab, "vm-ctl resource delete guest2")
        assert slides.objects(lab, "guest2") == set()
        for host in lab.hosts:
            assert "guest2" in host.must(["virsh", "list", "--all", "--name"]).split()
        assert guest1.counter.boots() == [*earlier, boots[0]]
        assert_well(guest1)
        # The next one begins anew.
        slides.type_in(lab, "vm-ctl resource stop guest1")
        slides.type_in(lab, "vm-ctl resource delete guest1")


def assert_well(one: Registered) -> None:
    assert one.hosts() == ["host1"]
    assert one.counter.is_ticking()
    assert one.lab.status().failures == []
    assert one.lab.fencing.events() == []


@contextlib.contextmanager
def silent(host: Machine) -> Iterator[None]:
    """Its sshd takes connections and says nothing."""
    host.signal("sshd", "STOP")
    try:
        yield
    finally:
        host.signal("sshd", "CONT")


def test_many_guests_are_one_change(hosts: Lab, is_full: bool) -> None:
    lab, count = hosts, 200 if is_full else 10
    host1, host2 = lab.hosts[:2]
    with many.defined(lab, count) as names:
        listed = ",".join(names)
        lab.cluster.wait_idle()
        before = many.epoch(lab)
        began = time.monotonic()
        host1.must(["vm-ctl", "resource", "add", listed, "-a", "host1"])
        print(f"{count} guests added in {time.monotonic() - began:.2f} s")
        assert many.epoch(lab) == before + 1
        primitives = lab.cib().findall("configuration/resources/primitive")
        assert {f"prmVMCTL_{name}" for name in names} <= {each.get("id") for each in primitives}
        # Pacemaker looks for each on each host; that is its own affair, and ours that all is well.
        lab.cluster.wait_idle(PROBES_S)
        table = host1.must(["vm-ctl", "resource", "list"]).splitlines()[2:]
        assert [row.split()[0] for row in table] == names
        # The lab's own fence device may lose the fencer while two cores probe hundreds of guests.
        failed = [each.operation for each in lab.status().failures]
        assert [each for each in failed if each.startswith("prmVMCTL_")] == []
        assert host1.run(["crm_verify", "--live-check", "-V"], timeout_s=60).err == ""
        before = many.epoch(lab)
        host2.must(["vm-ctl", "resource", "delete", listed])
        assert many.epoch(lab) == before + 1
        assert "VMCTL" not in host1.must(["cibadmin", "--query", "--scope", "configuration"])
        plan = ["vm-ctl", "resource", "add", listed, "-a", "host1", "--dry-run"]
        began = time.monotonic()
        assert host1.run(plan).rc == 0
        own_s = time.monotonic() - began
        with silent(host2):
            began = time.monotonic()
            done = host1.run(plan)
            took_s = time.monotonic() - began
        print(f"with a silent host: {took_s:.2f} s, else {own_s:.2f} s")
        assert done.rc == 0
        assert "MSG34 host2" in done.err
        assert ANSWER_S <= took_s < ANSWER_S + 0.01 * count + OWN_S + 2 * own_s
