# SPDX-License-Identifier: GPL-2.0-or-later
"""What can go wrong on the way between a program in a guest and a server on its host."""

from __future__ import annotations

from pmkvm.errors import DeadlineError, HaError


class WireError(HaError):
    """Base of the channel's own errors."""


class FrameError(WireError):
    """These bytes are no frame: nothing behind them on this connection can be trusted."""


class MessageError(WireError):
    """A frame that is no message of this protocol version, or not one for its receiver."""


class NotRunningError(WireError):
    """No vm-connectd listens on this machine's local socket, or it went away."""


class NoAnswerError(WireError, DeadlineError):
    """Nothing came back in the time given: what became of the request is not known."""


class UnavailableError(WireError):
    """The request was not carried out, says whoever could not pass it on; try again later."""


class RefusedError(WireError):
    """vm-connectd does not want to talk to us, and says why."""
