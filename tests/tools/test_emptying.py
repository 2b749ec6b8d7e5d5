# SPDX-License-Identifier: GPL-2.0-or-later
"""Where Pacemaker's own scheduler puts the guest of a host that is to be emptied."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from lxml import etree

from check.vm_check import emptying
from check.vm_check.emptying import Planned
from pmkvm.deadline import Deadline
from tests.tools import cib_host
from tests.unit.vm_check import world

if TYPE_CHECKING:
    from lxml.etree import _Element

GUEST = "prmVMCTL_guest1"
MIGRATES = '<nvpair id="m-a" name="allow-migrate" value="true"/>'
NOT_ON_B = f'<constraints><rsc_location id="l" rsc="{GUEST}" node="hostB" score="-INFINITY"/>'
RUN_S = 30.0


def cib(meta: str = "", constraints: str = "<constraints>") -> _Element:
    """The guest runs on hostA."""
    primitive = f'<primitive id="{GUEST}" class="ocf" provider="extra" type="VirtualDomain">'
    resource = f'{primitive}<meta_attributes id="m">{meta}</meta_attributes></primitive>'
    text = cib_host.DOCUMENT.replace("CLONES", resource)
    text = text.replace("<constraints/>", f"{constraints}</constraints>")
    for node, known in (("1", cib_host.HISTORY.format(GUEST)), ("2", "")):
        state = f'<lrm id="{node}"><lrm_resources>{known}</lrm_resources></lrm>'
        text = text.replace("ATTRIBUTES", state, 1)
    return etree.fromstring(text.encode())


@pytest.mark.parametrize(
    ("document", "planned"),
    [
        (cib(MIGRATES), Planned("migrate", "hostB")),
        (cib(), Planned("move", "hostB")),
        (cib(MIGRATES, NOT_ON_B), Planned("stop", "")),
    ],
    ids=["lives", "is restarted", "nowhere"],
)
def test_pacemaker_says_where_a_guest_would_go(document: _Element, planned: Planned) -> None:
    facts = world.facts()._replace(cib=document)
    assert emptying.simulate(facts, "hostA", Deadline(RUN_S))[GUEST] == planned


def test_a_guest_of_another_host_stays_where_it_is() -> None:
    facts = world.facts()._replace(cib=cib(MIGRATES))
    assert GUEST not in emptying.simulate(facts, "hostB", Deadline(RUN_S))
