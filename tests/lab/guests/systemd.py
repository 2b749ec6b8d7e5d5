# SPDX-License-Identifier: GPL-2.0-or-later
"""A full guest that systemd boots: what it needs for that, and for answering the lab's commands."""

from __future__ import annotations

from tests.lab.guests.full_image import OwnFile

AGENT = """[Unit]
DefaultDependencies=no
# Its port may come later than it does.
StartLimitIntervalSec=0
[Service]
ExecStart=/usr/bin/python3 -IS /lab/agent /dev/virtio-ports/org.pmkvm.lab
Restart=always
RestartSec=200ms
StandardOutput=null
"""
# What runs in the guest beside Debian's units, where it has that file.
SERVICES = """[Unit]
ConditionPathExists=/lab/services
After=basic.target
[Service]
ExecStart=/lab/services
"""
FILES = {
    "/etc/systemd/system/lab-agent.service": OwnFile(AGENT),
    "/etc/systemd/system/lab-services.service": OwnFile(SERVICES),
    # Else this is a first boot, at which Debian enables every unit.
    "/etc/machine-id": OwnFile("5be0cd19137e21799c41d7e02b6f5a13\n"),
}
WANTED = ("lab-agent", "lab-services")
# Of Debian's own units not those that no test looks at.
MASKED = ("corosync", "pacemaker", "systemd-random-seed", "systemd-timesyncd", "e2scrub_reap")
KERNEL_ARGUMENTS = " ".join(
    [
        "system=systemd",
        *(f"systemd.wants={unit}.service" for unit in WANTED),
        *(f"systemd.mask={unit}" for unit in MASKED),
    ]
)
