# SPDX-License-Identifier: GPL-2.0-or-later
"""-o: one check of each disk, for the parameter oneshot of the agent. No attribute is set."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from daemons.diskd.prober import Prober
from daemons.diskd.watch import Watch
from pmkvm.service.thread_calls import ThreadCalls

if TYPE_CHECKING:
    from daemons.diskd.options import Options


async def check(chosen: Options) -> list[str]:
    """What is wrong, a sentence for each disk; nothing as it should be."""
    calls = ThreadCalls(len(chosen.targets))
    probers = [Prober(each, chosen.pace.timeout_s, calls) for each in chosen.targets]
    try:
        answers = await asyncio.gather(
            *(Watch(each, chosen.pace, lambda: None).check() for each in probers)
        )
    finally:
        for each in probers:
            each.close()
    return [
        f"{prober.target.path}: {answer.reason}"
        for prober, answer in zip(probers, answers)
        if not answer.is_good
    ]
