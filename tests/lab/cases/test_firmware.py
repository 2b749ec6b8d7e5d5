# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest with UEFI and a TPM: its variables and its keys outlive a stop, and travel with it.

The guest itself writes a variable and an index of the TPM once, and reads both ever after.
"""

from __future__ import annotations

import struct
import time
from pathlib import Path

import pytest

from tests.lab.cluster import agents
from tests.lab.faults.situations import wait_until
from tests.lab.guests.guests import IMAGES, Guest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.lab.lab import Lab

pytestmark = pytest.mark.rotating(parts=4)

# Of ovmf. Not the one for Secure Boot, which needs another machine.
CODE = "/usr/share/OVMF/OVMF_CODE_4M.fd"
TEMPLATE = "/usr/share/OVMF/OVMF_VARS_4M.fd"
VARIABLES = f"{IMAGES}/guest1.fd"
# Of swtpm-tools: what makes a TPM's certificates. It may have files of this machine's root,
# which the user that libvirt has for TPMs can't read.
AUTHORITY = "/var/lib/swtpm-localca"
# Firmware, emulated in software.
BOOT_S = 120

# TPM 2.0 Library, part 3: commands, with the owner's empty password.
SESSIONS = 0x8002
DEFINE_SPACE, WRITE, READ = 0x12A, 0x137, 0x14E
OWNER, INDEX, PASSWORD = 0x40000001, 0x01500001, 0x40000009
# OWNERWRITE, AUTHWRITE, OWNERREAD, AUTHREAD, NO_DA.
ATTRIBUTES = 0x02060006
SHA256 = 0x000B
KEY = b"kept"


def command(code: int, handles: tuple[int, ...], parameters: bytes) -> str:
    """For the shell's printf."""
    password = struct.pack(">IIHBH", 9, PASSWORD, 0, 0, 0)
    body = struct.pack(f">{len(handles)}I", *handles) + password + parameters
    whole = struct.pack(">HII", SESSIONS, 10 + len(body), code) + body
    return "".join(f"\\{byte:03o}" for byte in whole)


PUBLIC = struct.pack(">IHIHH", INDEX, SHA256, ATTRIBUTES, 0, len(KEY))
DEFINE = command(DEFINE_SPACE, (OWNER,), struct.pack(">HH", 0, len(PUBLIC)) + PUBLIC)
PUT = command(WRITE, (OWNER, INDEX), struct.pack(">H", len(KEY)) + KEY + struct.pack(">H", 0))
GET = command(READ, (OWNER, INDEX), struct.pack(">HH", len(KEY), 0))
VARIABLE = "/sys/firmware/efi/efivars/Lab-6f1c3f0e-2d5b-4c8e-9a57-3b0f1d2c4e5a"
SCRIPT = (
    f"exec 3<>/dev/tpm0; v={VARIABLE};"
    " t() { printf $1 >&3; dd bs=4096 count=1 <&3 2>/dev/null; };"
    f" f() {{ cat $v; t '{GET}'; }};"
    f" w() {{ printf '\\7\\0\\0\\0kept' >$v; t '{DEFINE}'; t '{PUT}'; echo WRITTEN; }};"
    " f | grep -q kept || w;"
    " while sleep 1; do echo FOUND $(f 2>/dev/null | grep -ao kept); done"
)
BOTH = "FOUND kept kept"
GUEST = Guest(
    "guest1",
    power="deaf",
    memory_mib=256,
    devices="    <tpm model='tpm-tis'><backend type='emulator' version='2.0'/></tpm>\n",
    script=SCRIPT,
)
# libvirt makes it with the guest's first TPM, and removes it with what it forgets.
STATE = f"/var/lib/libvirt/swtpm/{GUEST.uuid}"


def with_firmware(xml: str) -> str:
    firmware = (
        f"    <loader readonly='yes' type='pflash'>{CODE}</loader>\n"
        f"    <nvram template='{TEMPLATE}'>{VARIABLES}</nvram>\n    <kernel>"
    )
    return xml.replace("    <kernel>", firmware, 1)


def test_what_the_guest_wrote_is_found_after_a_stop_and_after_a_migration(clean_lab: Lab) -> None:
    host1, host2 = clean_lab.hosts
    guests, counter = clean_lab.guests, clean_lab.guests.counter(GUEST)
    path = Path(guests.outside(guests.place(GUEST, agents.CONFIG)))
    path.write_text(with_firmware(path.read_text(encoding="utf-8")), encoding="utf-8")
    agent = agents.virtual_domain("extra", force_stop="yes")
    for host in clean_lab.hosts:
        host.must(["find", AUTHORITY, "-mindepth", "1", "-delete"])

    def wait_until_found() -> None:
        # The one that may be half said now is of the time before.
        wanted = counter.console().count(BOTH) + 2
        wait_until(lambda: counter.console().count(BOTH) >= wanted, BOTH, BOOT_S)

    try:
        began = time.monotonic()
        started = agents.call(host1, agent, "start", 60)
        assert started.rc == 0, started.err
        wait_until_found()
        first = counter.boot()
        print(f"first boot {time.monotonic() - began:.0f} s")
        stopped = agents.call(host1, agent, "stop", 60)
        assert (stopped.rc, guests.hosts_of(GUEST)) == (0, []), stopped.err
        assert agents.call(host1, agent, "start", 60).rc == 0
        second = counter.wait_for_boot(BOOT_S, other_than=first).boot
        wait_until_found()
        told = agents.migration(host1, host2)
        left = agents.call(host1, agent, "migrate_to", 60, told)
        assert left.rc == 0, left.err
        arrived = agents.call(host2, agent, "migrate_from", 60, told)
        assert arrived.rc == 0, arrived.err
        print(f"migration {left.seconds:.1f} s")
        assert guests.hosts_of(GUEST) == ["host2"]
        wait_until_found()
        assert counter.boots() == [first, second]
        assert counter.console().count("WRITTEN") == 1
    finally:
        for _host, process in guests.processes(GUEST):
            process.kill()
        Path(guests.outside(VARIABLES)).unlink(missing_ok=True)
        for host in clean_lab.hosts:
            host.must(["rm", "-rf", STATE])
