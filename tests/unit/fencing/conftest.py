# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

from tests.unit.fencing.cibs import cib, version

__all__ = ["cib", "version"]
