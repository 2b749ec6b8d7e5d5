# SPDX-License-Identifier: GPL-2.0-or-later
"""vm-adopt: moves guests from ocf:heartbeat:VirtualDomain to ours, and back, while they run."""

from __future__ import annotations

import argparse
import sys

from agents.vm_adopt import adoption
from pmkvm.deadline import Deadline
from pmkvm.errors import HaError
from pmkvm.pacemaker import cib
from pmkvm.version import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_TIMEOUT_S = 120


def main(argv: Sequence[str] | None = None) -> int:
    """0: all of them are of the new provider; 1: anything else, and it was said why."""
    parser = argparse.ArgumentParser(
        prog="vm-adopt",
        description="Move running guests from ocf:heartbeat:VirtualDomain to"
        " ocf:extra:VirtualDomain without a restart.",
    )
    parser.add_argument("resource", nargs="+", help="id of a VirtualDomain resource")
    parser.add_argument("--back", action="store_true", help="the other way round")
    parser.add_argument("--dry-run", action="store_true", help="print the change of the CIB only")
    parser.add_argument(
        "--timeout", type=int, default=_TIMEOUT_S, metavar="S", help="seconds (%(default)s)"
    )
    parser.add_argument("--version", action="version", version=f"vm-adopt {VERSION}")
    options = parser.parse_args(argv)
    new = adoption.HEARTBEAT if options.back else adoption.EXTRA
    deadline = Deadline(options.timeout)
    try:
        if options.dry_run:
            change = adoption.plan(cib.query(deadline), options.resource, new)
            _say("nothing to do" if change is None else change.merged)
        else:
            adoption.adopt(options.resource, new, deadline, _say)
    except (HaError, OSError) as error:
        sys.stderr.write(f"vm-adopt: {error}\n")
        return 1
    return 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
