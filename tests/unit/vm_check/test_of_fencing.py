# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from lxml import etree

from check.vm_check import channels, of_fencing
from pmkvm.fencing import mute
from tests.unit.vm_check import fenced

if TYPE_CHECKING:
    from check.vm_check.facts import Facts

NOW, WORDS = fenced.NOW, fenced.WORDS
DIFFER = ("keys-differ", "host2")


def test_a_healthy_cluster_has_none() -> None:
    assert fenced.found(of_fencing, fenced.facts()) == []
    assert fenced.found(channels, fenced.facts()) == []


def without(path: str) -> Facts:
    def change(root: etree._Element) -> None:
        for each in root.findall(path):
            parent = each.getparent()
            assert parent is not None
            parent.remove(each)

    return fenced.with_cib(change)


def device(**parameters: str) -> Facts:
    def change(root: etree._Element) -> None:
        owner = root.find(".//primitive[@id='fence']")
        assert owner is not None
        pairs = "".join(f'<nvpair id="{n}" name="{n}" value="{v}"/>' for n, v in parameters.items())
        owner.append(etree.fromstring(f"<instance_attributes>{pairs}</instance_attributes>"))

    return fenced.with_cib(change)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (fenced.option("stonith-enabled", "false"), ("fencing-disabled", "cluster")),
        (fenced.option("fencing-enabled", "No"), ("fencing-disabled", "cluster")),
        (without(".//primitive[@id='fence']"), ("fencing-missing", "cluster")),
        (device(pcmk_host_list="host1, other"), ("fencing-missing", "host2")),
        (device(pcmk_host_map="host2:7;x:8"), ("fencing-missing", "host1")),
        (without(".//op[@id='f']"), ("fencing-unmonitored", "cluster")),
        (fenced.without_instance("fence", "host1"), ("fencing-stopped", "cluster")),
        (fenced.without_instance(fenced.CONNECTD, "host2"), ("connectd-missing", "host2")),
        (fenced.without_instance(fenced.STONITHD, "host2"), ("stonithd-missing", "host2")),
        (fenced.words("host2", ""), ("stonithd-silent", "host2")),
        (fenced.words("host2", WORDS.format(up=NOW - 40)), ("stonithd-silent", "host2")),
        (fenced.words("host2", WORDS.format(up=NOW - 3600)), ("clock-apart", "host2")),
        (fenced.words("host2", WORDS.format(up=NOW + 30)), ("clock-apart", "host2")),
        (fenced.words("host2", f"up={NOW - 1}"), ("key-missing", "host2")),
        (fenced.words("host2", WORDS.replace("0123abcd", "ffffffff").format(up=NOW)), DIFFER),
        (fenced.option("cluster-recheck-interval", "0s"), ("recheck-interval", "cluster")),
    ],
)
def test_each_fault_is_found_alone(made: Facts, expected: tuple[str, str]) -> None:
    assert fenced.found(of_fencing, made) == [expected]


def test_a_device_that_names_all_hosts_is_enough() -> None:
    assert fenced.found(of_fencing, device(pcmk_host_list="host1 host2")) == []


def test_a_watchdog_fences_without_a_device() -> None:
    made = without(".//primitive[@id='fence']")
    owner = made.cib.find("configuration/crm_config/cluster_property_set")
    assert owner is not None
    for name, value in (("have-watchdog", "true"), ("stonith-watchdog-timeout", "10s")):
        owner.append(etree.fromstring(f'<nvpair id="{name}" name="{name}" value="{value}"/>'))
    assert fenced.found(of_fencing, made) == []


def test_no_key_anywhere_is_one_finding() -> None:
    said = {host: {"vm-stonith": f"up={NOW}"} for host in fenced.HOSTS}
    assert fenced.found(of_fencing, fenced.facts(attributes=said)) == [("no-key", "cluster")]


def test_a_host_on_standby_needs_no_daemons() -> None:
    made = fenced.without_instance(fenced.STONITHD, "host2")
    node = made.cib.find("configuration/nodes/node[@uname='host2']")
    assert node is not None
    pair = '<instance_attributes><nvpair name="standby" value="on"/></instance_attributes>'
    node.append(etree.fromstring(pair))
    assert fenced.found(of_fencing, made) == []


def bare(state: str = "") -> str:
    return fenced.CHANNEL.replace(" state='connected'", state)


def test_a_guest_without_a_port_is_found() -> None:
    made = fenced.facts()
    for host in made.hosts.values():
        assert host is not None
        for name in ("inactive", "live"):
            definition = getattr(host.domains["guest2"], name)
            for devices in definition.findall("devices") if definition is not None else ():
                devices.clear()
    assert fenced.found(channels, made) == [("channel-missing", "guest2")]
    no_daemon = made._replace(cib=without(".//clone").cib)
    assert fenced.found(channels, no_daemon) == []


def test_a_port_that_nobody_opened_is_found() -> None:
    live = fenced.element(fenced.domain_xml("guest2", bare(" state='disconnected'")))
    made = fenced.there("host2", "guest2", live=live)
    assert fenced.found(channels, made) == [("channel-closed", "guest2")]


def told(made: Facts, host: str, *ids: str, age_s: float = 5) -> Facts:
    """What that host's vm-connectd says."""
    words = {mute.ATTRIBUTE: mute.encode(NOW - age_s, ids)}
    return made._replace(attributes={**made.attributes, host: {**made.attributes[host], **words}})


def test_a_guest_that_does_not_answer_is_found_where_it_runs() -> None:
    made = told(fenced.facts(), "host2", "prmguest1", "prmguest2")
    (found,) = channels.findings(made)
    assert (found.kind.id, found.subject, found.host) == ("channel-mute", "guest2", "host2")
    assert fenced.found(channels, told(fenced.facts(), "host2", "prmguest2", age_s=3600)) == []


def test_a_port_that_nobody_opened_is_no_mute_one() -> None:
    live = fenced.element(fenced.domain_xml("guest2", bare(" state='disconnected'")))
    made = told(fenced.there("host2", "guest2", live=live), "host2", "prmguest2")
    assert fenced.found(channels, made) == [("channel-closed", "guest2")]
