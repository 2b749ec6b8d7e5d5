# SPDX-License-Identifier: GPL-2.0-or-later
"""A cluster inside the guests: one guest at home on each host, corosync and Pacemaker in it, and a
service, the witness of double activity, on a disk that all of them may write."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple
from xml.etree.ElementTree import Element, ParseError, SubElement, fromstring, tostring

from pmkvm.deadline import Deadline
from tests.lab.cluster import corosync, stonith
from tests.lab.cluster.registration import Registered, register
from tests.lab.cluster.status import COMMAND, Status, parse
from tests.lab.errors import LabError
from tests.lab.guests import witness
from tests.lab.guests.full_image import OwnFile
from tests.lab.guests.guests import Guest
from tests.lab.hosts import network
from tests.lab.hosts.machine import SHARED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tests.lab.lab import Lab

BOOT_S = 180.0
ASK_S = 20.0
POLL_S = 0.5
MEMORY_MIB = 512
LOG = "/var/log/pacemaker/pacemaker.log"
CIB_FILE = "/var/lib/pacemaker/cib/cib.xml"
COMPILED = "/tmp/lab-guests-cib.xml"

# The guests are Debian 12's whatever their hosts are; a Pacemaker takes nothing from a later one.
GUESTS_SCHEMA, GUESTS_FEATURES = "pacemaker-3.9", "3.16.1"

SERVICE = "prmService"
PROGRAM = "lab-witness"
DISK = f"{SHARED}/witness.img"
DISK_XML = f"""    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/>
      <source file='{DISK}'/>
      <target dev='vdd' bus='virtio'/>
      <shareable/>
      <serial>{PROGRAM}</serial>
    </disk>
"""

# What any configuration has. The guests know of each other before Pacemaker starts, so nobody
# waits for a DC for long; a service that may move back would be stopped by each return; an
# emulated processor is always busy, at which Pacemaker does one thing at a time.
SETTINGS = f"""
pcs resource create {SERVICE} ocf:extra:vm-anything \\
  binfile=/usr/sbin/{PROGRAM} cmdline_options={PROGRAM} \\
  op start interval=0s timeout=60s monitor interval=5s timeout=60s stop interval=0s timeout=60s
pcs resource defaults update resource-stickiness=200
pcs property set dc-deadtime=2s load-threshold=1000%
"""

# After the kernel: as an administrator's units would, without waiting for systemd.
SERVICES = f"""#!/bin/sh
ip address add {{address}}/24 dev eth0
ip link set eth0 up
mkdir -p /run/corosync /var/log/cluster
install -d -o hacluster -g haclient /run/pacemaker /run/crm /var/log/pacemaker
chown -R hacluster:haclient /var/lib/pacemaker/cib
corosync -f &
until corosync-quorumtool -s || [ $? -eq 2 ]; do sleep .2; done >/dev/null 2>&1
PCMK_logfile={LOG} exec pacemakerd -f
"""

PICTURE = (
    ["crm_mon", "-1rfm3"],
    ["tail", "-n", "20", "/run/lab/services.log", "/var/log/cluster/corosync.log"],
    ["sh", "-c", f"grep -Ev '[[:space:]](info|debug): ' {LOG} | tail -n 60"],
)


class GuestCluster(NamedTuple):
    """guest1 at home on host1, guest2 on host2, and so on. files: more that each guest has."""

    lab: Lab
    members: list[Registered]
    files: Mapping[str, OwnFile] = {}

    @staticmethod
    def make(lab: Lab, shell: str = "crm") -> GuestCluster:
        """From a clean lab: guests are registered and stopped, their hosts take requests."""
        first = lab.hosts[0]
        first.must(["crm_attribute", "-t", "rsc_defaults", "-n", "resource-stickiness", "-v", "1"])
        stonith.load_daemons(lab, stonith.daemons(shell))
        stonith.make_key(lab)
        cluster = GuestCluster.define(lab)
        for member, host in zip(cluster.members, lab.hosts):
            register(lab, member.guest, host)
        return cluster

    @staticmethod
    def define(lab: Lab) -> GuestCluster:
        """Guests that the hosts' cluster does not know yet, one for each host."""
        cluster = GuestCluster.planned(lab)
        for member in cluster.members:
            lab.guests.define(member.guest)
        return cluster

    @staticmethod
    def planned(lab: Lab) -> GuestCluster:
        """As define, but no host has a definition of them yet."""
        witness.make(lab.guests.outside(DISK))
        guests = [
            Guest(
                f"guest{host.number}",
                kind="full",
                memory_mib=MEMORY_MIB,
                has_interface=True,
                devices=DISK_XML,
            )
            for host in lab.hosts
        ]
        return GuestCluster(lab, [Registered(lab, guest) for guest in guests])

    @property
    def names(self) -> list[str]:
        return [member.guest.name for member in self.members]

    def sealed(self) -> str:
        """What vm-stonith-key prints for this cluster."""
        return stonith.sealed(self.lab, *self.names)

    def start(self, *texts: str, pcs: str = "") -> None:
        """Boot all guests with a configuration, as hand_out has it; back when all is started."""
        self.hand_out(*texts, pcs=pcs)
        self.members[0].vm_ctl("resource", "start", ",".join(self.names))
        self.wait_well()

    def hand_out(self, *texts: str, pcs: str = "") -> None:
        """What the guests are to boot with, in crmsh's language, and then commands of pcs."""
        cib = self._compile(texts, pcs)
        for member in self.members:
            self._give(member, cib)

    def wait_well(self) -> None:
        """After all of them were booted, until all is started."""
        self.wait(self.is_well, "the guests' cluster is well", BOOT_S)
        self._keep()

    def reconfigure(self, *texts: str) -> None:
        """Another configuration for guests that run; back when all is started."""
        live = self._query()
        wanted = _part(fromstring(self._compile(texts)), "configuration")
        configuration = _part(live, "configuration")
        for element in list(configuration):
            # The others are not the administrator's alone, and do not differ.
            if element.tag not in ("nodes", "crm_config"):
                configuration.remove(element)
        configuration.extend(
            element for element in wanted if element.tag not in ("nodes", "crm_config")
        )
        argv = ["cibadmin", "--replace", "--scope", "configuration", "--xml-pipe"]
        done = self.lab.guests.run(
            self.members[0].guest,
            argv,
            timeout_s=ASK_S,
            stdin=tostring(configuration, encoding="unicode"),
        )
        if done.rc != 0:
            raise LabError(f"the guests' configuration is not replaced: {done.err}")
        names = {element.get("id", "") for element in wanted.iterfind(".//primitive")}
        self.wait(
            lambda now: names == {one.name for one in now.resources} and self.is_well(now),
            "the guests' cluster is well with another configuration",
            BOOT_S,
        )
        self._keep()

    def is_well(self, now: Status) -> bool:
        """All are online, and all that is configured runs: on one guest each, a clone on all."""
        nodes = [now.nodes.get(name) for name in self.names]
        return (
            now.has_quorum
            and all(node is not None and node.is_well for node in nodes)
            and SERVICE in {one.name for one in now.resources}
            and all(len(now.hosts_of(one.name)) == len(now.find(one.name)) for one in now.resources)
        )

    def ask(self, member: Registered, argv: Sequence[str]) -> str:
        """What a program in a guest prints, whatever its exit code."""
        return self.lab.guests.run(member.guest, argv, timeout_s=ASK_S).out

    def status(self, member: Registered | None = None) -> Status:
        """The guests' cluster, as one of them sees it."""
        return parse(self.ask(member or self.members[0], COMMAND))

    def wait(
        self,
        is_true: Callable[[Status], bool],
        what: str,
        timeout_s: float,
        member: Registered | None = None,
    ) -> Status:
        """Until what crm_mon says in a guest satisfies is_true; the error shows what it said."""
        deadline = Deadline(timeout_s)
        said: object = None
        while not deadline.expired():
            # A guest that boots, or whose Pacemaker starts, answers with no XML or not at all.
            try:
                said = now = self.status(member)
                if is_true(now):
                    return now
            except (LabError, ParseError) as error:
                said = error
            deadline.pause(POLL_S)
        raise LabError(f"not within {timeout_s:.0f} s: {what}\n{said}")

    def records(self) -> list[list[witness.Record]]:
        """All that the witness has written, by guest."""
        return witness.read(self.lab.guests.outside(DISK))

    def fences(self, member: Registered) -> list[str]:
        """What the fencer of a guest has logged of its devices, in this boot."""
        return self.ask(member, ["grep", "pacemaker-fenced.*Operation 'reboot'", LOG]).splitlines()

    def picture(self) -> str:
        """Each guest in its own words, for a test that failed."""
        parts = []
        for member in self.members:
            for argv in PICTURE:
                try:
                    said = self.ask(member, argv)
                except LabError as error:
                    said = str(error)
                parts.append(f"--- {member.guest.name}: {' '.join(argv)}\n{said}")
        return "\n".join(parts)

    def cut(self, name: str) -> None:
        """This guest loses all others, and they it; the hosts see each other."""
        network.unplug(self._link(name))

    def mend(self, name: str) -> None:
        network.plug(self._link(name))

    def _link(self, name: str) -> str:
        return network.guest_link(self.lab.hosts[self.names.index(name)].number)

    def _compile(self, texts: Sequence[str], pcs: str = "") -> str:
        """The CIB that crmsh makes of these, one after the other, and pcs of its own."""
        host = self.lab.hosts[0]
        empty = fromstring(host.must(["cibadmin", "--empty", GUESTS_SCHEMA]))
        nodes = _part(_part(empty, "configuration"), "nodes")
        for each in self.lab.hosts:
            SubElement(nodes, "node", id=str(each.number), uname=f"guest{each.number}")
        host.write(COMPILED, tostring(empty, encoding="unicode"))
        # The service first: a text may have rules for it.
        self._by_pcs(SETTINGS)
        # By force: agents that only the guests have are not known here.
        argv = ["crm", "--force", "configure", "load", "update", "-"]
        for text in texts:
            environment = {"CIB_file": COMPILED, "HOME": "/root"}
            done = host.run(argv, stdin=text, environment=environment, timeout_s=60)
            if done.rc != 0:
                raise LabError(f"crm does not load this: {done.err}{done.out}\n{text}")
        self._by_pcs(pcs)
        cib = fromstring(host.read(COMPILED))
        cib.set("crm_feature_set", GUESTS_FEATURES)
        return tostring(cib, encoding="unicode")

    def _by_pcs(self, commands: str) -> None:
        there = commands.replace("pcs ", f"pcs -f {COMPILED} --force ")
        self.lab.hosts[0].must(["sh", "-ec", there], timeout_s=120)

    def _query(self) -> Element:
        return fromstring(self.ask(self.members[0], ["cibadmin", "--query"]))

    def _keep(self) -> None:
        """A guest that boots has the configuration of now, as if its disk had kept it."""
        cib = self._query()
        for part in list(_part(cib, "status")):
            _part(cib, "status").remove(part)
        for member in self.members:
            self._give(member, tostring(cib, encoding="unicode"))

    def _give(self, member: Registered, cib: str) -> None:
        nodes = [
            corosync.Node(f"guest{host.number}", host.number, network.guest_address(host.number))
            for host in self.lab.hosts
        ]
        address = next(node.address for node in nodes if node.name == member.guest.name)
        program = Path(witness.__file__).read_text(encoding="utf-8")
        files = {
            **self.files,
            corosync.CONF: OwnFile(corosync.configuration("guests", nodes)),
            CIB_FILE: OwnFile(cib, 0o600),
            f"/usr/sbin/{PROGRAM}": OwnFile(program, 0o755),
            "/lab/services": OwnFile(SERVICES.format(address=address), 0o755),
        }
        self.lab.guests.give(member.guest, files)


def _part(cib: Element, name: str) -> Element:
    found = cib.find(name)
    if found is None:
        raise LabError(f"the guests' CIB has no {name}: {tostring(cib, encoding='unicode')}")
    return found
