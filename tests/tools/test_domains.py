# SPDX-License-Identifier: GPL-2.0-or-later
"""vm-ctl's survey of a real libvirt, its test driver."""

from __future__ import annotations

import pytest

from vmctl import domains


def test_the_test_drivers_domain_is_defined_and_runs() -> None:
    assert domains.ask_libvirt("test:///default") == (frozenset({"test"}), frozenset({"test"}))


def test_a_libvirt_that_is_not_there_is_silent_with_a_reason() -> None:
    with pytest.raises(domains.HostSilentError) as silent:
        domains.ask_libvirt("qemu+unix:///system?socket=/nonexistent/socket")
    assert "/nonexistent/socket" in str(silent.value)
