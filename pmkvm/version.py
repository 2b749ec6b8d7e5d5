# SPDX-License-Identifier: GPL-2.0-or-later
"""The one version string, which rpm/pm_kvm_tools.spec repeats."""

VERSION = "2.0.0"
