# SPDX-License-Identifier: GPL-2.0-or-later
"""python3 -m tests.ocf: one line for each check, and one for each complaint; 1 if there is any."""

from __future__ import annotations

import argparse
import sys
import time
from functools import partial
from typing import TYPE_CHECKING

from tests.ocf import behaviour, faults
from tests.ocf.agent import Agent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Check = tuple[str, Callable[[], Iterator[str]]]

SECOND = "second"


def main(argv: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(argv)
    agent = Agent(options.agent, _pairs(options.parameter), options.name)
    complaints = 0
    for name, check in _checks(agent, options):
        if options.only and name not in options.only.split(","):
            continue
        complaints += _report(name, check, agent)
    print(f"{options.agent}: {complaints or 'no'} complaint{'' if complaints == 1 else 's'}")
    return 1 if complaints else 0


def _report(name: str, check: Callable[[], Iterator[str]], agent: Agent) -> int:
    began, found = time.monotonic(), 0
    for complaint in check():
        found += 1
        print(f"  {name}: {complaint}", flush=True)
    print(f"{'FAILED' if found else 'ok'} {name} ({time.monotonic() - began:.1f} s)", flush=True)
    if found:
        # The next check begins with a stopped resource.
        agent.call("stop", timeout_s=faults.LONG_S)
    return found


def _checks(agent: Agent, options: argparse.Namespace) -> Iterator[Check]:
    for one in behaviour.CHECKS:
        yield one.__name__, partial(one, agent)
    yield "killed", partial(faults.killed, agent, options.kills, options.seed)
    if options.config:
        yield "configuration", partial(faults.configuration, agent, options.config)
    for text in options.outage:
        broken = faults.parse_outage(text)
        yield f"outage {broken.name}", partial(faults.outage, agent, broken)
    if options.second:
        other = agent.with_parameters(**_pairs(options.second))
        other.instance = f"{agent.instance}-{SECOND}"
        yield "two_instances", partial(faults.two_instances, agent, other)
    if options.faketime:
        yield "clock", partial(faults.clock, agent, options.faketime)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python3 -m tests.ocf")
    parser.add_argument("agent", help="absolute path of the agent")
    parser.add_argument("-n", "--name", default="tested", help="the resource's id")
    parser.add_argument("-o", "--parameter", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--second", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--config", metavar="PARAMETER", help="the parameter that names a file")
    parser.add_argument(
        "--outage", action="append", default=[], metavar="NAME=BREAKING::REPAIR", help="commands"
    )
    parser.add_argument("--faketime", metavar="PATH", help="libfaketime.so.1")
    parser.add_argument("--kills", type=int, default=5, help="of each action (%(default)s)")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the moments")
    parser.add_argument("--only", help="names of checks, separated by commas")
    return parser


def _pairs(texts: Sequence[str]) -> dict[str, str]:
    return dict(text.split("=", 1) for text in texts)


if __name__ == "__main__":
    sys.exit(main())
