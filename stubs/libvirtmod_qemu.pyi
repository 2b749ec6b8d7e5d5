# SPDX-License-Identifier: GPL-2.0-or-later
# The compiled half of libvirt-python's QEMU extras, as far as pmkvm.virt calls it.
from libvirtmod import _Handle

def virDomainQemuAgentCommand(
    domain: _Handle, command: str, timeout: int, flags: int
) -> str | None: ...
