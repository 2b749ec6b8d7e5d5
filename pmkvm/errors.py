# SPDX-License-Identifier: GPL-2.0-or-later
"""The errors that cross module borders; each says what, where and what is allowed in one line."""

from __future__ import annotations


class HaError(Exception):
    """Base of the project's own errors. str() is one line for a person."""


class DeadlineError(HaError):
    """Something did not happen in the time it was given."""


class CommandError(HaError):
    """A child process could not do what it was asked."""


class CommandMissingError(CommandError):
    """The program is not installed."""


class CommandTimeoutError(CommandError, DeadlineError):
    """The program did not end in time; it was killed and reaped."""
