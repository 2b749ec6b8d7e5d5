# SPDX-License-Identifier: GPL-2.0-or-later
"""All unit tests: that examples take longer to draw on a busy machine is no failure."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")
