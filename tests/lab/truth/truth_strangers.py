# SPDX-License-Identifier: GPL-2.0-or-later
"""Situations of the table of truth with a stranger: a QEMU of the guest's name and another uuid."""

from __future__ import annotations

import contextlib

from tests.lab.cluster.agents import RESOURCE
from tests.lab.cluster.cib import primitive
from tests.lab.guests.guests import Guest
from tests.lab.truth.truth_situations import OTHER_UUID

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.truth.truth import Scene


def as_stranger(xml: str) -> str:
    """The definition of a copy of guest1: its name, and another uuid."""
    return xml.replace(Guest("guest1").uuid, OTHER_UUID)


@contextlib.contextmanager
def stranger(scene: Scene) -> Iterator[None]:
    """A copy of the guest runs, which has its name. In the cluster the resource is the guest."""
    cluster = scene.lab.cluster
    # Pacemaker has nothing to do for it: any agent will do.
    meta = {"target-role": "Stopped", "vm-uuid": scene.row.guest.uuid}
    cluster.add(primitive(RESOURCE, meta=meta))
    cluster.wait_idle()
    scene.home.write("/tmp/stranger.xml", as_stranger(scene.row.guest.xml()))
    scene.home.must(["virsh", "-q", "create", "/tmp/stranger.xml"])
    try:
        yield
    finally:
        cluster.speaker().must(
            ["cibadmin", "--delete", "--xpath", f"//primitive[@id='{RESOURCE}']"]
        )
        cluster.wait_idle()


def has_stranger(scene: Scene) -> bool:
    return "running" in scene.home.run(["virsh", "-q", "domstate", OTHER_UUID]).out
