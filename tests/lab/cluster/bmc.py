# SPDX-License-Identifier: GPL-2.0-or-later
"""A BMC for each host of the lab, and ipmitool in the hosts.

It is OpenIPMI's simulator, which speaks IPMI on the hosts' second network, outlives its host, and
knows and switches nothing but that host's power.
"""

from __future__ import annotations

import contextlib
import dataclasses
import glob
import json
import os
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

from pmkvm.files import read_text
from tests.lab.cluster.fencing import paths
from tests.lab.hosts import ipmitool, network, unpacked
from tests.lab.hosts.process import detach, read_pidfile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.hosts.machine import Machine
    from tests.lab.lab import Lab

CHASSIS = str(Path(__file__).with_name("bmc_chassis.py"))
# As the slides print them.
USER, PASSWORD = "IPMIUser", "passwd"
# With its library. It runs on this machine.
SIMULATOR = ("openipmi", "libopenipmi0")

CONFIGURATION = """
name "{host}"
set_working_mc 0x20
startlan 1
  addr {address} 623
  priv_limit admin
  allowed_auths_admin md5
  guid {guid}
endlan
chassis_control "{chassis}"
user 2 true "{user}" "{password}" admin 10 md5
"""
# One management controller, the BMC itself, with nothing beside it.
COMMANDS = """
mc_setbmc 0x20
mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02
mc_enable 0x20
"""


class Switched(NamedTuple):
    """One order to a BMC (off, reboot, boot), and what came of it."""

    host: str
    order: str
    answer: str


class Bmc(NamedTuple):
    """The BMC of one host."""

    host: Machine
    unpacked: str

    @property
    def address(self) -> str:
        return network.bmc_address(self.host.number)

    @property
    def pidfile(self) -> str:
        return os.path.join(self.host.directory, "run", f"bmc-{self.host.name}.pid")

    def start(self) -> None:
        home = os.path.join(self.host.directory, "bmc", self.host.name)
        os.makedirs(os.path.join(home, "state"), exist_ok=True)
        chassis = [sys.executable, "-I", CHASSIS, paths(self.host.directory).socket]
        values = {
            "host": self.host.name,
            "address": self.address,
            "guid": f"{self.host.number:032x}",
            "chassis": " ".join([*chassis, _log(self.host.directory), self.host.name]),
            "user": USER,
            "password": PASSWORD,
        }
        for name, text in (("conf", CONFIGURATION.format(**values)), ("commands", COMMANDS)):
            with open(os.path.join(home, name), "w", encoding="ascii") as file:
                file.write(text)
        (library,) = glob.glob(f"{self.unpacked}/usr/lib/*/libIPMIlanserv.so.0")
        simulator = f"{self.unpacked}/usr/bin/ipmi_sim"
        options = ["-n", "-c", f"{home}/conf", "-f", f"{home}/commands", "-s", f"{home}/state"]
        inside = ["ip", "netns", "exec", network.BMC_NAMESPACE]
        argv = [*inside, simulator, *options]
        detach(self.pidfile, f"{home}/log", argv, {"LD_LIBRARY_PATH": os.path.dirname(library)})

    def stop(self) -> None:
        """It is dead, as by a loss of its own power; one that does not run is no error."""
        process = read_pidfile(self.pidfile)
        if process is not None:
            process.kill()


@contextlib.contextmanager
def bmcs(lab: Lab) -> Iterator[dict[str, Bmc]]:
    """One for each host, by its name; the hosts have ipmitool from then on."""
    simulator = unpacked.ensure("/", SIMULATOR[0], ipmitool.codename("/"), SIMULATOR)
    tool = ipmitool.ensure(lab.state.root)
    made = {host.name: Bmc(host, simulator) for host in lab.hosts}
    # Whatever ends this process, the lab's end removes them.
    now = lab.state
    dataclasses.replace(
        now,
        links=[*now.links, network.BMC_LINK],
        namespaces=[*now.namespaces, network.BMC_NAMESPACE],
        pidfiles=[*now.pidfiles, *(one.pidfile for one in made.values())],
    ).save()
    shutil.rmtree(os.path.dirname(_log(lab.directory)), ignore_errors=True)
    try:
        network.connect_bmcs(host.number for host in lab.hosts)
        ipmitool.install(lab.hosts, tool)
        for one in made.values():
            one.start()
        yield made
    finally:
        for one in made.values():
            one.stop()
        network.disconnect_bmcs()
        lab.state.save()


def switched(lab: Lab) -> list[Switched]:
    """All that the BMCs were told to switch since they are there, the first one first."""
    text = read_text(_log(lab.directory)) or ""
    return [Switched(*json.loads(line)) for line in text.splitlines()]


def _log(directory: str) -> str:
    return os.path.join(directory, "bmc", "switched.jsonl")
