# SPDX-License-Identifier: GPL-2.0-or-later
"""Exit codes of the OCF resource agent API 1.1."""

from __future__ import annotations

from pmkvm.light_types import IntEnum


class OcfCode(IntEnum):
    """Names as in the specification, without its OCF_ prefix and ERR_."""

    SUCCESS = 0
    GENERIC = 1
    ARGS = 2
    UNIMPLEMENTED = 3
    PERM = 4
    INSTALLED = 5
    CONFIGURED = 6
    NOT_RUNNING = 7
    RUNNING_PROMOTED = 8
    FAILED_PROMOTED = 9
    DEGRADED = 190
    DEGRADED_PROMOTED = 191
