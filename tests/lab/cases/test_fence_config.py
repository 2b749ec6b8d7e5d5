# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest whose parameter config is given in more than one way is fenced as what it is: the domain
of the file that Pacemaker hands to the agent on its host."""

from __future__ import annotations

import contextlib
from xml.etree.ElementTree import Element, tostring

import pytest

from tests.lab.cluster import behind
from tests.lab.cluster.cib import location
from tests.lab.cluster.config_shapes import DIFFERENT, SHAPES, SITE, Paths
from tests.lab.errors import LabError
from tests.lab.faults.situations import matches, wait_until
from tests.lab.guests.guests import IMAGES, Guest
from tests.lab.guests.lives import Lives

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.lab.cluster.config_shapes import Shape
    from tests.lab.guests.pair import Pair

pytestmark = pytest.mark.rotating(parts=30)

STAYS = "guest2-stays"
OTHER = Guest("guest2-old", power="deaf")
PATHS = Paths("/etc/libvirt/qemu/guest2.xml", f"{IMAGES}/guest2.xml", f"{IMAGES}/{OTHER.name}.xml")


@contextlib.contextmanager
def given(pair: Pair, shape: Shape) -> Iterator[None]:
    """guest2's config is given in that shape, and guest2 runs on: what is used is the same. It
    comes back to host2, since the other host may use another file."""
    lab = pair.lab
    lab.guests.place(OTHER)
    for host in lab.hosts:
        attribute = ["crm_attribute", "-t", "nodes", "-N", host.name, "-n", SITE]
        host.must([*attribute, "-v", host.name])
    before = lab.cib().find("configuration/resources")
    if before is None:
        raise LabError("the CIB has no resources")
    lab.cluster.add(location(STAYS, pair.target.resource, "host2", "INFINITY"))
    replace(pair, shape.apply(before, pair.target.resource, PATHS))
    try:
        argv = ["crm_resource", "--resource", pair.target.resource, "--get-parameter", "config"]
        # host2 has the change a moment after the host that was told.
        wait_until(lambda: lab.hosts[1].must(argv).strip() == PATHS.used, "host2's parameter")
        yield
    finally:
        replace(pair, before)
        path = f"//rsc_location[@id='{STAYS}']"
        lab.cluster.speaker().must(["cibadmin", "--delete", "--xpath", path])


def replace(pair: Pair, resources: Element) -> None:
    argv = ["cibadmin", "--replace", "--scope", "resources", "--xml-pipe"]
    pair.lab.cluster.speaker().must(argv, stdin=tostring(resources, encoding="unicode"))


@pytest.mark.parametrize("kind", behind.TOKENS)
@pytest.mark.parametrize("shape", SHAPES, ids=[each.name for each in SHAPES])
def test_a_guest_is_dead_whatever_stands_first(
    pair: Pair, shape: Shape, kind: str, record_property: Callable[[str, object], None]
) -> None:
    boot = pair.place(pair.lab.hosts[1])
    boots = pair.requester.counter.boots()
    with given(pair, shape), behind.keyed(pair):
        pair.lab.cluster.wait_idle()
        token = behind.token(pair, kind)
        assert pair.target.counter.boot() == boot
        with Lives(pair.lab.guests, pair.target.guest) as lives, behind.another_stop(pair):
            told = behind.reset(pair, token, lives)
            record_property("fence", (f"{shape.name}, {kind}", told.text, told.answered.took_s))
            assert told.overlooked == ()
            assert told.answered.is_ok, behind.reason(pair, told.answered)
        pair.returned(boot)
        assert pair.leftovers("Started", boots) == []


@pytest.mark.parametrize("kind", behind.TOKENS)
def test_hosts_with_two_domains_are_told_apart(
    pair: Pair, kind: str, record_property: Callable[[str, object], None]
) -> None:
    """No OK while one of them lives; the host of the one that asks has the other's definition."""
    pair.place(pair.lab.hosts[1])
    boots = pair.requester.counter.boots()
    with behind.keyed(pair):
        token = behind.token(pair, kind)
        with Lives(pair.lab.guests, pair.target.guest) as lives, behind.another_stop(pair):
            with given(pair, DIFFERENT):
                told = behind.reset(pair, token, lives, behind.SHORT_S)
            record_property("fence", (f"{DIFFERENT.name}, {kind}", told.text, told.answered.took_s))
            assert told.overlooked == ()
            if not told.answered.is_ok:
                assert matches(behind.DIFFERS, behind.reason(pair, told.answered))
        pair.lab.cluster.wait_running(pair.target.resource)
        assert pair.leftovers("Started", boots) == []
