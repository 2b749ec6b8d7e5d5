# SPDX-License-Identifier: GPL-2.0-or-later
"""CIBs of three-host clusters as Pacemaker 2.1 and 3.0 write them, and ways to break them.

host1 and host2 are members, host3 has left cleanly, host4 was fenced, remote1 is a remote node.
guest2 has come to host2 by live migration from host1 (its _last_0 there: monitor 7).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from lxml import etree

if TYPE_CHECKING:
    from pmkvm.fencing.guard import Write

VERSIONS = ("2.1", "3.0")
DATA = Path(__file__).parent / "data"

# How each release writes that a host is no member of corosync, and that Pacemaker is not there.
NO = {"2.1": ("false", "offline"), "3.0": ("0", "0")}


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def cib(version: str) -> etree._Element:
    return etree.fromstring((DATA / f"cib-{version}.xml").read_bytes())


def matches(cib: etree._Element, write: Write) -> bool:
    """Whether the CIB manager would carry it out."""
    found = cib.getroottree().xpath(write.xpath)
    assert isinstance(found, list)
    assert len(found) <= 1, "a guarded write changes one place"
    return bool(found)


def element(cib: etree._Element, xpath: str) -> etree._Element:
    found = cib.getroottree().xpath(xpath)
    assert isinstance(found, list)
    (only,) = found
    assert isinstance(only, etree._Element)
    return only


def state(cib: etree._Element, host: str) -> etree._Element:
    return element(cib, f"/cib/status/node_state[@uname='{host}']")


def history(cib: etree._Element, host: str, resource: str) -> etree._Element:
    return element(cib, f"/cib/status/node_state[@uname='{host}']//lrm_resource[@id='{resource}']")


def last(cib: etree._Element, host: str, resource: str) -> etree._Element:
    return element(
        cib, f"/cib/status/node_state[@uname='{host}']//lrm_rsc_op[@id='{resource}_last_0']"
    )


def remove(gone: etree._Element) -> None:
    parent = gone.getparent()
    assert parent is not None
    parent.remove(gone)


def set_all(changed: etree._Element, **values: str) -> None:
    """Attributes by their names, in which _ stands for -."""
    for name, value in values.items():
        changed.set(name.replace("_", "-"), value)


def add(parent: etree._Element, text: str) -> None:
    parent.append(etree.fromstring(text))


def add_option(cib: etree._Element, name: str, value: str) -> None:
    options = element(cib, "/cib/configuration/crm_config/cluster_property_set")
    for old in options.findall(f"nvpair[@name='{name}']"):
        options.remove(old)
    add(options, f'<nvpair id="added-{name}" name="{name}" value="{value}"/>')


def add_operation(entry: etree._Element, operation: str, call_id: int, rc: int = 0) -> None:
    resource = entry.get("id")
    status = "-1" if rc == 193 else "0"
    number = -1 if rc == 193 else call_id
    add(
        entry,
        f'<lrm_rsc_op id="{resource}_{operation}_0" operation_key="{resource}_{operation}_0"'
        f' operation="{operation}" call-id="{number}" rc-code="{rc}" op-status="{status}"'
        ' interval="0"/>',
    )


def add_ban(cib: etree._Element, text: str) -> None:
    add(element(cib, "/cib/configuration/constraints"), text)
