# SPDX-License-Identifier: GPL-2.0-or-later
"""doc/install-debian.md from the first line to the last, typed on hosts that no cluster knows yet.

Its guests are booted by systemd. What the page sends the reader to is typed as well: the daemons,
the key and the tokens of doc/fencing.md. What the lab has done already, and what can't be had in
it, is in install_pages.py.
"""

from __future__ import annotations

import contextlib
import shlex
from typing import NamedTuple

import pytest

from tests.lab import install_pages
from tests.lab.cluster import power, stonith
from tests.lab.cluster.bmc import bmcs
from tests.lab.cluster.cluster import LOG
from tests.lab.errors import LabError
from tests.lab.faults.situations import wait_until
from tests.lab.guests import guest_commands, nested, systemd
from tests.lab.guests.nested import GuestCluster
from tests.lab.hosts import pcsd, ssh

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.cluster.bmc import Bmc
    from tests.lab.cluster.registration import Registered
    from tests.lab.hosts.machine import Machine
    from tests.lab.install_pages import Line
    from tests.lab.lab import Lab

pytestmark = pytest.mark.rotating(parts=27)

LINE_S = 200.0
GUEST_S = 120.0
SECRET = "a-secret"
# By beginning: what a person answers a line that asks.
ANSWERS = {
    "passwd hacluster": f"{SECRET}\n{SECRET}\n",
    "pcs host auth ": f"{SECRET}\n",
}
# What answers ssh in the place of a person at a terminal.
ASKED = "/run/lab-answers"
ANSWER = f"""#!/bin/sh
case $1 in *yes/no*) echo yes ;; *) echo {SECRET} ;; esac
"""
TYPIST = {"HOME": "/root", "SSH_ASKPASS": ASKED, "SSH_ASKPASS_REQUIRE": "force"}
# What a Pacemaker logs that ends by such news.
ALLEGEDLY = "We were allegedly just fenced"
KEY_LINES = ("vm-stonith-key create", "scp -p /etc/pm_kvm_tools/stonith.key", "vm-stonith-key list")


class Typist(NamedTuple):
    """Somebody with a prompt on each host; left: the page's lines that are still to be typed."""

    lab: Lab
    left: list[Line]

    def type_to(self, beginning: str) -> None:
        """All lines before the next one that begins so."""
        while not str(self.left[0]).startswith(beginning):
            self.type_next()

    def type_next(self) -> str:
        """The next line; what it said, on the last host that it was typed on."""
        return self.type_line(self.left.pop(0))

    def type_line(self, line: Line) -> str:
        text, said = install_pages.in_the_lab(line).text, ""
        for host in self.lab.hosts:
            if line.whom in (host.name, "hosts"):
                said = type_in(host, text)
        return said


def type_in(host: Machine, text: str) -> str:
    """As root's shell takes it; what it said."""
    print(f"{host.name}# {text}")
    given = next((ANSWERS[one] for one in ANSWERS if text.startswith(one)), None)
    argv = ["env", "-C", "/root", "bash", "-ec", text]
    done = host.run(argv, timeout_s=LINE_S, stdin=given, environment=TYPIST)
    print(done.out + done.err)
    assert done.rc == 0, (host.name, text, done)
    return done.out


def test_from_bare_hosts_to_a_fence(lab: Lab) -> None:
    typist = Typist(lab, install_pages.typed())
    lab.clean()
    try:
        with bmcs(lab) as made, pcsd.running(lab.hosts), bare(lab):
            name_the_bmcs(lab, made)
            reach_each_other(typist)
            make_the_cluster(typist, made)
            guests = have_guests(typist)
            try:
                give_them_to_the_cluster(typist, guests)
                fence_a_guest(typist, guests)
            except BaseException:
                print(guests.picture())
                raise
        assert typist.left == []
    finally:
        lab.rebuild()


@contextlib.contextmanager
def bare(lab: Lab) -> Iterator[None]:
    """As hosts are that nobody has touched: none can log in to another one, root has a password,
    and libvirt-guests is enabled."""
    for host in lab.hosts:
        host.must(["systemctl", "enable", "libvirt-guests"])
        keep = "cp -a /etc/shadow /root/shadow.lab"
        host.must(["sh", "-ec", f"{keep}; echo root:{SECRET} | chpasswd; rm -rf /root/.ssh"])
        host.write(ASKED, ANSWER, "0755")
        ssh.also_password(host)
    try:
        yield
    finally:
        for host in lab.hosts:
            if not host.is_alive():
                lab.boot(host)
            host.must(["mv", "/root/shadow.lab", "/etc/shadow"])


def name_the_bmcs(lab: Lab, made: dict[str, Bmc]) -> None:
    """In each host's /etc/hosts, by the names that the page has."""
    named = "".join(f"{one.address} bmc{one.host.number}\n" for one in made.values())
    for host in lab.hosts:
        host.write("/etc/hosts", host.read("/etc/hosts") + named)


def reach_each_other(typist: Typist) -> None:
    """1: root's keys, from host1 by the page's lines and from host2 by the same."""
    host2 = typist.lab.hosts[1]
    before = [line for line in typist.left if "ssh" in line.text.split()[0]]
    assert len(before) == 3
    for line in before:
        assert typist.left[0] == line
        typist.type_next()
        type_in(host2, line.text.replace("host2", "host1"))


def make_the_cluster(typist: Typist, made: dict[str, Bmc]) -> None:
    """2: whoever made it of bare hosts has two hosts and no device, until the page has it."""
    lab = typist.lab
    host2 = lab.hosts[1]
    typist.type_to("host1# pcs resource defaults ")
    lab.cluster.wait_online()
    assert lab.status().resources == []
    typist.type_to("host1# pcs stonith fence host2")
    for host in lab.hosts:
        lab.cluster.wait_running(f"fence-{host.name}")
    loss = power.loses_power(lab, lambda: print(typist.type_next()), host2, power.FENCE_S)
    print(f"host2 is without power after {loss.took_s:.1f} s: {loss.orders}")
    try:
        power.comes_back(lab, host2, made["host2"], loss)
    except LabError:
        # A host of the lab boots before fence_ipmilan has seen that it has power. Its Pacemaker
        # then hears of its own fence, and ends.
        if ALLEGEDLY not in host2.read(LOG):
            raise
        host2.stop("corosync")
        lab.cluster.start([host2])
        lab.cluster.wait_online()


def have_guests(typist: Typist) -> GuestCluster:
    """3: guests without a channel that host2 does not know; guest1 runs, and guest2 does not."""
    lab = typist.lab
    host1, host2 = lab.hosts
    guests = without_channels(GuestCluster.planned(lab))
    for member in guests.members:
        lab.guests.define(member.guest, [host1])
    guests.hand_out()
    host2.must(["mkdir", "-p", guest_commands.DIRECTORY])
    running = guests.members[0].guest
    lab.guests.start(running, host1)
    lab.guests.run(running, ["true"], timeout_s=nested.BOOT_S)
    while not typist.left[0].text.startswith("systemctl "):
        line = typist.left[0]
        typist.type_next()
        if "guest1" in line.text:
            # For the other one as the page says it.
            text = line.text.replace("guest1", "guest2").replace(" --live", "")
            typist.type_line(line._replace(text=text))
    return guests


def without_channels(guests: GuestCluster) -> GuestCluster:
    """As guests are before anybody has read the page."""
    # What the lab runs in a guest knows its interface by the kernel's name.
    arguments = f"net.ifnames=0 {systemd.KERNEL_ARGUMENTS}"
    members = [
        one._replace(guest=one.guest._replace(has_channel=False, kernel_arguments=arguments))
        for one in guests.members
    ]
    return guests._replace(members=members, files=systemd.FILES)


def give_them_to_the_cluster(typist: Typist, guests: GuestCluster) -> None:
    """3, its end: the one that runs is taken over as it is."""
    lab = typist.lab
    guest1, guest2 = guests.members
    lives = lab.guests.processes(guest1.guest)
    assert len(lives) == 1
    typist.type_to("host1# vm-ctl resource list")
    for host in lab.hosts:
        assert host.run(["systemctl", "is-enabled", "libvirt-guests"]).out == "disabled\n"
    assert lab.guests.processes(guest1.guest) == lives
    listed = typist.type_next()
    lab.guests.run(guest2.guest, ["true"], timeout_s=nested.BOOT_S)
    for member in guests.members:
        lab.cluster.wait_running(member.resource, "host1")
        assert member.guest.name in listed


def fence_a_guest(typist: Typist, guests: GuestCluster) -> None:
    """4: the hosts' daemons by pcs, the key, the tokens; then guest1 fences guest2."""
    lab = typist.lab
    guest1, guest2 = guests.members
    type_in(lab.hosts[0], stonith.documented("pcs resource create prmVmConnectd"))
    stonith.wait_ready(lab)
    device = crm_device(tokens(lab))
    line = typist.left.pop(0)
    assert line.whom == "guests"
    asks = shlex.split(line.text)
    for member in guests.members:

        def runs(member: Registered = member) -> bool:
            return "Active: active (running)" in guests.ask(member, asks)

        # guest2 has been booting for a moment only.
        wait_until(runs, f"{line} in {member.guest.name}", nested.BOOT_S)
    argv = ["crm", "configure", "load", "update", "-"]
    done = lab.guests.run(guest1.guest, argv, timeout_s=GUEST_S, stdin=device)
    print(done)
    assert done.rc == 0
    guests.wait_well()
    line = typist.left.pop(0)
    assert line.whom == "guest1"
    (before,) = lab.guests.processes(guest2.guest)
    done = lab.guests.run(guest1.guest, shlex.split(line.text), timeout_s=LINE_S)
    assert done.rc == 0, done
    assert not before[1].is_alive()
    guests.wait_well()
    assert "all is well" in typist.type_next()


def tokens(lab: Lab) -> str:
    """The four lines of doc/fencing.md; the last is typed again while a host has no key yet."""
    lines = install_pages.lines(install_pages.page("fencing.md"))
    *before, last = [line for line in lines if "stonith" in line.text][:4]
    assert [line.text.startswith(one) for line, one in zip(before, KEY_LINES)] == [True] * 3
    for line in before:
        type_in(lab.hosts[0], line.text)
    asked = ["bash", "-ec", last.text.replace(",guest3", "")]
    wait_until(lambda: lab.hosts[0].run(asked).rc == 0, "all hosts have the key", stonith.KEY_S)
    return lab.hosts[0].must(asked)


def crm_device(text: str) -> str:
    """Of what vm-stonith-key has printed, the two lines for the guests' crmsh."""
    found = text.partition("# crm configure, fence_vm_stonith\n")[2].partition("\n\n")[0]
    assert found.startswith("primitive "), text
    return f"{found}\n"
