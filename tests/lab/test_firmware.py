# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest with UEFI and a TPM: its variables and its keys outlive a stop, and travel with it."""

from __future__ import annotations

from pathlib import Path

from tests.lab import agents
from tests.lab.guests import IMAGES, Guest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.lab.lab import Lab

# Of ovmf. Not the one for Secure Boot, which needs another machine.
CODE = "/usr/share/OVMF/OVMF_CODE_4M.fd"
TEMPLATE = "/usr/share/OVMF/OVMF_VARS_4M.fd"
VARIABLES = f"{IMAGES}/guest1.fd"
TPM = "    <tpm model='tpm-tis'><backend type='emulator' version='2.0'/></tpm>\n"
GUEST = Guest("guest1", power="deaf", memory_mib=256, devices=TPM)
# libvirt makes it with the guest's first TPM, and removes it with what it forgets.
STATE = f"/var/lib/libvirt/swtpm/{GUEST.uuid}"
# Firmware, emulated in software.
BOOT_S = 120


def with_firmware(xml: str) -> str:
    firmware = (
        f"    <loader readonly='yes' type='pflash'>{CODE}</loader>\n"
        f"    <nvram template='{TEMPLATE}'>{VARIABLES}</nvram>\n    <kernel>"
    )
    return xml.replace("    <kernel>", firmware, 1)


def test_variables_and_keys_outlive_the_transient_guest(clean_lab: Lab) -> None:
    host1, host2 = clean_lab.hosts
    guests, counter = clean_lab.guests, clean_lab.guests.counter(GUEST)
    path = Path(guests.outside(guests.place(GUEST, agents.CONFIG)))
    path.write_text(with_firmware(path.read_text(encoding="utf-8")), encoding="utf-8")
    variables = Path(guests.outside(VARIABLES))
    agent = agents.virtual_domain("extra", force_stop="yes")
    try:
        assert agents.call(host1, agent, "start", 60).rc == 0
        first = counter.wait_for_boot(BOOT_S).boot
        host1.must(["touch", f"{STATE}/mark"])
        assert agents.call(host1, agent, "stop", 60).rc == 0
        kept = variables.read_bytes()
        assert kept != Path(TEMPLATE).read_bytes()
        host1.must(["test", "-e", f"{STATE}/mark"])
        assert agents.call(host1, agent, "start", 60).rc == 0
        host1.must(["test", "-e", f"{STATE}/mark"])
        second = counter.wait_for_boot(BOOT_S, other_than=first).boot
        told = agents.migration(host1, host2)
        left = agents.call(host1, agent, "migrate_to", 60, told)
        assert left.rc == 0, left.err
        assert agents.call(host2, agent, "migrate_from", 60, told).rc == 0
        assert guests.hosts_of(GUEST) == ["host2"]
        host2.must(["test", "-e", f"{STATE}/tpm2/tpm2-00.permall"])
        assert counter.is_ticking(5)
        assert counter.boots() == [first, second]
        assert variables.stat().st_size == len(kept)
    finally:
        for _host, process in guests.processes(GUEST):
            process.kill()
        variables.unlink(missing_ok=True)
        for host in clean_lab.hosts:
            host.must(["rm", "-rf", STATE])
