# SPDX-License-Identifier: GPL-2.0-or-later
"""Every path and name of this host that the project relies on."""

from __future__ import annotations

import os

# What the package installs; the generated stubs put this directory first on sys.path.
PRIVATE_DIR = "/usr/share/pm_kvm_tools"

# What is remembered about guests until the host's next boot.
RUN_DIR = "/run/pm_kvm_tools"

# Where the resource agents of class ocf are, below their providers.
OCF_DIR = "/usr/lib/ocf/resource.d"

VM_CTL_CONF = "/etc/vm-ctl.conf"
# Which node attributes of a host its guests may see.
VM_MANAGER_CONF = "/etc/vm-manager.conf"

# The keys under which fencing tokens are sealed; hosts only, root only.
STONITH_KEY = "/etc/pm_kvm_tools/stonith.key"

# The whole environment of a child process, apart from what its caller adds:
# nothing of the caller's may change the language or the meaning of a tool's output.
CHILD_ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C.UTF-8",
}

PROC = "/proc"

# Where control groups are mounted.
CGROUP = "/sys/fs/cgroup"

# The host's network devices, bridges among them (sysfs(5)).
NETWORK_DEVICES = "/sys/class/net"

# The guest's end of the channel to its host, as udev names it.
GUEST_PORT = "/dev/virtio-ports/vmconnectd"

# Pacemaker replaces this file whenever the configuration changes, and only then.
CIB_XML = "/var/lib/pacemaker/cib/cib.xml"

# Where Pacemaker writes unless it is told otherwise (PCMK_logfile).
PACEMAKER_LOG = "/var/log/pacemaker/pacemaker.log"

# What this host records of fences; beside it lies the file before, which logrotate has renamed.
FENCE_RECORDS = "/var/log/vm-stonithd-fences.jsonl"
FENCE_RECORDS_BEFORE = f"{FENCE_RECORDS}.1"

# Where libvirt keeps NAME.pid of the QEMUs that it runs.
LIBVIRT_PID_DIR = "/run/libvirt/qemu"

# Where libvirt keeps NAME.save, the memory that it restores at the domain's next start.
LIBVIRT_SAVE_DIR = "/var/lib/libvirt/qemu/save"

# Says which user libvirt runs QEMU as, and who that user is.
QEMU_CONF = "/etc/libvirt/qemu.conf"
ACCOUNTS = "/etc/passwd"


def domain_run_dir() -> str:
    """Directory of what VirtualDomain remembers about its guests (root only)."""
    return os.path.join(RUN_DIR, "domains")


def connectd_socket() -> str:
    """vm-connectd's local socket, on a host and in a guest alike."""
    return os.path.join(RUN_DIR, "vm-connectd.sock")


def diskd_dir() -> str:
    """Directory of diskd's local sockets, one for each attribute, and of its locks."""
    return os.path.join(RUN_DIR, "diskd")


def diskd_socket(attribute: str) -> str:
    return os.path.join(diskd_dir(), f"{attribute}.sock")


def vm_client_socket(instance: str) -> str:
    """Local socket of the vm-client that runs for this resource."""
    return os.path.join(RUN_DIR, f"vm-client-{instance}.sock")
