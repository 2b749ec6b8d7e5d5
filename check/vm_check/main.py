# SPDX-License-Identifier: GPL-2.0-or-later
"""vm-check: reads what is so, says what will fail, changes nothing."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from check.vm_check import options as command_line
from pmkvm import files, thread_call
from pmkvm.deadline import Deadline
from pmkvm.errors import HaError, reason_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from check.vm_check.facts import Facts
    from check.vm_check.options import Options
    from check.vm_check.report import Report

CAN_NOT_TELL = 2
SIMULATION_S = 10.0
# Of a file for others to read, such as node_exporter.
_MODE = 0o644


def main(argv: Sequence[str] | None = None) -> int:
    """0: all is well; 1: warnings; 2: something will fail, or can't be told."""
    options = command_line.parse(argv)
    try:
        rc = _check(options)
    except KeyboardInterrupt:
        rc = CAN_NOT_TELL
    except BrokenPipeError:
        # Whoever read has had enough. Nor does the interpreter get to say so at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        rc = CAN_NOT_TELL
    except (HaError, OSError) as error:
        sys.stderr.write(f"vm-check: {reason_of(error)}\n")
        rc = CAN_NOT_TELL
    return thread_call.leave(rc) if argv is None else rc


def _check(options: Options) -> int:
    # After the grammar: lxml and the rest are worth 40 ms.
    from check.vm_check import gather, kinds, report
    from check.vm_check.progress import Progress

    with Progress() as progress:
        facts = gather.gather(progress)
        _require_known(options, facts)
        planned = None
        if options.host:
            from check.vm_check import emptying

            progress("asking Pacemaker where it would put each guest")
            planned = emptying.simulate(facts, options.host, Deadline(SIMULATION_S))
        progress("looking for what would fail")
        made = report.make(
            facts, kinds.find(facts), host=options.host, guest=options.guest, planned=planned
        )
        text = _rendered(made, options.format)
    if options.output:
        files.write_atomically(options.output, text, _MODE)
    else:
        sys.stdout.write(text)
        sys.stdout.flush()
    return made.code


def _require_known(options: Options, facts: Facts) -> None:
    """Raises HaError."""
    nodes = [node.name for node in facts.cluster.nodes]
    if options.host and options.host not in nodes:
        raise HaError(f"{options.host} is no host of this cluster; those are {', '.join(nodes)}")
    if options.guest and options.guest not in facts.guests:
        raise HaError(f"no resource of this cluster has a guest {options.guest}")


def _rendered(made: Report, form: str) -> str:
    from check.vm_check import as_json, dot, prometheus, text

    forms = {
        command_line.TEXT: text.render,
        command_line.JSON: as_json.render,
        command_line.DOT: dot.render,
        command_line.PROMETHEUS: prometheus.render,
    }
    return forms[form](made)


if __name__ == "__main__":
    sys.exit(main())
