# SPDX-License-Identifier: GPL-2.0-or-later
"""fence_vm_helper's table of options: the parameters of stonith-helper. Pure."""

from __future__ import annotations

from stonith.plugin import fence_options
from stonith.stonith_helper.parameters import TABLE

NAME = "fence_vm_helper"
OPTIONS = fence_options.options("Node that is to be fenced.", *TABLE)
