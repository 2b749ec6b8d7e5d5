# SPDX-License-Identifier: GPL-2.0-or-later
"""VirtualDomain's parameters for what is around a guest: each does on a host what it says.

Those of a migration are in test_migration.py, snapshot is in test_snapshot.py, a changed definition
in test_config_sync.py, what a guest is when its disk is full in the table of truth.
"""

from __future__ import annotations

import re

import pytest

from tests.lab.cluster import agents
from tests.lab.cluster.agents import RESOURCE, call, virtual_domain
from tests.lab.cluster.cib import primitive
from tests.lab.faults.situations import wait_until
from tests.lab.guests.guests import IMAGES, Guest
from tests.lab.guests.lone_guest import LoneGuest, lone_guest
from tests.lab.hosts.network import HOST_GUEST_BRIDGE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.lab import Lab

pytestmark = pytest.mark.rotating(parts=6)

BASE, OVERLAY = f"{IMAGES}/base.raw", f"{IMAGES}/guest1.qcow2"
BASE_MIB = 1
# Says what it finds at the beginning of its disk, and writes there.
NOTES = Guest(
    "guest1",
    script="echo FOUND $(head -c 4 /dev/vda); printf kept | dd of=/dev/vda conv=fsync; echo WROTE",
    devices=f"""    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2'/>
      <source file='{OVERLAY}'/>
      <target dev='vda' bus='virtio'/>
    </disk>
""",
)
NETWORK, POOL, VOLUME = "labnet", "labpool", "labvolume"
POOL_DIRECTORY = f"{IMAGES}/{POOL}"
NEEDY = Guest(
    "guest1",
    devices=f"""    <interface type='network'><source network='{NETWORK}'/></interface>
    <disk type='volume' device='disk'>
      <source pool='{POOL}' volume='{VOLUME}'/>
      <target dev='vda' bus='virtio'/>
    </disk>
""",
)
NETWORK_XML = f"""<network>
  <name>{NETWORK}</name><forward mode='bridge'/><bridge name='{HOST_GUEST_BRIDGE}'/>
</network>
"""
POOL_XML = f"""<pool type='dir'>
  <name>{POOL}</name><target><path>{POOL_DIRECTORY}</path></target>
</pool>
"""
AGENT_CHANNEL = """    <channel type='unix'>
      <target type='virtio' name='org.qemu.guest_agent.0'/>
    </channel>
"""
OPEN = "exec 3<>/dev/virtio-ports/org.qemu.guest_agent.0"
# What libvirt asks: guest-sync, whose number is to be given back, and guest-ping. It takes the
# other end when the port has been opened; until then there is nothing to be read.
ANSWER = (
    "while :; do read -r asked <&3 || { sleep 1; continue; }; n=$(echo $asked | tr -cd 0-9);"
    " [ $n ] || n={}; printf '{\\042return\\042:%s}\\n' $n >&3; done"
)
CHECK, VERDICTS = "/usr/local/bin/lab-check", "/run/lab-verdicts"
# Fails as often as the file has lines, and says of whom it was asked.
CHECK_TEXT = f"""#!/bin/sh
echo "$DOMAIN_NAME" >>{VERDICTS}.asked
[ -s {VERDICTS} ] || exit 0
sed -i 1d {VERDICTS}
exit 1
"""


@pytest.fixture(scope="module")
def bare(lab: Lab) -> Lab:
    lab.clean()
    return lab


@pytest.fixture
def place(bare: Lab) -> Iterator[LoneGuest]:
    """The plain guest."""
    yield lone_guest(bare, Guest("guest1"))
    bare.guests.clear()
    agents.forget(bare)


def test_who_does_not_hear_the_first_way_hears_the_next_at_once(place: LoneGuest) -> None:
    """No guest agent is in it, so libvirt refuses that way."""
    asked = virtual_domain("extra", shutdown_mode="agent,acpi", shutdown_resend="0")
    place.start(asked)
    # Nobody hears the first way later, and it would be destroyed after some 25 s.
    assert place.stop(asked) < 20
    assert "POWERBUTTON" in place.counter.console()


def test_a_deaf_guest_is_destroyed_when_the_margin_begins(bare: Lab) -> None:
    deaf = lone_guest(bare, Guest("guest1", power="deaf"))
    agent = virtual_domain("extra", destroy_margin="25")
    deaf.start(agent)
    # Of the 40 s of the stop it would have 26, and has 15 less the stop's own.
    assert 10 < deaf.stop(agent) < 25


def test_a_disk_over_another_image_is_kept_or_made_anew(bare: Lab) -> None:
    noted = lone_guest(bare, NOTES)
    zeros = ["dd", "if=/dev/zero", f"of={BASE}", "bs=1M", f"count={BASE_MIB}"]
    noted.home.must([*zeros, "status=none"])
    noted.home.must(["rm", "-f", OVERLAY])
    found = [note(noted, *life) for life in ((1, "no"), (2, "no"), (3, "yes"))]
    assert found == ["", "kept", ""]
    # The image itself is never written.
    assert noted.home.run(["cmp", "-n", str(BASE_MIB << 20), BASE, "/dev/zero"]).rc == 0


def note(noted: LoneGuest, number: int, stateless: str) -> str:
    """What the guest has found in this life of it."""
    agent = virtual_domain("extra", backingfile=BASE, stateless=stateless)
    noted.start(agent)
    wait_until(lambda: noted.counter.console().count("WROTE") == number, "its note")
    noted.stop(agent)
    said: list[str] = re.findall(r"FOUND(.*)", noted.counter.console())
    return said[-1].strip()


def test_networks_and_pools_are_started_on_both_hosts(bare: Lab) -> None:
    needy = lone_guest(bare, NEEDY)
    plain = virtual_domain("extra")
    # Without the option libvirt moves no local disk; the lab's directory is the same for all hosts.
    agent = virtual_domain("extra", start_resources="yes", migrate_options="--unsafe")
    host1, host2 = bare.hosts
    host1.must(["mkdir", "-p", POOL_DIRECTORY])
    host1.must(["truncate", "-s", "1M", f"{POOL_DIRECTORY}/{VOLUME}"])
    for host in bare.hosts:
        for kind, xml in (("net", NETWORK_XML), ("pool", POOL_XML)):
            host.write(f"/tmp/lab-{kind}.xml", xml)
            host.must(["virsh", "-q", f"{kind}-define", f"/tmp/lab-{kind}.xml"])
    try:
        without = call(host1, plain, "start")
        assert without.rc == 1
        assert POOL in without.err or NETWORK in without.err
        boot = needy.start(agent)
        told = agents.migration(host1, host2)
        left = call(host1, agent, "migrate_to", 40, told)
        assert left.rc == 0, left.err
        for host in bare.hosts:
            assert NETWORK in host.must(["virsh", "-q", "net-list", "--name"])
            assert POOL in host.must(["virsh", "-q", "pool-list", "--name"])
        assert needy.counter.boots() == [boot]
    finally:
        bare.guests.clear()
        for host in bare.hosts:
            for kind, name in (("net", NETWORK), ("pool", POOL)):
                host.run(["virsh", "-q", f"{kind}-destroy", name])
                host.must(["virsh", "-q", f"{kind}-undefine", name])


def test_scripts_are_waited_for_at_the_start_and_heard_by_a_monitor(place: LoneGuest) -> None:
    place.home.write(CHECK, CHECK_TEXT, "0755")
    place.home.write(VERDICTS, "no\nno\n")
    place.home.must(["rm", "-f", f"{VERDICTS}.asked"])
    agent = virtual_domain("extra", monitor_scripts=CHECK)
    place.start(agent)
    assert place.home.read(f"{VERDICTS}.asked").split() == ["guest1"] * 3
    assert call(place.home, agent, "monitor").rc == 0
    place.home.write(VERDICTS, "no\n")
    failed = call(place.home, agent, "monitor")
    assert failed.rc == 1
    assert CHECK in failed.reasons[-1]
    assert call(place.home, agent, "monitor").rc == 0


@pytest.mark.parametrize(
    ("script", "rc"),
    [(f"{OPEN}; {ANSWER}", 0), (f"{OPEN}; sleep 999", 1), ("", 190)],
    ids=["answers", "silent", "not there"],
)
def test_the_guest_agent_is_asked_at_depth_20(bare: Lab, script: str, rc: int) -> None:
    place = lone_guest(bare, Guest("guest1", devices=AGENT_CHANNEL, script=script))
    agent = virtual_domain("extra")
    place.start(agent)

    def asked(level: str) -> int:
        return call(place.home, agent, "monitor", more={"OCF_CHECK_LEVEL": level}).rc

    wait_until(lambda: asked("20") == rc, f"{rc} of a monitor")
    assert asked("10") == 0
    place.stop(virtual_domain("extra", force_stop="yes"))


def test_utilization_is_written_when_it_differs_and_removed_on_request(place: LoneGuest) -> None:
    home = place.home
    place.lab.cluster.add(primitive(RESOURCE, "ocf:pacemaker:Dummy"))
    names = ("cpu", "host_memory", "hv_memory")
    on = {f"autoset_utilization_{name}": "yes" for name in names}
    off = {f"autoset_utilization_{name}": "no" for name in names}
    agent = virtual_domain("extra", **on)
    place.start(agent)
    assert utilization(place.lab) == {"cpu": "1", "host_memory": "128", "hv_memory": "128"}
    epoch = place.lab.cib().get("epoch")
    more = {"OCF_CHECK_LEVEL": "10"}
    assert call(home, agent, "monitor", more=more).rc == 0
    assert place.lab.cib().get("epoch") == epoch
    argv = ["crm_resource", "-r", RESOURCE, "-z", "-p", "cpu", "-v", "7"]
    home.must(argv)
    assert call(home, agent, "monitor").rc == 0
    assert utilization(place.lab)["cpu"] == "7"
    assert call(home, agent, "monitor", more=more).rc == 0
    assert utilization(place.lab)["cpu"] == "1"
    gone = virtual_domain("extra", **{**off, "unset_utilization_cpu": "yes"})
    assert call(home, gone, "reload-agent").rc == 0
    assert utilization(place.lab) == {"host_memory": "128", "hv_memory": "128"}


def utilization(lab: Lab) -> dict[str, str]:
    path = f"./configuration/resources/primitive[@id='{RESOURCE}']/utilization/nvpair"
    return {one.get("name", ""): one.get("value", "") for one in lab.cib().iterfind(path)}
