# SPDX-License-Identifier: GPL-2.0-or-later
"""fence_vm_stonith's table of options. Pure."""

from __future__ import annotations

from stonith.plugin import fence_options
from stonith.plugin.parameters import SHARED, Parameter

NAME = "fence_vm_stonith"
OPTIONS = fence_options.options(
    "Guest to be fenced: the name of its cluster node.",
    *SHARED,
    Parameter(
        "delay",
        "second",
        "",
        "Seconds to wait before off and reboot, in addition to timeout. Guests that fence each"
        " other need no delay: exactly one of them succeeds.",
        "0",
        argument="seconds",
    ),
)
