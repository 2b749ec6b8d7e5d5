# SPDX-License-Identifier: GPL-2.0-or-later
"""Section 5 of the slides of 2011, each command as printed, with guests that run."""

from __future__ import annotations

import contextlib
import shlex

from tests.lab import slides
from tests.lab.registration import Registered

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest

    from tests.lab.guests import Guest
    from tests.lab.lab import Lab

# The cluster is at work; libvirt-guests is enabled, as it is on this machine.
REMARKS = ("MSG43", "MSG49")
# The shell that is not there.
ABSENT = {"pcs only": "crm", "crmsh only": "pcs"}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    names = list(ABSENT) if metafunc.config.getoption("--lab-full") else ["pcs only"]
    metafunc.parametrize("shells", names)


@contextlib.contextmanager
def without(lab: Lab, program: str) -> Iterator[None]:
    """No host has that program."""
    path = lab.hosts[0].must(["sh", "-c", f"command -v {program}"]).strip()
    try:
        for host in lab.hosts:
            host.must(["mv", path, f"{path}.away"])
            assert host.run(["sh", "-c", f"command -v {program}"]).rc != 0
        yield
    finally:
        for host in lab.hosts:
            host.must(["mv", f"{path}.away", path])


def test_section_five(clean_lab: Lab, new_guest: Callable[..., Guest], shells: str) -> None:
    lab = clean_lab
    guest1, guest2 = (Registered(lab, new_guest(name)) for name in ("guest1", "guest2"))
    slides.load(lab)

    def type_in(line: str) -> None:
        """On host1, as a shell splits it."""
        done = lab.hosts[0].run(shlex.split(line), timeout_s=200)
        lines = (done.out + done.err).splitlines()
        said = [each for each in lines if not any(number in each for number in REMARKS)]
        assert (done.rc, said) == (0, []), line

    with without(lab, ABSENT[shells]), slides.configured(lab, **slides.ENTRIES):
        type_in("vm-ctl resource add guest1, guest2 -a host1")
        for guest in ("guest1", "guest2"):
            differ = slides.deviations(guest)
            as_printed = slides.printed(guest) - set(differ) | set(differ.values())
            found = slides.objects(lab, guest)
            assert len(found) == len(as_printed) == 10
            assert (found - as_printed, as_printed - found) == (set(), set())

        type_in("vm-ctl resource start guest1, guest2")
        assert [guest1.hosts(), guest2.hosts()] == [["host1"], ["host1"]]
        boots = [one.counter.wait_for_boot().boot for one in (guest1, guest2)]
        before = slides.objects(lab, "guest2")

        type_in("vm-ctl resource move guest2 -n host2")
        assert guest2.hosts() == ["host2"]
        # No constraint of the move is left, and allow-migrate is off: it boots anew.
        assert slides.objects(lab, "guest2") == before
        boots[1] = guest2.counter.wait_for_boot(other_than=boots[1]).boot

        type_in("vm-ctl location move guest2")
        act = "location locVMCTL_guest2_{0}_ACT prmVMCTL_guest2 200: {0}"
        assert before ^ slides.objects(lab, "guest2") == {act.format("host1"), act.format("host2")}

        type_in("vm-ctl resource stop guest2")
        assert guest2.hosts() == []

        type_in("vm-ctl resource delete guest2")
        assert slides.objects(lab, "guest2") == set()
        for host in lab.hosts:
            assert "guest2" in host.must(["virsh", "list", "--all", "--name"]).split()
        assert guest1.hosts() == ["host1"]
        assert guest1.counter.boots() == [boots[0]]
        assert guest1.counter.is_ticking()
        assert lab.status().failures == []
        assert lab.fencing.events() == []
