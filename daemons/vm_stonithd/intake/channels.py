# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests of this host that can't ask for a fence, as its vm-connectd tells: for --status, the log.

Else nobody hears of it before a fence is asked for that never arrives.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from functools import partial
from typing import TYPE_CHECKING

from pmkvm.deadline import Deadline
from pmkvm.errors import HaError
from pmkvm.service.bucket import Quota
from pmkvm.wire import client
from pmkvm.wire.errors import NotRunningError, WireError
from pmkvm.wire.printable import shown

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from pmkvm.service.thread_calls import ThreadCalls

log = logging.getLogger(__name__)

LOOK_S = 5.0
ASK_S = 3.0
_REASON_CHARACTERS = 400


class Channels:
    """complaints: of the newest look, a line for each such guest."""

    def __init__(self, calls: ThreadCalls, path: str) -> None:
        self.complaints: tuple[str, ...] = ()
        self._calls = calls
        self._path = path
        self._said: set[str] = set()
        # A guest may end and begin its own connection as it likes.
        self._quota = Quota(time.monotonic())

    async def run(self) -> None:
        while True:
            self._note(await self._look())
            await asyncio.sleep(LOOK_S)

    async def _look(self) -> tuple[str, ...]:
        try:
            work = partial(_ask, self._path)
            return await self._calls.call("asking vm-connectd for the channels", work, ASK_S + 1)
        except NotRunningError:
            # That we are not registered with it says the same.
            return ()
        except (HaError, OSError) as error:
            return (f"the guests' channels are not known: {error}",)

    def _note(self, found: tuple[str, ...]) -> None:
        """What stands for two looks is said once: a guest that starts is connected to between."""
        standing = {each for each in found if each in self.complaints}
        for each in found:
            if each in standing - self._said:
                left_out = self._quota.take(time.monotonic())
                if left_out is not None:
                    log.warning("%s%s", each, left_out)
        self._said = standing
        self.complaints = found


def _ask(path: str) -> tuple[str, ...]:
    """In a thread."""
    return tuple(without_channel(client.status(Deadline(ASK_S), path=path)))


def without_channel(report: str) -> list[str]:
    """A line for each guest that vm-connectd's report has as rejected, or can't connect to.

    Raises WireError for what is no report of a host's vm-connectd.
    """
    try:
        said = json.loads(report)
        silent = [each for each in said["guests"] if not each["is_connected"]]
        return [*_lines(said["rejected"], "reason"), *_lines(silent, "last_error")]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise WireError(f"vm-connectd's report is not understood: {error!r}") from error


def _lines(guests: Iterable[dict[str, Any]], key: str) -> Iterable[str]:
    for each in guests:
        # None yet: it is being connected to for the first time.
        reason = str(each[key])
        if reason:
            who = f"guest {shown(str(each['resource']))} (domain {shown(str(each['domain']))})"
            yield f"{who} can't ask for a fence: {_plain(reason)}"


def _plain(reason: str) -> str:
    """vm-connectd's own words, which may have a definition's or a guest's in them."""
    is_fit = reason.isprintable() and len(reason) <= _REASON_CHARACTERS
    return reason if is_fit else shown(reason, _REASON_CHARACTERS)
