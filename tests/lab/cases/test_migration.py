# SPDX-License-Identifier: GPL-2.0-or-later
"""The ways of a migration, each there and back: the guest never notices, and QEMU goes as told."""

from __future__ import annotations

import time
from typing import NamedTuple

import pytest

from tests.lab.cluster import agents
from tests.lab.guests.guests import Guest
from tests.lab.hosts import pki

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.lab.hosts.machine import Machine
    from tests.lab.lab import Lab
    from tests.ocf.agent import Called

pytestmark = pytest.mark.rotating(parts=8)

# It changes its memory faster than BUSY_MIB_S for ever.
BUSY = Guest(
    "guest1",
    power="deaf",
    script="head -c 8000000 /dev/urandom >/f; while :; do cat /f >/g; cat /f >/h; done",
)
BUSY_MIB_S = 16


# Hosts' names in it are their names and this.
NETWORK = "-mig"


class Way(NamedTuple):
    """How the memory goes; a long one is left out of the everyday run."""

    name: str
    is_long: bool = False
    options: Mapping[str, str] = {}


WAYS = (
    Way("native"),
    Way("p2p", options={"migration_mode": "p2p"}),
    Way("tunnelled", options={"migration_mode": "tunnelled"}),
    Way("tls", options={"migration_mode": "tls"}),
    Way("tls from libvirtd to libvirtd", is_long=True, options={"migration_mode": "p2p,tls"}),
    Way("downtime", is_long=True, options={"migration_downtime": "1000"}),
    Way("auto-converge", is_long=True, options={"migration_auto_converge": "yes"}),
    Way("in parallel", is_long=True, options={"migrate_options": "--parallel"}),
    Way("compressed", is_long=True, options={"migrate_options": "--compressed --verbose"}),
    Way("own address", is_long=True, options={"migrateuri": "tcp://%n:49999"}),
    Way("own network", options={"migration_network_suffix": NETWORK, "migrateport": "49998"}),
    Way("own uri", is_long=True, options={"remoteuri": "qemu+tcp://%n/system?no_tty=1"}),
    Way("own user", options={"migration_transport": "ssh", "migration_user": "root"}),
)


class Traveller(NamedTuple):
    """A guest that the ways share, and its boot."""

    lab: Lab
    guest: Guest
    boot: str

    def home(self) -> Machine:
        (name,) = self.lab.guests.hosts_of(self.guest)
        return self.lab.host(name)

    def go(
        self, parameters: Mapping[str, str], timeout_s: float = 30
    ) -> tuple[Called, Called | None]:
        """To the other host: what both actions ended with, None if there was no second one."""
        source = self.home()
        (target,) = self.lab.others(source)
        agent = agents.virtual_domain("extra", **parameters)
        told = agents.migration(source, target)
        left = agents.call(source, agent, "migrate_to", timeout_s, told)
        if left.rc != 0:
            return left, None
        return left, agents.call(target, agent, "migrate_from", timeout_s, told)


def begin(lab: Lab, guest: Guest) -> Traveller:
    lab.guests.clear()
    agents.forget(lab)
    lab.guests.place(guest, agents.CONFIG)
    started = agents.call(lab.hosts[0], agents.virtual_domain("extra"), "start", 60)
    assert started.rc == 0, started.err
    return Traveller(lab, guest, lab.guests.counter(guest).wait_for_boot(60).boot)


@pytest.fixture(scope="module")
def traveller(lab: Lab) -> Iterator[Traveller]:
    lab.clean()
    pki.install(lab.hosts)
    known = {host: host.read("/etc/hosts") for host in lab.hosts}
    for host, text in known.items():
        names = "".join(f"{one.address} {one.name}{NETWORK}\n" for one in lab.hosts)
        host.write("/etc/hosts", text + names)
    yield begin(lab, Guest("guest1", power="deaf"))
    for host, text in known.items():
        host.write("/etc/hosts", text)
    pki.remove(lab.hosts)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    is_full = metafunc.config.getoption("--lab-full")
    if "way" in metafunc.fixturenames:
        chosen = [way for way in WAYS if is_full or not way.is_long]
        metafunc.parametrize("way", chosen, ids=[way.name for way in chosen])
    if "postcopy" in metafunc.fixturenames:
        metafunc.parametrize("postcopy", ["no", "yes"] if is_full else ["yes"])


def test_every_way_keeps_the_boot(traveller: Traveller, way: Way) -> None:
    source = traveller.home()
    left, arrived = traveller.go(way.options)
    assert (left.rc, arrived and arrived.rc) == (0, 0), (left.err, arrived)
    assert traveller.home() != source
    counter = traveller.lab.guests.counter(traveller.guest)
    assert counter.is_ticking()
    assert counter.boots() == [traveller.boot]
    print(f"{way.name}: {left.seconds:.2f} s")


def test_bandwidth_is_kept(traveller: Traveller) -> None:
    """Its kernel and initramfs alone are more than this takes in so long."""
    left, _ = traveller.go({"migration_speed": "20"})
    assert left.rc == 0, left.err
    assert left.seconds > 2.5
    # It outlives the migration in libvirt; 0 is no limit of ours.
    traveller.home().must(["virsh", "-q", "migrate-setspeed", "guest1", "8192"])


def test_without_certificates_nothing_moves(traveller: Traveller) -> None:
    pki.remove(traveller.lab.hosts)
    source = traveller.home()
    try:
        left, _ = traveller.go({"migration_mode": "tls"})
    finally:
        pki.install(traveller.lab.hosts)
    assert left.rc == 1
    assert "stays here" in left.reasons[-1]
    assert traveller.home() == source
    assert traveller.lab.guests.counter(traveller.guest).is_ticking()


def test_guest_that_is_too_busy(lab: Lab, postcopy: str) -> None:
    """It stays, unless post-copy may take it along."""
    busy = begin(lab, BUSY)
    timeout_s = 20
    # What it changes for ever is there.
    time.sleep(3)
    parameters = {"migration_speed": str(BUSY_MIB_S), "migration_postcopy": postcopy}
    left, arrived = busy.go(parameters, timeout_s)
    print(lab.hosts[0].run(["grep", "guest1: ", agents.LOG]).out)
    assert left.seconds < timeout_s
    if postcopy == "yes":
        assert (left.rc, arrived and arrived.rc) == (0, 0), left.err
    else:
        assert left.rc == 1
        assert "stays here" in left.reasons[-1]
    assert busy.home() == lab.hosts[1 if postcopy == "yes" else 0]
    counter = lab.guests.counter(busy.guest)
    assert counter.is_ticking()
    assert counter.boots() == [busy.boot]
