# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether a guest has ever run, by what the kernel counts for its virtual CPUs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pmkvm.process import Life
from pmkvm.virt import vcpu

if TYPE_CHECKING:
    from tests.unit.virt.fake_qemu import FakeProcessTable

UUID = "1111-1"


@pytest.mark.parametrize("has_run", [False, True])
def test_a_qemu_has_run_or_not(host: FakeProcessTable, has_run: bool) -> None:
    qemu = host.start_qemu("g1", UUID, has_run=has_run)
    assert vcpu.have_run(qemu.life) is has_run


def test_one_that_is_gone_has_no_time_that_counts(host: FakeProcessTable) -> None:
    """Nor has one whose threads end while they are looked at."""
    qemu = host.start_qemu("g1", UUID, has_run=True)
    qemu.end()
    assert vcpu.have_run(qemu.life)


@pytest.mark.parametrize(
    ("name_option", "threads", "ran"),
    [
        ("guest=g1,debug-threads=on", {"qemu-system-x86": 900, "CPU 0/KVM": 0}, False),
        ("guest=g1,debug-threads=on", {"CPU 0/KVM": 0, "CPU 11/KVM": 5}, True),
        ("guest=g1,debug-threads=on", {"CPU 0/TCG": 4}, False),
        ("guest=g1,debug-threads=on", {"ALL CPUs/TCG": 5}, True),
        ("guest=g1,debug-threads=on", {"x) R CPU 0": 7}, False),
        # A worker that ends while the list is read hides no other thread.
        ("guest=g1,debug-threads=on", {"worker": -1, "CPU 0/KVM": 5}, True),
        # It has not come as far as its virtual CPUs.
        ("guest=g1,debug-threads=on", {"qemu-system-x86": 900}, False),
        # Whose is the time then?
        ("guest=g1", {"qemu-system-x86": 0}, True),
    ],
)
def test_only_the_time_of_virtual_cpus_counts(
    host: FakeProcessTable, name_option: str, threads: dict[str, int], ran: bool
) -> None:
    # A process 77, half of each thread's time in user mode and half in the kernel.
    process = host.directory / "77"
    (process / "task").mkdir(parents=True)
    (process / "cmdline").write_bytes(b"qemu\0-name\0" + name_option.encode() + b"\0-uuid\0u\0")
    for number, (name, ticks) in enumerate(threads.items(), 77):
        task = process / "task" / str(number)
        task.mkdir()
        # Of a thread with less than none there is nothing but its number.
        if ticks >= 0:
            times = f"{ticks // 2} {ticks - ticks // 2}"
            (task / "stat").write_text(f"{number} ({name}) S {'0 ' * 10}{times} 0 0\n")
    assert vcpu.have_run(Life(77, 1)) is ran
