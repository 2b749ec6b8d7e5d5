# SPDX-License-Identifier: GPL-2.0-or-later
"""The one version string."""

VERSION = "2.0.0"
