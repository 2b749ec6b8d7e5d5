# SPDX-License-Identifier: GPL-2.0-or-later
"""The hosts' daemons under Pacemaker, as the slides of 2011 configure them."""

from __future__ import annotations

from tests.lab.cluster import stonith

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.lab.lab import Lab


def test_the_slides_load_as_printed(clean_lab: Lab) -> None:
    stonith.load_daemons(clean_lab, stonith.SLIDES)
    clean_lab.cluster.wait_idle()
    assert clean_lab.status().failures == []
