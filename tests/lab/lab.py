# SPDX-License-Identifier: GPL-2.0-or-later
"""The whole lab: hosts with their network, storage, ssh, libvirt, fencing and cluster."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from pmkvm.errors import HaError
from tests.lab import state, tidy
from tests.lab.cluster import fencing
from tests.lab.cluster.cluster import Cluster
from tests.lab.cluster.fencing import Fencing
from tests.lab.errors import LabError
from tests.lab.guests.guests import Guests
from tests.lab.hosts import disks, hypervisor, install, network, ssh
from tests.lab.hosts import root as hosts_root
from tests.lab.hosts.machine import Machine
from tests.lab.hosts.process import detach
from tests.lab.state import State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from xml.etree.ElementTree import Element

    from tests.lab.cluster.status import Status


class Plan(NamedTuple):
    """What a lab is to be. root is a directory, or the name of one that was built and cached."""

    host_count: int = 2
    root: str = "/"
    rsc_defaults: str = "pacemaker"


class Lab:
    """A lab that is up. Its state is on disk: several processes may use it at once."""

    def __init__(self, made: State) -> None:
        self.state = made
        self.directory = made.directory
        numbers = range(1, made.host_count + 1)
        self.hosts = [Machine(made.directory, number, made.root) for number in numbers]
        self.cluster = Cluster(self.hosts, made.rsc_defaults)
        self.guests = Guests(made.directory, self.hosts)
        self.fencing = Fencing(made.directory)
        # What tests have made in it and share; gone when it is cleaned.
        self.shared: list[Any] = []

    @staticmethod
    def load() -> Lab:
        """The lab that is up."""
        made = state.load(state.directory())
        if made is None:
            raise LabError(f"no lab is up in {state.directory()}")
        return Lab(made)

    @staticmethod
    def up(plan: Plan) -> Lab:
        """Make a lab, after removing what an earlier one left; back when its cluster is online."""
        where = state.directory()
        plan = plan._replace(root=hosts_root.check(plan.root))
        state.clear(where)
        lab = Lab(_state(where, plan))
        lab.state.save()
        try:
            lab._make()
        except BaseException:
            # The logs are what explains it; the next up or down removes everything.
            lab._kill_all()
            raise
        return lab

    def down(self) -> None:
        state.clear(self.directory)

    def host(self, name: str) -> Machine:
        for host in self.hosts:
            if host.name == name:
                return host
        raise LabError(f"no host {name}: there are {', '.join(one.name for one in self.hosts)}")

    def others(self, host: Machine) -> list[Machine]:
        return [one for one in self.hosts if one != host]

    def boot(self, host: Machine) -> None:
        """Boot a dead host with all that starts at boot; back before the cluster has it online."""
        host.boot()
        _start_services(host)
        self.cluster.start([host])

    def boot_later(self, name: str) -> None:
        """Boot a host in a process of its own; it is recorded like all others."""
        log = os.path.join(self.directory, f"boot-{name}.log")
        argv = [sys.executable, "-m", "tests.lab", "boot", name]
        detach(_boot_pidfile(self.directory, name), log, argv, {"PMKVM_LAB_DIR": self.directory})

    def install(self, packages: str = "", flavour: str = "everything") -> None:
        """Install the project's packages of a directory on every host; by default those that were
        built last, of the flavour's kind."""
        chosen = install.FLAVOURS[flavour]
        install.stage(self.directory, packages or chosen.directory, chosen)
        _in_parallel(install.install, self.hosts)

    def clean(self) -> None:
        """Both hosts well, nothing but fencing configured, no guests; as after up, but faster."""
        self.shared.clear()
        try:
            tidy.tidy(self)
        except HaError as error:
            print(f"lab: cannot tidy up, so every host is booted anew: {error}")
            self.rebuild()

    def rebuild(self) -> None:
        """Kill all hosts and start over with a bare cluster; what is installed stays."""
        self._kill_all()
        self.fencing.repair()
        _in_parallel(Machine.boot, self.hosts)
        self._configure()
        tidy.remove_files(self)
        self.cluster.start()
        self._wait_until_well()
        self.guests.clear()

    @contextlib.contextmanager
    def another_host(self) -> Iterator[Machine]:
        """One more host, with all that the others have but a cluster; they know its name and its
        key. Guests may live there, too."""
        plan = Plan(self.state.host_count + 1, self.state.root, self.state.rsc_defaults)
        wider = Lab(_state(self.directory, plan))
        host, guests = wider.hosts[-1], self.guests
        wider.state.save()
        try:
            disks.mount(disks.of(host.home))
            ssh.make_key(os.path.join(self.directory, "keys"), host.name)
            host.boot()
            hypervisor.configure(host)
            for one in wider.hosts:
                _name(one, wider.hosts)
                ssh.configure(one, wider.hosts)
            _start_services(host)
            install.install(host)
            self.guests = wider.guests
            yield host
        finally:
            self.guests = guests
            host.kill()
            network.disconnect(host.number)
            disks.unmount(disks.of(host.home))
            shutil.rmtree(host.home, ignore_errors=True)
            for one in self.hosts:
                _name(one, self.hosts)
            self.state.save()

    def _make(self) -> None:
        for name in ("run", "shared", "fence"):
            os.makedirs(os.path.join(self.directory, name), exist_ok=True)
        disks.mount(self.state.mounts)
        for bridge in network.BRIDGES:
            network.ensure_bridge(bridge)
        self.fencing.start()
        ssh.make_keys(os.path.join(self.directory, "keys"), [host.name for host in self.hosts])
        self.guests.prepare()
        _in_parallel(Machine.boot, self.hosts)
        self._configure()
        self.cluster.start()
        self._wait_until_well()

    def _configure(self) -> None:
        def configure(host: Machine) -> None:
            _name(host, self.hosts)
            ssh.configure(host, self.hosts)
            hypervisor.configure(host)
            fencing.install(host)
            self.cluster.configure(host)
            _start_services(host)

        _in_parallel(configure, self.hosts)

    def _wait_until_well(self) -> None:
        self.cluster.wait_online(timeout_s=90)
        self.cluster.wait_running("fence")
        # On a host that starts, Pacemaker may ask the fencer before it can answer.
        self.cluster.forget_failures()

    def _kill_all(self) -> None:
        for host in self.hosts:
            host.kill()

    # What tests ask for most, in one word.

    def status(self) -> Status:
        return self.cluster.status()

    def cib(self) -> Element:
        return self.cluster.cib()


def _state(where: str, plan: Plan) -> State:
    numbers = range(1, plan.host_count + 1)
    links = (network.lab_link, network.guest_link, network.ring_link)
    wires = [make(number) for number in numbers for make in links]
    hosts = [Machine(where, number, plan.root) for number in numbers]
    return State(
        directory=where,
        host_count=plan.host_count,
        root=plan.root,
        rsc_defaults=plan.rsc_defaults,
        links=[*wires, *network.BRIDGES],
        namespaces=[network.namespace(number) for number in numbers],
        pidfiles=[
            Fencing(where).pidfile,
            *(_boot_pidfile(where, host.name) for host in hosts),
            *(host.pidfile for host in hosts),
        ],
        mounts=[path for host in hosts for path in disks.of(host.home)],
    )


def _boot_pidfile(directory: str, name: str) -> str:
    return os.path.join(directory, "run", f"boot-{name}.pid")


def _name(host: Machine, hosts: list[Machine]) -> None:
    lines = ["127.0.0.1 localhost", *(f"{one.address} {one.name}" for one in hosts)]
    host.write("/etc/hosts", "\n".join(lines) + "\n")
    host.write("/etc/hostname", f"{host.name}\n")
    host.write("/etc/machine-id", hypervisor.host_uuid(host).replace("-", "") + "\n", "0444")


def _start_services(host: Machine) -> None:
    ssh.start(host)
    hypervisor.start(host)


def _in_parallel(act: Callable[[Machine], None], hosts: Iterable[Machine]) -> None:
    chosen = list(hosts)
    with ThreadPoolExecutor(len(chosen)) as pool:
        list(pool.map(act, chosen))
