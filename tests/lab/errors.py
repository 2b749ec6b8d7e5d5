# SPDX-License-Identifier: GPL-2.0-or-later
"""The error of a lab that could not do what it was asked."""

from __future__ import annotations

from pmkvm.errors import HaError


class LabError(HaError):
    """The lab itself failed; says where, and what it saw."""
