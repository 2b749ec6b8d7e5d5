# SPDX-License-Identifier: GPL-2.0-or-later
"""vm-check: reads what is so, says what will fail, changes nothing."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from check.vm_check import options as command_line
from pmkvm import thread_call
from pmkvm.errors import HaError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from check.vm_check.finding import Finding
    from check.vm_check.options import Options

WELL, WARNINGS, FAILS = 0, 1, 2


def main(argv: Sequence[str] | None = None) -> int:
    """0: all is well; 1: warnings; 2: something will fail, or can't be told."""
    rc = _check(command_line.parse(argv))
    return thread_call.leave(rc) if argv is None else rc


def _check(options: Options) -> int:
    # After the grammar: lxml and the rest are worth 40 ms.
    from check.vm_check import as_json, gather, kinds, text

    try:
        facts = gather.gather(lambda _what: None)
    except HaError as error:
        sys.stderr.write(f"vm-check: {error}\n")
        return FAILS
    found = list(kinds.find(facts))
    form = as_json.render if options.format == "json" else text.render
    sys.stdout.write(form(facts, found))
    return code(found)


def code(found: Sequence[Finding]) -> int:
    from check.vm_check.finding import Severity, worst

    return {None: WELL, Severity.WARNING: WARNINGS, Severity.ERROR: FAILS}[worst(list(found))]


if __name__ == "__main__":
    sys.exit(main())
