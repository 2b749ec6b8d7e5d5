# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest whose channel to the host is unplugged and plugged in again while it runs."""

from __future__ import annotations

import json

import pytest

from tests.lab.cluster import stonith
from tests.lab.faults.situations import wait_until
from tests.lab.guests.guests import CHANNEL, live_channel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.lab.guests.pair import Pair
    from tests.lab.hosts.machine import Machine

pytestmark = pytest.mark.rotating(parts=3)

OTHER = """    <channel type='unix'>
      <source mode='bind'/>
      <target type='virtio' name='org.pmkvm.other'/>
    </channel>
"""
# As udev would: the guest's first process makes the names once only.
NAMES = """
for port in /sys/class/virtio-ports/*; do
    ln -sf "/dev/${port##*/}" "/dev/virtio-ports/$(cat "$port/name")"
done
"""
OPEN = "ls -l /proc/$(cat /run/lab/vm-connectd.pid)/fd"
PLUG_S = 30.0
GUEST_S = 30.0


def plug(pair: Pair, verb: str, channel: str) -> None:
    """verb is virsh's: attach-device or detach-device."""
    host, name = pair.lab.hosts[0], pair.requester.guest.name
    host.write("/run/lab/channel.xml", channel)
    host.must(["virsh", "-q", verb, name, "/run/lab/channel.xml", "--live"], timeout_s=PLUG_S)


def unplug(pair: Pair, port: str) -> None:
    plug(pair, "detach-device", live_channel(pair.lab.hosts[0], pair.requester.guest, port))


def is_known(host: Machine, resource: str) -> bool:
    """Whether vm-connectd there has a channel for it."""
    report = json.loads(host.must(["vm-connectd", "--status"]))
    return any(each["resource"] == resource for each in report["guests"])


def is_missed(host: Machine, resource: str) -> bool:
    """Whether vm-stonithd there says that it has none."""
    said = f'guest "{resource}" '
    return any(each.startswith(said) for each in problems(host))


def problems(host: Machine) -> list[str]:
    found: list[str] = json.loads(host.must(["vm-stonithd", "--status"]))["problems"]
    return found


def in_guest(pair: Pair, script: str) -> str:
    argv = ["sh", "-c", script]
    return pair.lab.guests.run(pair.requester.guest, argv, timeout_s=GUEST_S).out


@pytest.mark.parametrize("place", ["the same", "another"])
def test_guest_is_heard_again_when_its_channel_is_plugged_in(pair: Pair, place: str) -> None:
    host, resource = pair.lab.hosts[0], pair.requester.resource
    boots = pair.requester.counter.boots()
    before = in_guest(pair, "readlink /dev/virtio-ports/vmconnectd")
    pair.echo()
    unplug(pair, "vmconnectd")
    wait_until(lambda: not is_known(host, resource), "the channel is gone")
    wait_until(lambda: is_missed(host, resource), "vm-stonithd misses the channel")
    (missed,) = (each for each in problems(host) if resource in each)
    assert missed.endswith("can't ask for a fence: it has no channel named vmconnectd")
    wait_until(lambda: missed in host.on_disk(stonith.LOG), "vm-stonithd's log has it")
    if place == "another":
        # It gets the number that the other one had.
        plug(pair, "attach-device", OTHER)
    plug(pair, "attach-device", CHANNEL)
    in_guest(pair, NAMES)
    after = in_guest(pair, "readlink /dev/virtio-ports/vmconnectd")
    assert (after != before) is (place == "another")
    answered = pair.answer("status")
    print(f"{before.strip()} -> {after.strip()}: {answered}")
    assert answered.is_ok, answered
    opened = in_guest(pair, OPEN)
    assert f"-> {after.strip()}\n" in opened
    assert "(deleted)" not in opened
    wait_until(lambda: not is_missed(host, resource), "vm-stonithd misses it no more")
    if place == "another":
        unplug(pair, "org.pmkvm.other")
    boot = pair.place(pair.lab.hosts[1])
    assert pair.answer("reset").is_ok
    pair.returned(boot)
    assert pair.leftovers("Started", boots) == []
