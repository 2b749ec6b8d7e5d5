# SPDX-License-Identifier: GPL-2.0-or-later
"""A long search for a broken promise in the simulated world, a guest that knows the rules in it.

    python3 -m tests.unit.vm_stonithd.simulation.search MINUTES [FIRST_SEED]

Each run follows from its seed. What is found is told with the seed, and the search goes on; the
exit code is 1 if anything was found.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from daemons.vm_stonithd.machine.machine import Machine
from daemons.vm_stonithd.model.invariants import BrokenPromiseError
from tests.unit.vm_stonithd.simulation.judge import BrokenError
from tests.unit.vm_stonithd.simulation.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator

TOLD_EVERY = 100
OUR_ERRORS = (" ends its requests", "fences are not recorded")


def complaint(seed: int, machine: type[Machine] = Machine, *, rests: bool = False) -> str:
    """What is broken in that run, empty if nothing is. An error in one fence is one of ours."""
    world = World(seed, machine, has_enemy=True, rests=rests)
    try:
        world.run()
    except (BrokenError, BrokenPromiseError) as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - whatever ends a daemon is what is looked for
        return f"a daemon ended: {error!r}"
    wrong = (each for each in world.lines if any(word in each for word in OUR_ERRORS))
    return next(wrong, "")


def search(seconds: float, first: int) -> Iterator[tuple[int, str]]:
    """Each seed that was run in that time, and what was found."""
    end, seed = time.monotonic() + seconds, first
    while time.monotonic() < end:
        yield seed, complaint(seed, rests=seed % 2 == 0)
        seed += 1


def main(minutes: float, first: int) -> int:
    found = runs = 0
    for seed, broken in search(minutes * 60.0, first):
        runs += 1
        if broken:
            found += 1
            print(f"seed {seed}: {broken}", flush=True)
        if runs % TOLD_EVERY == 0:
            print(f"{runs} runs, {found} found", flush=True)
    print(f"{runs} runs from seed {first} on, {found} found", flush=True)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0))
