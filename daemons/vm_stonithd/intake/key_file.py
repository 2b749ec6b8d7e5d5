# SPDX-License-Identifier: GPL-2.0-or-later
"""The key file as vm-stonithd follows it: loaded anew when it was replaced, and who used what.

A file that has become bad while we run changes nothing but what is logged: the keys that were
loaded stay good. At the start a bad file gives no keys at all.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import TYPE_CHECKING

from daemons.vm_stonithd.intake.grant import Grant, TokenError
from pmkvm.errors import ExhaustedError
from pmkvm.tokens import ring, seal
from pmkvm.tokens.key_report import USE_S, KeyReport
from pmkvm.tokens.ring import NoRingError, Ring, RingError

if TYPE_CHECKING:
    from typing import Callable

log = logging.getLogger(__name__)


class Keys:
    """complaint: what is wrong with the file, empty if nothing is. is_missing: there is none."""

    def __init__(self, path: str, clock: Callable[[], float] = time.time) -> None:
        self.complaint = ""
        self.is_missing = False
        self._path = path
        self._clock = clock
        self._ring: Ring | None = None
        self._stamp: tuple[int, ...] | None = ()
        self._since: dict[str, int] = {}
        self._used: dict[str, int] = {}
        # Requests are read in threads, and beside them the file is looked at.
        self._lock = threading.Lock()
        try:
            self.look()
        except ExhaustedError as error:
            # The next look is in a second.
            self.complaint = str(error)

    @property
    def reports(self) -> tuple[KeyReport, ...]:
        """For the other hosts, and for the one who rotates."""
        with self._lock:
            return tuple(KeyReport(i, at, self._used.get(i, 0)) for i, at in self._since.items())

    def look(self) -> None:
        """Load the file if it is another one than before. Raises ExhaustedError."""
        with self._lock:
            stamp = self._stamp_now()
            if stamp != self._stamp:
                self._load()
                self._stamp = stamp

    def open(self, token: str) -> Grant:
        """Raises TokenError and ExhaustedError."""
        self.look()
        if self._ring is None:
            raise TokenError(f"no key to open the token with: {self.complaint}")
        try:
            opened = seal.unseal(token, self._ring)
        except seal.SealError as error:
            raise TokenError(str(error)) from error
        with self._lock:
            self._used[opened.key_id] = int(self._clock()) // USE_S * USE_S
        content = opened.content
        return Grant(
            resource=content.resource,
            uuid=content.uuid,
            requesters=frozenset(content.requesters),
            operations=frozenset(content.operations),
            cluster=content.cluster,
            key_id=opened.key_id,
        )

    def _load(self) -> None:
        try:
            self._ring = ring.load(self._path)
        except RingError as error:
            self.is_missing = isinstance(error, NoRingError)
            self.complaint = str(error)
            if self._ring is not None:
                log.error("the keys that were loaded stay in use: %s", error)
            return
        self.is_missing, self.complaint = False, ""
        now = int(self._clock())
        self._since = {key.id: self._since.get(key.id, now) for key in self._ring.keys}
        log.info("keys of %s: %s", self._path, ", ".join(self._since))

    def _stamp_now(self) -> tuple[int, ...] | None:
        try:
            status = os.stat(self._path, follow_symlinks=False)
        except OSError:
            return None
        ids = (status.st_mode, status.st_uid, status.st_ino)
        return (*ids, status.st_mtime_ns, status.st_ctime_ns, status.st_size)
