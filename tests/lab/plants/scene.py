# SPDX-License-Identifier: GPL-2.0-or-later
"""The cluster that vm-check finds nothing in: two hosts, three guests, fencing in and of guests.

guest1 runs on host1 and guest2 on host2, both with our packages for guests. guest3 is stopped, so
that its definitions can be changed at will.
"""

from __future__ import annotations

import contextlib
from typing import NamedTuple
from xml.etree.ElementTree import fromstring, tostring

from pmkvm.deadline import Deadline
from tests.lab.cluster import stonith
from tests.lab.cluster.cluster import POLL_S
from tests.lab.cluster.registration import Registered, register
from tests.lab.errors import LabError
from tests.lab.guests.fencing_guest import Ask
from tests.lab.guests.guests import IMAGES, Guest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from xml.etree.ElementTree import Element

    from tests.lab.hosts.machine import Machine
    from tests.lab.lab import Lab

# What the hosts' libvirt can look into: a directory that all share, and one that each has.
LOCAL = "/var/lib/lab-local"
POOLS = {"shared": IMAGES, "local": LOCAL}
ENABLED = "/etc/systemd/system/multi-user.target.wants/libvirt-guests.service"
ECHO_S = 120.0


class Scene(NamedTuple):
    """host1 is where vm-check is run."""

    lab: Lab
    guest1: Registered
    guest2: Registered
    guest3: Registered

    @property
    def guests(self) -> tuple[Registered, Registered, Registered]:
        return self.guest1, self.guest2, self.guest3

    @property
    def host1(self) -> Machine:
        return self.lab.hosts[0]

    @property
    def host2(self) -> Machine:
        return self.lab.hosts[1]


def make(lab: Lab) -> Scene:
    """From a clean lab."""
    let_stay(lab)
    for host in lab.hosts:
        host.must(["rm", "-f", ENABLED])
        host.must(["mkdir", "-p", LOCAL])
        for name, path in POOLS.items():
            ensure_pool(host, name, path)
    stonith.make_key(lab)
    stonith.load_daemons(lab, stonith.daemons("crm"))
    homes = zip(("full", "full", "small"), (*lab.hosts, lab.hosts[0]))
    guests = []
    for number, (kind, home) in enumerate(homes, start=1):
        guest = Guest(f"guest{number}", kind=kind)
        lab.guests.define(guest)
        guests.append(register(lab, guest, home, "-m", "on"))
    scene = Scene(lab, *guests)
    for one in (scene.guest1, scene.guest2):
        one.start()
    pair = [scene.guest1, scene.guest2]
    by_guest = tokens(lab, pair)
    for one, other in (pair, pair[::-1]):
        _wait_for_echo(one, other, by_guest[other.guest.name])
    lab.cluster.wait_idle()
    return scene


def let_stay(lab: Lab) -> None:
    """A guest that has moved stays there."""
    stick = ["crm_attribute", "-t", "rsc_defaults", "-n", "resource-stickiness", "-v", "INFINITY"]
    lab.hosts[0].must(stick)


def ensure_pool(host: Machine, name: str, path: str) -> None:
    if host.run(["virsh", "-q", "pool-info", name]).rc != 0:
        host.must(["virsh", "-q", "pool-define-as", name, "dir", "--target", path])
        host.must(["virsh", "-q", "pool-autostart", name])
    host.run(["virsh", "-q", "pool-start", name])
    host.must(["virsh", "-q", "pool-refresh", name])


@contextlib.contextmanager
def configuration(scene: Scene, change: Callable[[Element], None]) -> Iterator[None]:
    """The cluster's configuration is another for a while, by one write there and one back."""
    before = fromstring(scene.host1.must(["cibadmin", "--query", "--scope", "configuration"]))
    now = fromstring(tostring(before))
    change(now)
    _replace(scene, now)
    try:
        scene.lab.cluster.wait_idle()
        yield
    finally:
        _replace(scene, before)
        scene.lab.cluster.wait_idle()


def _replace(scene: Scene, configuration: Element) -> None:
    argv = ["cibadmin", "--replace", "--scope", "configuration", "--xml-pipe"]
    scene.host1.must(argv, stdin=tostring(configuration, encoding="unicode"))


@contextlib.contextmanager
def definition(one: Registered, change: Callable[[str], str], *hosts: Machine) -> Iterator[None]:
    """A guest's definition is another on these hosts for a while; on none, if it becomes empty."""
    name = one.guest.name
    before = {host: defined(host, name) for host in hosts}
    try:
        for host, text in before.items():
            _define(host, name, change(text))
        yield
    finally:
        for host, text in before.items():
            _define(host, name, text)


def defined(host: Machine, name: str) -> str:
    return host.must(["virsh", "dumpxml", "--inactive", "--security-info", name])


def _define(host: Machine, name: str, text: str) -> None:
    # Another uuid is another guest, whose name would be taken.
    host.run(["virsh", "-q", "undefine", name, "--keep-nvram"])
    if text:
        path = f"/run/lab/{name}.xml"
        host.write(path, text)
        host.must(["virsh", "-q", "define", path])


def tokens(lab: Lab, guests: list[Registered]) -> dict[str, str]:
    """Of each guest, for the others of these."""
    listed = stonith.sealed(lab, *(one.guest.name for one in guests)).splitlines()[1]
    return dict(entry.split(":", 1) for entry in listed.split())


def _wait_for_echo(one: Registered, other: Registered, token: str) -> None:
    """Until its vm-connectd has passed a question on to the host's vm-stonithd."""
    deadline = Deadline(ECHO_S)
    ask = Ask("status", other.guest.name, other.resource, token=token)
    while True:
        said: object = None
        # It may still be booting.
        with contextlib.suppress(LabError):
            said = answered = ask.begin(one.lab.guests, one.guest).answered()
            if answered.is_ok:
                return
        if deadline.expired():
            raise LabError(f"{one.guest.name} has no way to its host: {said}")
        deadline.pause(POLL_S)
