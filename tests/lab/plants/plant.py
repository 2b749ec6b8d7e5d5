# SPDX-License-Identifier: GPL-2.0-or-later
"""One fault that is planted in the cluster of scene.py, and what vm-check must say of it."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import NamedTuple

from tests.lab.plants import scene as scenes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from xml.etree.ElementTree import Element

    from tests.lab.plants.scene import Scene
    from tests.lab.plants.verdict import Found

HOST1, HOST2 = "host1", "host2"
BOTH = (HOST1, HOST2)


class Plant(NamedTuple):
    """enter plants the fault, and heals it at its end; found are all findings it must give."""

    name: str
    enter: Callable[[Scene], AbstractContextManager[None]]
    found: frozenset[Found]


def plant(
    name: str, enter: Callable[[Scene], AbstractContextManager[None]], *found: Found
) -> Plant:
    return Plant(name, enter, frozenset(found))


def in_cib(name: str, change: Callable[[Element], None], *found: Found) -> Plant:
    """The cluster's configuration is changed, in one write."""
    return plant(name, partial(scenes.configuration, change=change), *found)


def in_definition(
    name: str, guest: str, change: Callable[[str], str], hosts: tuple[str, ...], *found: Found
) -> Plant:
    """A guest's definition is changed on these hosts."""

    def enter(scene: Scene) -> AbstractContextManager[None]:
        one = next(each for each in scene.guests if each.guest.name == guest)
        return scenes.definition(one, change, *(scene.lab.host(host) for host in hosts))

    return plant(name, enter, *found)


def in_host(name: str, host: str, there: str, back: str, *found: Found) -> Plant:
    """A line of the shell plants it on a host, another one heals it."""

    @contextlib.contextmanager
    def enter(scene: Scene) -> Iterator[None]:
        machine = scene.lab.host(host)
        machine.must(["sh", "-ec", there])
        try:
            yield
        finally:
            machine.must(["sh", "-ec", back])

    return plant(name, enter, *found)


def together(name: str, first: Plant, second: Plant, *found: Found) -> Plant:
    """Two changes that make one fault."""

    @contextlib.contextmanager
    def enter(scene: Scene) -> Iterator[None]:
        with first.enter(scene), second.enter(scene):
            yield

    return plant(name, enter, *found)
