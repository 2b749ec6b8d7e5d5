# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

import pytest

from daemons.vm_connectd import label

GUEST = "system_u:system_r:svirt_t:s0:c12,c345"
OTHER = "system_u:system_r:svirt_t:s0:c12,c346"
DAEMON = "system_u:system_r:virtqemud_t:s0-s0:c0.c1023"
SHARED = "system_u:system_r:svirt_t:s0"
PROFILE = "libvirt-0a1b (enforce)"


@pytest.mark.parametrize(
    ("one", "other", "are_apart"),
    [
        (GUEST, GUEST, False),
        (GUEST, OTHER, True),
        (GUEST.replace("svirt_t", "svirt_image_t"), GUEST, False),
        (PROFILE, "libvirt-0a1b (complain)", False),
        (PROFILE, "libvirt-0a1c (enforce)", True),
        # What many share, and what is not there, tells nothing.
        (DAEMON, GUEST, False),
        (SHARED, GUEST, False),
        ("libvirtd (enforce)", PROFILE, False),
        ("unconfined", PROFILE, False),
        ("", GUEST, False),
        ("", "", False),
    ],
)
def test_labels_of_two_guests_are_apart(one: str, other: str, are_apart: bool) -> None:
    assert label.are_apart(one, other) is are_apart
    assert label.are_apart(other, one) is are_apart
