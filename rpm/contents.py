# SPDX-License-Identifier: GPL-2.0-or-later
"""What is installed, where, and in which package: the only tables of it.

`make install`, the spec and debian/ follow them.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from pmkvm import settings  # noqa: E402  the checkout must be on the path first

# The packages. A guest needs those that need the standard library alone, which a test holds.
COMMON = "pm_kvm_tools-common"
# What else hosts and guests share. No program is in the package of the modules: a package manager
# puts /usr/lib and /usr/sbin in place before /usr/share, and a program that is called in between
# would not find its modules.
CONNECT = "pm_kvm_tools-connect"
# Apart from the rest of a host's, so that it stays when that goes: see pmkvm/pacemaker/removal.py.
AGENTS = "pm_kvm_tools-agents"
HOST = "pm_kvm_tools"
GUEST = "pm_kvm_tools-guest"
VM_CTL = "vm-ctl"
STONITH_GLUE = "pm_kvm_tools-stonith-glue"
# By the names of 2011.
DISKD = "pm_diskd"
EXTRAS = "pm_extras"
ALL = (COMMON, CONNECT, AGENTS, HOST, GUEST, VM_CTL, STONITH_GLUE, DISKD, EXTRAS)


class Program(NamedTuple):
    """A program in its official place, the function that it calls, and its package."""

    path: str
    main: str
    package: str

    @property
    def name(self) -> str:
        return os.path.basename(self.path)

    @property
    def page(self) -> str:
        """Its manual page."""
        directory, name = os.path.split(self.path)
        resources, provider = os.path.split(directory)
        is_agent = resources == RESOURCES
        return f"ocf_{provider}_{name}.7" if is_agent else f"{name}.8"


class File(NamedTuple):
    """A file installed as it is, outside the private directory; directive: rpm's for its line."""

    source: str
    path: str
    package: str
    directive: str = "%attr(0644, root, root)"


class Directory(NamedTuple):
    """A directory that goes with the package."""

    path: str
    package: str
    mode: int = 0o755


# What goes into the private directory.
MODULES = ("pmkvm", "agents", "stonith", "daemons", "vmctl", "check")

RESOURCES = "/usr/lib/ocf/resource.d"
# cluster-glue looks under its own libdir: Debian's is /usr/lib, that of 64-bit RPM systems
# /usr/lib64. So its package alone is of one architecture.
PLUGINS = "{libdir}/stonith/plugins"
GLUE = f"{PLUGINS}/external"
# Literally, also where it is a link to /usr/bin (Fedora 42): slides and configurations say so.
SBIN = "/usr/sbin"

PROGRAMS = (
    Program(f"{RESOURCES}/extra/VirtualDomain", "agents.virtual_domain.agent:main", AGENTS),
    Program(f"{RESOURCES}/extra/vm-anything", "agents.vm_anything.agent:main", CONNECT),
    Program(f"{RESOURCES}/extra/diskd", "agents.diskd.agent:main", DISKD),
    # Its name of 2011, on slides and in the configurations of clusters.
    Program(f"{RESOURCES}/pacemaker/diskd", "agents.diskd.agent:main", DISKD),
    Program(f"{RESOURCES}/extra/vm-client", "agents.vm_client.agent:main", GUEST),
    Program(f"{SBIN}/fence_vm_stonith", "stonith.vm_stonith.fence_agent:main", GUEST),
    # Hosts without cluster-glue need it as well as guests.
    Program(f"{SBIN}/fence_vm_helper", "stonith.stonith_helper.fence_agent:main", EXTRAS),
    Program(f"{GLUE}/vm-stonith", "stonith.vm_stonith.external:main", STONITH_GLUE),
    Program(f"{GLUE}/stonith-helper", "stonith.stonith_helper.external:main", STONITH_GLUE),
    Program(f"{SBIN}/vm-stonith-key", "stonith.vm_stonith_key.main:main", HOST),
    Program(f"{SBIN}/vm-ctl", "vmctl.main:main", VM_CTL),
    Program(f"{SBIN}/vm-log", "check.vm_log.main:main", CONNECT),
    Program(f"{SBIN}/vm-check", "check.vm_check.main:main", HOST),
    Program(f"{SBIN}/vm-adopt", "agents.vm_adopt.main:main", HOST),
    Program(f"{SBIN}/vm-connect", "daemons.vm_connect:main", CONNECT),
    Program(f"{SBIN}/vm-connectd", "daemons.vm_connectd.main:main", CONNECT),
    Program(f"{SBIN}/vm-stonithd", "daemons.vm_stonithd.main:main", HOST),
    Program(f"{SBIN}/diskd", "daemons.diskd.main:main", DISKD),
    Program(f"{SBIN}/vm-managerd", "daemons.vm_managerd.main:main", HOST),
    Program(f"{SBIN}/vm-client", "daemons.vm_client.main:main", GUEST),
    Program(f"{SBIN}/ifcheckd", "daemons.ifcheckd.main:main", EXTRAS),
)

CONFIGURATION = "%config(noreplace)"
MAN = "/usr/share/man"
# Its plugin sos_extras reads each file there.
SOS = "/etc/sos/extras.d"
COMPLETIONS = "/usr/share/bash-completion/completions"
SYSTEMD = "/usr/lib/systemd/system"
AROUND_GUESTS = f"{SYSTEMD}/resource-agents-deps.target.d"

# Of pages and the like: whose program it is.
OWNERS = {program.page: program.package for program in PROGRAMS} | {"vm-ctl.conf.5": VM_CTL}

FILES = (
    File("vmctl/vm-ctl.conf", settings.VM_CTL_CONF, VM_CTL, CONFIGURATION),
    File("daemons/vm_managerd/vm-manager.conf", settings.VM_MANAGER_CONF, HOST, CONFIGURATION),
    File("rpm/pm_kvm_tools.logrotate", "/etc/logrotate.d/pm_kvm_tools", HOST, CONFIGURATION),
    File("rpm/pm_kvm_tools.sos", f"{SOS}/pm_kvm_tools", HOST, CONFIGURATION),
    # By one file; vm-ctl has its own.
    *(
        File(
            "vmctl/vm-ctl.bash" if program.name == "vm-ctl" else "rpm/completion.bash",
            f"{COMPLETIONS}/{program.name}",
            program.package,
        )
        for program in PROGRAMS
        if program.path.startswith(f"{SBIN}/")
    ),
    # Every page that there is; a test asks for one of each program.
    *(
        File(
            f"doc/man/{page.name}",
            f"{MAN}/man{page.suffix[1:]}/{page.name}",
            OWNERS[page.name],
            "%doc",
        )
        for page in sorted((ROOT / "doc" / "man").glob("*.[1-9]"))
    ),
    # For guests: without the port that the rule waits for nothing starts.
    File("daemons/vm_connectd/vm-connectd.service", f"{SYSTEMD}/vm-connectd.service", GUEST),
    File(
        "daemons/vm_connectd/90-vm-connectd.rules",
        "/usr/lib/udev/rules.d/90-vm-connectd.rules",
        GUEST,
    ),
    File("agents/virtual_domain/ordering.conf", f"{AROUND_GUESTS}/50-pm_kvm_tools.conf", HOST),
)

# No package that ours need owns them, or none that all of them need.
DIRECTORIES = (
    Directory("/usr/lib/ocf", COMMON),
    Directory(RESOURCES, COMMON),
    Directory(f"{RESOURCES}/extra", COMMON),
    Directory(settings.PRIVATE_DIR, COMMON),
    Directory(f"{RESOURCES}/pacemaker", DISKD),
    # The key is copied into it, and must not be readable on its way.
    Directory(os.path.dirname(settings.STONITH_KEY), HOST, 0o700),
    Directory(AROUND_GUESTS, HOST),
    Directory(os.path.dirname(SOS), HOST),
    Directory(SOS, HOST),
    Directory("{libdir}/stonith", STONITH_GLUE),
    Directory(PLUGINS, STONITH_GLUE),
    Directory(GLUE, STONITH_GLUE),
)


def manifest(package: str, libdir: str) -> str:
    """What of a package lies outside the private directory, as rpm's %files -f reads it."""
    programs = [program.path for program in PROGRAMS if program.package == package]
    files = [
        # rpm compresses manual pages, and names them so.
        f"{file.directive} {file.path}{'*' if file.path.startswith(MAN) else ''}"
        for file in FILES
        if file.package == package
    ]
    directories = [
        f"%dir %attr({each.mode:04o}, root, root) {each.path}"
        for each in DIRECTORIES
        if each.package == package
    ]
    lines = [line.format(libdir=libdir) for line in (*programs, *files, *directories)]
    return "\n".join([*lines, ""])
