#!/usr/bin/python3 -IS
# SPDX-License-Identifier: GPL-2.0-or-later
"""The witness of double activity: a service that counts on a disk that all its guests may write.

    witness.py SERIAL    in a guest: the disk with that serial number. Standard library only.

Each guest has a region of its own, and a region only grows, so that nobody hides what another one
wrote. A record says which instance of the service wrote it, counts, and says how far the regions
of the others had grown by then. No clock is needed to judge: an instance that saw another region
grow between two records of its own was not alone.
"""

from __future__ import annotations

import errno
import itertools
import json
import mmap
import os
import socket
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

RECORD_BYTES = 512
SLOTS = 131072
REGIONS = 3
SIZE_BYTES = RECORD_BYTES * SLOTS * REGIONS
PERIOD_S = 0.1


class Record(NamedTuple):
    """ends: how many records its writer had found in each region."""

    instance: str
    sequence: int
    ends: tuple[int, ...]


class Disk:
    """Regions of records on a disk; flags are how it is opened.

    By default past the guest's own cache, which does not know what others write.
    """

    def __init__(self, path: str, flags: int = os.O_DIRECT | os.O_DSYNC) -> None:
        self._file = os.open(path, os.O_RDWR | flags)
        # Aligned as such a descriptor wants it.
        self._page = mmap.mmap(-1, RECORD_BYTES)

    def read(self, region: int, slot: int) -> bytes:
        """One record, empty if there is none."""
        os.preadv(self._file, [self._page], _offset(region, slot))
        return self._page[:].rstrip(b"\0")

    def write(self, region: int, slot: int, record: Record) -> None:
        if slot >= SLOTS:
            raise OSError(errno.ENOSPC, "the region is full")
        self._page[:] = json.dumps(record._asdict()).encode().ljust(RECORD_BYTES, b"\0")
        os.pwritev(self._file, [self._page], _offset(region, slot))

    def end(self, region: int, known: int = 0) -> int:
        """How many records a region has, which are that many at least."""
        low, high = known, SLOTS
        # Most often there is none, or one, more.
        step = 1
        while low + step < high and self.read(region, low + step - 1):
            low, step = low + step, step * 2
        high = min(high, low + step)
        while low < high:
            middle = (low + high) // 2
            if self.read(region, middle):
                low = middle + 1
            else:
                high = middle
        return low


class Instance:
    """The service, once started, in the guest that owns a region."""

    def __init__(self, disk: Disk, region: int, name: str) -> None:
        self._disk, self._region, self._name = disk, region, name
        self._ends = [disk.end(each) for each in range(REGIONS)]
        self._sequence = 0

    def write(self) -> None:
        """Look at what others have written, then write one more record."""
        self._ends = [self._disk.end(each, known) for each, known in enumerate(self._ends)]
        self._sequence += 1
        record = Record(self._name, self._sequence, tuple(self._ends))
        self._disk.write(self._region, self._ends[self._region], record)


def read(path: str) -> list[list[Record]]:
    """All records, by region; path is the disk's file."""
    found = []
    with open(path, "rb") as file:
        for region in range(REGIONS):
            file.seek(_offset(region, 0))
            blocks = iter(lambda: file.read(RECORD_BYTES).rstrip(b"\0"), b"")
            found.append([_record(json.loads(block)) for block in blocks])
    return found


def overlaps(regions: list[list[Record]]) -> list[str]:
    """What only two instances at one time can have written, in words."""
    found = []
    for region, records in enumerate(regions):
        ended: set[str] = set()
        for instance, group in itertools.groupby(records, key=lambda record: record.instance):
            own = list(group)
            if instance in ended:
                found.append(f"{instance} wrote before and after another instance in its guest")
            ended.add(instance)
            if [record.sequence for record in own] != list(range(1, len(own) + 1)):
                found.append(f"{instance} lost records")
            found += [
                f"while {instance} ran, region {other} grew from {first} to {last}"
                for other, (first, last) in enumerate(zip(own[0].ends, own[-1].ends))
                if other != region and first != last
            ]
    return found


def make(path: str) -> None:
    """An empty disk."""
    with open(path, "wb") as file:
        file.truncate(SIZE_BYTES)


def _offset(region: int, slot: int) -> int:
    return (region * SLOTS + slot) * RECORD_BYTES


def _record(fields: dict[str, Any]) -> Record:
    return Record(fields["instance"], fields["sequence"], tuple(fields["ends"]))


def _device(serial: str) -> str:
    for path in Path("/sys/block").glob("vd*/serial"):
        if path.read_text(encoding="ascii").strip() == serial:
            return f"/dev/{path.parent.name}"
    raise FileNotFoundError(f"no disk has the serial number {serial}")


def main(argv: list[str]) -> int:
    host = socket.gethostname()
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")[:8]
    # A boot's id alone may repeat in a guest that has little to draw it from.
    name = f"{host}-{boot}-{time.time_ns()}"
    # guest1 has the first region.
    instance = Instance(Disk(_device(argv[0])), int(host.removeprefix("guest")) - 1, name)
    while True:
        instance.write()
        time.sleep(PERIOD_S)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
