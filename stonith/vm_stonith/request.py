# SPDX-License-Identifier: GPL-2.0-or-later
"""A request to vm-stonithd and its answer: what both faces of the plugin do.

While nobody has taken it, it is sent again under the same id, so that it is carried out once;
what has been answered is not. Its one line in the log has the id, and never the token.
"""

from __future__ import annotations

import os
import time

from pmkvm.wire import client, codec
from pmkvm.wire.errors import (
    NoAnswerError,
    NotRunningError,
    RefusedError,
    UnavailableError,
    WireError,
)
from stonith.plugin import answer
from stonith.plugin.answer import Answer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pmkvm.deadline import Deadline
    from stonith.plugin.answer import Operation
    from stonith.plugin.journal import Journal
    from stonith.plugin.parameters import Entry

SERVICE = "stonith"
RETRY_S = 1.0
# The host answers before the request's own time is over; that answer has a way to go. The
# cluster's stonith-timeout is 2 s above `timeout`.
WAY_BACK_S = 1.0
_HASH_DIGITS = 16


def fence(operation: Operation, entry: Entry, deadline: Deadline, journal: Journal) -> Answer:
    """Carry it out; its line is in the log when this returns."""
    request_id = client.new_id()
    began = time.monotonic()
    answered = ask(operation, entry, deadline, journal, request_id=request_id)
    took_ms = (time.monotonic() - began) * 1000
    # The hosts' lines begin with the same digits: of an id only its hash is kept there.
    digits = _sha256(request_id.encode())[:_HASH_DIGITS]
    who = os.uname().nodename
    journal.record(
        f"{digits} {who} {operation} {entry.host}: {answered}"
        f" ({took_ms:.0f} ms, request {request_id})",
        is_good=answered.is_ok,
    )
    return answered


def ask(
    operation: Operation,
    entry: Entry,
    deadline: Deadline,
    journal: Journal,
    *,
    request_id: str | None = None,
) -> Answer:
    """Until the deadline, and WAY_BACK_S more for an answer that is under way by then."""
    wanted = request_id or client.new_id()
    reason = ""
    while True:
        try:
            body = _exchange(f"{operation} {entry.token}", wanted, deadline)
            return answer.parse(operation, body)
        except (UnavailableError, NotRunningError, RefusedError) as error:
            if str(error) != reason:
                journal.detail(f"{entry.host}: {error}; trying again")
            reason = str(error)
        except NoAnswerError as error:
            return _no(f"{error}, {reason}" if reason else str(error))
        except WireError as error:
            return _no(str(error))
        deadline.pause(RETRY_S)
        if deadline.expired():
            return _no(reason)


def _sha256(data: bytes) -> str:
    # Here: it loads OpenSSL, which nobody shall wait for before the request is out.
    import hashlib

    return hashlib.sha256(data).hexdigest()


def _no(reason: str) -> Answer:
    return Answer(is_ok=False, reason=f"no answer from the host: {reason}")


def _exchange(text: str, request_id: str, deadline: Deadline) -> str:
    """The reply's body. Raises WireError."""
    seconds = deadline.remaining()
    if not seconds:
        raise NoAnswerError("the time is over")
    with client.Connection(deadline.less(-WAY_BACK_S), program="vm-stonith") as connection:
        return connection.ask(codec.request(SERVICE, request_id, seconds, text))
