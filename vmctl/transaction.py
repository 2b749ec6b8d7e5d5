# SPDX-License-Identifier: GPL-2.0-or-later
"""One change of the CIB, made as a whole or not at all; or, rehearsed, what it would be."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from pmkvm import files, output, settings
from pmkvm.deadline import Deadline
from pmkvm.errors import DeadlineError
from pmkvm.pacemaker import cib, difference, tools
from pmkvm.pacemaker.document import CibDocument
from vmctl import dry_run_formats
from vmctl.messages import RefusedError, message, say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vmctl.command_line import Request

    # Edits the document that it is given; raises RefusedError. May be called more than once.
    Plan = Callable[[CibDocument], None]

# A change of a large CIB is validated and written to disk on every node before it is answered.
CHANGE_S = 120.0
LOCK_S = 60.0
QUERY_S = 30.0


def make(plan: Plan, request: Request) -> CibDocument:
    """Make the change, anew when somebody else was faster; what the CIB is then."""
    planned: list[CibDocument] = []

    def wanted(document: str) -> cib.Change | None:
        planned[:] = before, after = CibDocument(document), CibDocument(document)
        plan(after)
        return difference.change(before, after)

    if request.dry_run:
        wanted(cib.query(Deadline(QUERY_S)))
        output.write(dry_run_formats.WRITERS[request.format](*planned))
    else:
        with lock("vm-ctl"):
            cib.change(wanted, Deadline(CHANGE_S))
    return planned[-1]


@contextlib.contextmanager
def lock(name: str) -> Iterator[None]:
    """One vm-ctl at a time on this host; between hosts the CIB's version decides, and here too
    where no lock can be made."""
    if tools.is_offline():
        yield
        return
    path = os.path.join(settings.RUN_DIR, f"{name}.lock")
    with contextlib.ExitStack() as stack:
        try:
            os.makedirs(settings.RUN_DIR, mode=0o755, exist_ok=True)
            stack.enter_context(files.Lock(path, Deadline(LOCK_S)))
        except OSError as error:
            say([message(57, reason=error)])
        except DeadlineError as error:
            raise RefusedError(message(17, reason=str(error))) from error
        yield
