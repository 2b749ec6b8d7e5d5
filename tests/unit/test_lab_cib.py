# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab's own CIB has the names of options that its Pacemaker prefers, and no others."""

from __future__ import annotations

from xml.etree.ElementTree import fromstring

import pytest

from tests.lab.cluster import cib

EMPTY = (
    '<cib crm_feature_set="{0}" validate-with="pacemaker-3.9" epoch="0"><configuration>'
    "<crm_config/><nodes/><resources/><constraints/></configuration><status/></cib>"
)


@pytest.mark.parametrize(
    ("feature_set", "name"), [("3.16.1", "stonith"), ("3.20.0", "stonith"), ("3.20.5", "fencing")]
)
def test_options_are_called_as_pacemaker_prefers(feature_set: str, name: str) -> None:
    made = fromstring(cib.bare(EMPTY.format(feature_set), "pacemaker"))
    pairs = made.findall("configuration/crm_config/cluster_property_set/nvpair")
    assert {pair.get("name"): pair.get("value") for pair in pairs} == {
        f"{name}-enabled": "true",
        f"{name}-timeout": "30s",
        "dc-deadtime": "5s",
    }
    assert cib.crm_config(made) == {pair.get("name"): pair.get("value") for pair in pairs}
