# SPDX-License-Identifier: GPL-2.0-or-later
"""The slides of 2011 from the first page to the last, by the texts of doc/from-2011.md, as somebody
with crmsh types them, and somebody with pcs.

In the page's order: what is installed, the cluster, appendix A, the clones, vm-ctl.conf, the
channel, vm-ctl, the tokens, appendix B, and each appendix up to a real fence. What one page of the
slides promises in detail has tests of its own: test_vm_ctl_slides.py, test_appendix_a.py,
test_split_brain.py, test_guests_leave.py, and test_guest_systemd.py for the guests' unit. The
guests are Debian 12's without ping, so that their own clone of ping is left out.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from pmkvm.pacemaker import attributes
from tests.lab.cluster import power, slides, stonith
from tests.lab.cluster.bmc import bmcs
from tests.lab.cluster.registration import CONFIGURATION
from tests.lab.faults.situations import wait_until
from tests.lab.guests import nested
from tests.lab.guests.nested import GuestCluster
from tests.lab.guests.split_brain import SplitBrain, Tried
from tests.lab.hosts import network
from tests.lab.hosts.process import CHECKOUT
from tests.unit.vmctl import world

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.lab.cluster.bmc import Bmc
    from tests.lab.hosts.machine import Machine
    from tests.lab.lab import Lab

pytestmark = pytest.mark.rotating(parts=16)

PAGE = "from-2011.md"
PAGE_TEXT = Path(CHECKOUT, "doc", PAGE).read_text(encoding="utf-8")
OF_MANAGERD = "vm-managerd.md"
PROGRAMS = ("vm-ctl", "vm-connect", "vm-connectd", "vm-stonithd", "vm-stonith-key", "vm-managerd")
AGENTS = ("extra/VirtualDomain", "extra/vm-anything", "extra/diskd", "pacemaker/diskd")
CONF, KEY = "/run/lab-corosync.conf", "/run/lab-authkey"
# The slides' line, among the parameters of vm-stonithd.
OLD_TOKENS = "cmdline_options=\"-c 'openssl des-ede3 -d -base64 -k vmstonith' -i\""
MANAGERD_KEY = "vm_managerd1=(clnVmManagerd operator_check_status)\n"
# What the rules of the guests ask for.
WELL = {"default_ping_set": "100", "diskcheck_status": "normal", "operator_check_status": "normal"}
WELL_S = 90.0


def page(beginning: str, changes: Mapping[str, str] = {}, name: str = PAGE) -> str:
    """A text to paste, with what it leaves to the reader."""
    text = stonith.documented(beginning, name)
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


def by_crm(host: Machine, text: str) -> None:
    host.write("/tmp/slide.crm", text)
    host.must(["crm", "configure", "load", "update", "/tmp/slide.crm"], timeout_s=120)


def by_pcs(host: Machine, text: str) -> None:
    host.must(["sh", "-ec", text], timeout_s=180)


def openssl_token(lab: Lab, guest: str) -> str:
    """As printed."""
    shell = f'echo "prmVMCTL_{guest}" | openssl des-ede3 -e -base64 -k vmstonith 2>/dev/null'
    return lab.hosts[0].must(["sh", "-c", shell]).strip()


def sealed_token(lab: Lab, guest: str) -> str:
    hostlist = stonith.sealed(lab, "guest1", "guest2").splitlines()[1]
    return dict(entry.split(":", 1) for entry in hostlist.split())[guest]


class Shell(NamedTuple):
    """How a person types: the shell that the hosts have not, how the text of a page is loaded, how
    each text begins, what keeps a moved guest where it is, and how tokens are made. tried: the
    devices of a guest that is fenced."""

    absent: str
    load: Callable[[Machine, str], None]
    fencing: Callable[[Lab, dict[str, Bmc]], None]
    beginning: str
    daemons: Mapping[str, str]
    sticky: str
    token: Callable[[Lab, str], str]
    tried: Callable[[str], list[Tried]]


SHELLS = {
    "crm": Shell(
        "pcs",
        by_crm,
        power.as_crm,
        "primitive ",
        {'binfile="/usr/sbin/vm-stonithd" \\': f'binfile="/usr/sbin/vm-stonithd" {OLD_TOKENS} \\'},
        "crm configure rsc_defaults resource-stickiness=INFINITY",
        openssl_token,
        lambda fenced: [Tried(f"helper-{fenced}", 1), Tried(f"vm-stonith-{fenced}", 0)],
    ),
    "pcs": Shell(
        "crm",
        by_pcs,
        power.as_pcs,
        "pcs resource create ",
        {},
        "pcs resource defaults update resource-stickiness=INFINITY",
        sealed_token,
        lambda fenced: [Tried(f"vm-stonith-{fenced}", 0)],
    ),
}


@pytest.mark.parametrize("name", SHELLS)
def test_from_the_first_page_to_the_last(lab: Lab, name: str) -> None:
    shell = SHELLS[name]
    lab.clean()
    with bmcs(lab) as made, slides.configured(lab):
        try:
            guests = GuestCluster.define(lab)
            with slides.without(lab, shell.absent):
                install(lab)
                make_the_cluster(lab)
                shell.fencing(lab, made)
                prepare_the_hosts(lab, shell)
                have_a_channel(guests)
                use_vm_ctl(guests)
            fence_a_guest(guests, shell)
            with slides.without(lab, shell.absent):
                put_away(guests)
            lose_a_host(guests, made)
        except BaseException:
            print(guests.picture())
            raise
        finally:
            lab.clean()
            lab.hosts[0].run(["ip", "address", "delete", f"{slides.GATEWAY}/32", "dev", "eth0"])


def install(lab: Lab) -> None:
    """4-1: what the packages bring."""
    for host in lab.hosts:
        for program in PROGRAMS:
            host.must(["sh", "-c", f"command -v {program}"])
        for agent in AGENTS:
            host.must(["test", "-x", f"/usr/lib/ocf/resource.d/{agent}"])


def make_the_cluster(lab: Lab) -> None:
    """4-1: the page's corosync.conf, and what crm_mon says of a cluster that has begun."""
    host1, host2 = lab.hosts
    host1.must(["corosync-keygen", "-l", "-k", KEY])
    changes = {"totem {": f"totem {{\n  keyfile: {KEY}"}
    for host, number in ((host1, 1), (host2, 2)):
        changes[f"192.0.2.{number}"] = host.address
        changes[f"198.51.100.{number}"] = host.ring_address
    host1.write(CONF, page("totem {", changes))
    host1.must(["corosync", "-t", "-c", CONF])
    said = host1.must(["crm_mon", "-1"])
    assert "Stack: corosync" in said
    assert "Online: [ host1 host2 ]" in said


def prepare_the_hosts(lab: Lab, shell: Shell) -> None:
    """4-2: the clones, and vm-ctl.conf as printed."""
    host1 = lab.hosts[0]
    slides.prepare(lab)
    # A gateway that outlives host2.
    host1.must(["ip", "address", "replace", f"{slides.GATEWAY}/32", "dev", "eth0"])
    watched = {"192.168.xxx.xxx": slides.GATEWAY, "/dev/sda": slides.DISK}
    shell.load(host1, page(f"{shell.beginning}pingCheck", watched))
    daemons = page(f"{shell.beginning}prmVmConnectd", shell.daemons)
    shell.load(host1, stonith.with_logs(daemons))
    shell.load(host1, page(f"{shell.beginning}prmVmManagerd", name=OF_MANAGERD))
    assert shell.sticky in " ".join(PAGE_TEXT.split())
    host1.must(shell.sticky.split(), timeout_s=60)
    stonith.wait_ready(lab)
    stonith.make_key(lab)
    conf = (world.DATA / "slides.conf").read_text(encoding="utf-8") + MANAGERD_KEY
    for host in lab.hosts:
        host.write(CONFIGURATION, conf)
    for name, value in WELL.items():
        argv = ["attrd_updater", "--query", "--all", "--name", name]

        def is_well(argv: list[str] = argv, name: str = name, value: str = value) -> bool:
            found = attributes.parse(host1.run(argv).out, name)
            return found == {host.name: value for host in lab.hosts}

        wait_until(is_well, f"{name} is {value} on each host", WELL_S)


def have_a_channel(guests: GuestCluster) -> None:
    """4-2: as the page has it, in each guest's definition."""
    channel = PAGE_TEXT.partition("```xml\n")[2].partition("```")[0]
    for member in guests.members:
        assert squeezed(channel) in squeezed(member.guest.xml())


def squeezed(xml: str) -> str:
    return "".join(xml.split())


def use_vm_ctl(guests: GuestCluster) -> None:
    """5: as printed; the guests have no cluster yet."""
    lab = guests.lab
    guest1, guest2 = guests.members
    slides.type_in(lab, "vm-ctl resource add guest1, guest2 -a host1")
    for name in guests.names:
        differ = slides.deviations(name)
        as_printed = slides.printed(name) - set(differ) | set(differ.values())
        found = slides.objects(lab, name)
        assert as_printed - found == set()
        others = found - as_printed
        assert others != set()
        assert all("clnVmManagerd" in one or "operator_check_status" in one for one in others)
    slides.type_in(lab, "vm-ctl resource start guest1, guest2")
    boots = [one.counter.wait_for_boot(nested.BOOT_S).boot for one in guests.members]
    assert [guest1.hosts(), guest2.hosts()] == [["host1"], ["host1"]]
    # vm-ctl.conf as printed: it stops here and boots there.
    slides.type_in(lab, "vm-ctl resource move guest2 -n host2")
    guest2.counter.wait_for_boot(nested.BOOT_S, other_than=boots[1])
    assert [guest1.hosts(), guest2.hosts()] == [["host1"], ["host2"]]
    before = slides.objects(lab, "guest2")
    slides.type_in(lab, "vm-ctl location move guest2")
    act = "location locVMCTL_guest2_{0}_ACT prmVMCTL_guest2 200: {0}"
    assert before ^ slides.objects(lab, "guest2") == {act.format("host1"), act.format("host2")}


def fence_a_guest(guests: GuestCluster, shell: Shell) -> None:
    """4-3 and appendix B: a cluster of the guests that splits, while the hosts are well."""
    changes = {f"{name}:TOKEN": f"{name}:{shell.token(guests.lab, name)}" for name in guests.names}
    if shell.absent == "pcs":
        changes["192.168.xxx.xxx"] = network.guest_address(1)
        changes["192.168.xxx.zzz"] = network.guest_address(2)
        changes["guest_resource1"] = nested.SERVICE
        # An emulated processor needs half of these ten seconds for one status.
        changes['monitor interval="10s"'] = 'monitor interval="60s"'
        guests.hand_out(page("primitive helper-guest1", changes))
    else:
        guests.hand_out(pcs=page("pcs stonith create vm-stonith-guest1", changes))
    slides.type_in(guests.lab, "vm-ctl resource stop guest1, guest2")
    slides.type_in(guests.lab, "vm-ctl resource start guest1, guest2")
    guests.wait_well()
    split = SplitBrain(guests)
    cycle = split.run("the slides")
    print(cycle)
    assert split.wrong(cycle) == []
    assert split.tried == shell.tried(cycle.fenced)


def put_away(guests: GuestCluster) -> None:
    """5, its last pages: nothing of guest2 is left in the cluster, and it can be had again."""
    lab = guests.lab
    slides.type_in(lab, "vm-ctl resource stop guest1, guest2")
    assert [one.hosts() for one in guests.members] == [[], []]
    slides.type_in(lab, "vm-ctl resource delete guest2")
    assert slides.objects(lab, "guest2") == set()
    for host in lab.hosts:
        assert "guest2" in host.must(["virsh", "list", "--all", "--name"]).split()


def lose_a_host(guests: GuestCluster, bmc_of: dict[str, Bmc]) -> None:
    """Appendix A: neither host hears the other one; the one without guest1 loses its power."""
    lab, guest1 = guests.lab, guests.members[0]
    host1, host2 = lab.hosts
    # The console is a file that outlives its guest.
    earlier = guest1.counter.boots()
    guest1.start()
    boot = guest1.counter.wait_for_boot(nested.BOOT_S, other_than=earlier[-1]).boot
    loss = power.loses_power(lab, host1.cut, host2, power.FENCE_S)
    print(f"host2 is without power after {loss.took_s:.1f} s: {loss.orders}")
    power.seen_by(lab, host1).wait_running(guest1.resource, "host1")
    host1.heal()
    power.comes_back(lab, host2, bmc_of["host2"], loss)
    assert guest1.hosts() == ["host1"]
    assert guest1.counter.boots() == [*earlier, boot]
    assert guest1.counter.is_ticking()
