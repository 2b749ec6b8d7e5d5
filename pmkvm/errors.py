# SPDX-License-Identifier: GPL-2.0-or-later
"""The errors that cross module borders; each says what, where and what is allowed in one line."""

from __future__ import annotations


class HaError(Exception):
    """Base of the project's own errors. str() is one line for a person."""


class DeadlineError(HaError):
    """Something did not happen in the time it was given."""


class ExhaustedError(DeadlineError):
    """This process or its host has no memory, thread, process or descriptor left for it.

    That says nothing about what was asked for. It passes by itself as a rule: try again.
    """


class CommandError(HaError):
    """A child process could not do what it was asked."""


class CommandMissingError(CommandError):
    """The program is not installed."""


class CommandTimeoutError(CommandError, DeadlineError):
    """The program did not end in time; it was killed and reaped."""


class CommandExhaustedError(CommandError, ExhaustedError):
    """The program could not be started, or its output not be read, for lack of something."""


# What the loader of libraries says where there is no memory or no descriptor for one.
_NOT_LOADED = ("failed to map segment", "allocate memory", "Too many open files")
# What the interpreter says where there is no memory for a lock of a file, and no thread.
_NOT_MADE = ("can't allocate", "can't start new thread")


def is_exhaustion(error: BaseException) -> bool:
    """Whether an error is about what we have run out of, and not about what was asked for."""
    # Here: a module less for a monitor, whose errors are few.
    import errno

    # Of an OSError, and of a LibvirtError.
    lacking = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.ENOBUFS)
    if getattr(error, "errno", None) in lacking:
        return True
    if isinstance(error, ImportError):
        return any(text in str(error) for text in _NOT_LOADED)
    if isinstance(error, RuntimeError):
        return str(error).startswith(_NOT_MADE)
    # The interpreter itself, where it finds no memory for an error, fails by a SystemError.
    return isinstance(error, (MemoryError, SystemError, ExhaustedError))


def reason_of(error: BaseException) -> str:
    """The words of a system's error alone, without its number and the file; never empty."""
    if isinstance(error, MemoryError):
        return "Out of memory"
    return (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__
