# SPDX-License-Identifier: GPL-2.0-or-later
"""What can go wrong between us and Pacemaker's tools. A missing tool is CommandMissingError."""

from __future__ import annotations

from enum import IntEnum

from pmkvm.errors import CommandError, HaError


class ExitCode(IntEnum):
    """The crm_exit_e codes that we rely on, under Pacemaker's names (crm/common/results.h)."""

    UNAVAILABLE = 69
    CONFIG = 78
    DISCONNECT = 102
    NOSUCH = 105
    QUORUM = 106
    TIMEOUT = 124


class ClusterDownError(HaError):
    """No cluster runs on this host, or its CIB manager does not take connections."""


class NotAllowedError(HaError):
    """Pacemaker does not answer whoever runs this program; what it does is not known."""


class BadAnswerError(HaError):
    """A tool answered with something that cannot be understood."""


class ToolError(CommandError):
    """A tool understood the question and refused; rc is its exit code."""

    def __init__(self, text: str, rc: int) -> None:
        super().__init__(text)
        self.rc = rc
