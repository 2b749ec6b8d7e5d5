# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests of the lab: their domain XML, where their QEMUs really are, starting and destroying."""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from pathlib import Path
from typing import NamedTuple
from xml.etree.ElementTree import fromstring, tostring
from xml.sax.saxutils import escape

from tests.lab.errors import LabError
from tests.lab.guests import full_image, guest_commands, guest_image
from tests.lab.guests.counter import Counter
from tests.lab.guests.guest_commands import Command
from tests.lab.hosts import hypervisor, install
from tests.lab.hosts.machine import SHARED
from tests.lab.hosts.network import HOST_GUEST_BRIDGE
from tests.lab.hosts.process import Process, every, identify

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pmkvm.run import Completed
    from tests.lab.guests.full_image import OwnFile
    from tests.lab.hosts.machine import Machine

IMAGES = f"{SHARED}/images"

# Emulated in software: /dev/kvm may exist on a machine and still hang a guest at boot.
DOMAIN = """<domain type='qemu'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <memory unit='MiB'>{memory_mib}</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <kernel>{images}/vmlinuz</kernel>
    <initrd>{images}/{initramfs}</initrd>
    <cmdline>console=ttyS0 quiet panic=-1 power={power}{kernel_arguments}{script}</cmdline>
  </os>
  <features><acpi/></features>
  <cpu mode='custom' match='exact'><model>qemu64</model></cpu>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>{on_crash}</on_crash>
  <pm><suspend-to-mem enabled='yes'/></pm>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <serial type='file'><source path='{console}' append='on'/></serial>
{devices}    <memballoon model='none'/>
  </devices>
</domain>
"""

# As doc/fencing.md has it: where the socket lies is libvirt's choice, and differs between roots.
CHANNEL = """    <channel type='unix'>
      <source mode='bind'/>
      <target type='virtio' name='vmconnectd'/>
    </channel>
"""

INTERFACE = """    <interface type='bridge'>
      <mac address='{mac}'/>
      <source bridge='{bridge}'/>
      <model type='virtio'/>
    </interface>
"""


class Guest(NamedTuple):
    """A guest; power is 'acpi' (honours the power button) or 'deaf'.

    kind 'small' has busybox and counts; 'full' has Debian with Python and our packages
    for guests, and runs commands (Guests.run).
    """

    name: str
    power: str = "acpi"
    kind: str = "small"
    # None: what the kind needs
    memory_mib: int | None = None
    has_channel: bool = True
    has_interface: bool = False
    # more arguments for the kernel's command line, which it passes to the first process
    kernel_arguments: str = ""
    # XML of more devices, as it stands in <devices>
    devices: str = ""
    # What a small guest's shell runs beside the counter; without double quotes.
    script: str = ""
    on_crash: str = "destroy"

    @property
    def uuid(self) -> str:
        """Always the same for a name: without one, hosts would disagree about who it is."""
        return str(uuid.uuid5(uuid.NAMESPACE_OID, f"pmkvm-lab-guest-{self.name}"))

    @property
    def mac(self) -> str:
        tail = self.uuid.replace("-", "")[:6]
        return "52:54:00:" + ":".join(tail[at : at + 2] for at in (0, 2, 4))

    @property
    def console(self) -> str:
        """The serial console's file, as the hosts name it."""
        return f"{SHARED}/console/{self.name}.log"

    @property
    def is_full(self) -> bool:
        return self.kind == "full"

    def xml(self) -> str:
        channels = CHANNEL if self.has_channel else ""
        interface = INTERFACE.format(mac=self.mac, bridge=HOST_GUEST_BRIDGE)
        disks, kernel_arguments = "", ""
        if self.is_full:
            disks = full_image.disks(IMAGES, self.name)
            channels += guest_commands.channel(self.name)
            ports = channels.count("<channel")
            kernel_arguments = f" name={self.name} ports={ports} {self.kernel_arguments}".rstrip()
        return DOMAIN.format(
            name=self.name,
            uuid=self.uuid,
            memory_mib=self.memory_mib or (256 if self.is_full else 128),
            power=self.power,
            images=IMAGES,
            initramfs=full_image.INITRAMFS if self.is_full else "initramfs",
            kernel_arguments=kernel_arguments,
            script=escape(f' script="{self.script}"') if self.script else "",
            on_crash=self.on_crash,
            console=self.console,
            devices=disks + channels + (interface if self.has_interface else "") + self.devices,
        )


class Guests(NamedTuple):
    """All guests of the lab; directory is the lab's, hosts are where they can run."""

    directory: str
    hosts: list[Machine]

    def prepare(self) -> None:
        """Put kernel and initramfs on the shared storage."""
        image = guest_image.ensure()
        for name in ("images", "console"):
            os.makedirs(self.outside(f"{SHARED}/{name}"), exist_ok=True)
        shutil.copy(image.kernel, self.outside(f"{IMAGES}/vmlinuz"))
        shutil.copy(image.initramfs, self.outside(f"{IMAGES}/initramfs"))

    def outside(self, path: str) -> str:
        """Where a file of the shared storage is on this machine."""
        return os.path.join(self.directory, "shared", os.path.relpath(path, SHARED))

    def define(self, guest: Guest, hosts: Sequence[Machine] | None = None) -> str:
        """Define a guest on hosts, all by default; gives the path of the XML that libvirt keeps."""
        source = self.place(guest)
        for host in hosts or self.hosts:
            host.must(["mkdir", "-p", guest_commands.DIRECTORY])
            host.must(["virsh", "-q", "define", source])
        return f"/etc/libvirt/qemu/{guest.name}.xml"

    def place(self, guest: Guest, path: str | None = None) -> str:
        """Write a guest's XML to the shared storage and define nothing; gives its path."""
        if guest.is_full:
            full_image.place(self.outside(IMAGES), self.outside(f"{SHARED}/{install.OF_GUESTS}"))
            self.give(guest, {})
        target = path or f"{IMAGES}/{guest.name}.xml"
        Path(self.outside(target)).write_text(guest.xml(), encoding="utf-8")
        return target

    def give(self, guest: Guest, files: Mapping[str, OwnFile]) -> None:
        """Files that this full guest alone has, from its next boot on, instead of earlier ones."""
        full_image.place_own(self.outside(IMAGES), guest.name, files)

    def start(self, guest: Guest, host: Machine) -> None:
        host.must(["virsh", "-q", "start", guest.name])

    def counter(self, guest: Guest) -> Counter:
        return Counter(self.outside(guest.console))

    def migrate(self, guest: Guest, source: Machine, target: Machine, transport: str) -> None:
        """Live, as virsh does it; transport is tcp or ssh."""
        uri = f"qemu+{transport}://{target.name}/system"
        source.must(["virsh", "-q", "migrate", "--live", guest.name, uri], timeout_s=60)

    def begin(
        self, guest: Guest, argv: Sequence[str], *, timeout_s: float, stdin: str | None = None
    ) -> Command:
        """Start a program in a full guest, booting or not, and leave it; .result() waits for it."""
        return Command(lambda: self._sockets(guest), argv, timeout_s, stdin).begin()

    def run(
        self, guest: Guest, argv: Sequence[str], *, timeout_s: float, stdin: str | None = None
    ) -> Completed:
        """Run a program in a full guest to its end, whatever its exit code."""
        return Command(lambda: self._sockets(guest), argv, timeout_s, stdin).result()

    def _sockets(self, guest: Guest) -> list[str]:
        path = guest_commands.socket_path(guest.name)
        return [f"/proc/{process.pid}/root{path}" for _, process in self.processes(guest)]

    def processes(
        self, guest: Guest | None = None, among: Iterable[int] | None = None
    ) -> list[tuple[str, Process]]:
        """A guest's QEMUs (or all guests') that exist, and where: /proc's word, not libvirt's.

        among: the only numbers to look at.
        """
        spaces = {}
        for host in self.hosts:
            init = host.init()
            if init is not None:
                spaces[_pid_space(init.pid)] = host.name
        found = []
        for pid in every() if among is None else among:
            process = identify(pid) if _is_qemu(pid, guest) else None
            if process is not None and process.is_alive() and _pid_space(pid) in spaces:
                found.append((spaces[_pid_space(pid)], process))
        return found

    def hosts_of(self, guest: Guest) -> list[str]:
        """The hosts that a QEMU of this guest exists on; more than one is a double start."""
        return sorted(name for name, _ in self.processes(guest))

    def clear(self) -> None:
        """Destroy and undefine every guest on every living host, and forget the consoles."""
        for host in self.hosts:
            if host.is_alive():
                hypervisor.ensure(host)
                self._clear_host(host)
        # Those that libvirt does not know (any more).
        for _, process in self.processes():
            process.kill()
        for directory in ("console", "images"):
            for path in Path(self.outside(f"{SHARED}/{directory}")).iterdir():
                if path.suffix in (".log", ".xml") or path.name.startswith("own-"):
                    path.unlink()

    def _clear_host(self, host: Machine) -> None:
        for name in host.must(["virsh", "-q", "list", "--all", "--name"]).split():
            # It may end by itself between these commands, or vanish with its end.
            host.run(["virsh", "-q", "destroy", name], timeout_s=40)
            host.run(["virsh", "-q", "undefine", name])


def live_channel(host: Machine, guest: Guest, port: str = "vmconnectd") -> str:
    """The device as libvirt has it now, with the path that it has made, for detach-device."""
    for each in fromstring(host.must(["virsh", "dumpxml", guest.name])).iter("channel"):
        target = each.find("target")
        if target is not None and target.get("name") == port:
            return tostring(each, encoding="unicode")
    raise LabError(f"{guest.name} has no channel {port} on {host.name}")


def _is_qemu(pid: int, guest: Guest | None) -> bool:
    """Asks its threads too: the command line of a process whose first one ended is empty.

    Of root's processes alone, as hypervisor.QEMU_CONF has it: others may say what they like.
    """
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        if Path(f"/proc/{pid}").stat().st_uid != 0:
            return False
    for path in _thread_command_lines(pid):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            argv = path.read_bytes().split(b"\0")
            if argv != [b""]:
                return b"-uuid" in argv and (guest is None or guest.uuid.encode() in argv)
    return False


def _thread_command_lines(pid: int) -> list[Path]:
    """None of a process that ends meanwhile."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return list(Path(f"/proc/{pid}").glob("task/*/cmdline"))
    return []


def _pid_space(pid: int) -> str:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return os.readlink(f"/proc/{pid}/ns/pid")
    return ""
