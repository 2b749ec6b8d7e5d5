# SPDX-License-Identifier: GPL-2.0-or-later
"""crm_mon's documents of Pacemaker 2.1.5 and 3.0.0, captured with the CIB in data/cib.xml."""

from __future__ import annotations

from pathlib import Path

import pytest

from pmkvm.pacemaker import status
from pmkvm.pacemaker.errors import BadAnswerError, ClusterDownError

DATA = Path(__file__).parent / "data"
RELEASES = ("2.1", "3.0")


def captured(name: str) -> str:
    return (DATA / name).read_text(encoding="utf-8")


@pytest.fixture(params=RELEASES)
def cluster(request: pytest.FixtureRequest) -> status.Cluster:
    return status.parse(captured(f"crm_mon-{request.param}.xml"))


def one(cluster: status.Cluster, name: str) -> status.Resource:
    (instance,) = cluster.instances(name)
    return instance


def test_nodes_with_their_kinds_and_whether_fencing_is_on(cluster: status.Cluster) -> None:
    kinds = {node.name: (node.kind, node.online) for node in cluster.nodes}
    assert kinds == {
        "box-0": ("guest", False),
        "hostA": ("member", True),
        "hostB": ("member", True),
        "hostC": ("member", False),
    }
    assert cluster.online_members() == ("hostA", "hostB")
    assert cluster.stonith_enabled


def test_a_guest_that_runs_one_that_is_being_stopped_and_one_that_failed_unmanaged(
    cluster: status.Cluster,
) -> None:
    guest = one(cluster, "prmVMCTL_guest1")
    assert guest.agent == "ocf:extra:VirtualDomain"
    assert (guest.role, guest.target_role, guest.nodes) == ("Started", "Started", ("hostA",))
    assert guest.active
    assert guest.managed
    guest = one(cluster, "prmVMCTL_guest2")
    assert (guest.role, guest.active, guest.nodes) == ("Stopping", True, ("hostA",))
    guest = one(cluster, "prmVMCTL_guest3")
    assert guest.parents == ("grp",)
    assert guest.failed
    assert not guest.managed


def test_each_copy_of_a_clone_and_what_is_in_a_bundle(cluster: status.Cluster) -> None:
    copies = cluster.instances("prmPingd")
    assert [copy.nodes for copy in copies] == [("hostA",), (), ()]
    assert {copy.parents for copy in copies} == {("clnPingd",)}
    assert one(cluster, "inbox").parents == ("box",)


def test_failures_with_their_reason(cluster: status.Cluster) -> None:
    (failure,) = cluster.failures
    assert failure[:3] == ("prmVMCTL_guest3_monitor_10000", "hostB", "libvirt does not answer")


def test_a_reason_that_crm_mon_has_escaped_once_too_often() -> None:
    document = captured("crm_mon-2.1.xml")
    told = "&amp;apos;/a&amp;amp;lt;b&amp;apos; is &amp;quot;no&amp;quot; file"
    (failure,) = status.parse(document.replace("libvirt does not answer", told)).failures
    assert failure.reason == """'/a&lt;b' is "no" file"""


@pytest.mark.parametrize("release", RELEASES)
def test_neither_a_stopped_cluster_nor_an_unreadable_file_is_an_empty_one(release: str) -> None:
    with pytest.raises(ClusterDownError):
        status.parse(captured(f"crm_mon-down-{release}.xml"))
    with pytest.raises(BadAnswerError, match="No such device"):
        status.parse(captured(f"crm_mon-no-file-{release}.xml"))


HEAD = '<pacemaker-result><summary/><nodes><node name="a" id="1" online="true"/></nodes>'
TAIL = '<status code="0" message="OK"/></pacemaker-result>'


@pytest.mark.parametrize(
    "document",
    [
        "",
        "no xml",
        "<html/>",
        "<pacemaker-result/>",
        '<pacemaker-result><status code="1" message="Error"/></pacemaker-result>',
        f"<pacemaker-result><summary/>{TAIL}",
        f'{HEAD}<resources><resource role="Started"/></resources>{TAIL}',
    ],
)
def test_what_is_not_understood_is_a_bad_answer(document: str) -> None:
    with pytest.raises(BadAnswerError):
        status.parse(document)


@pytest.mark.parametrize(
    ("option", "enabled", "name"),
    [
        ("", True, "stonith-enabled"),
        ('stonith-enabled="false"', False, "stonith-enabled"),
        ('stonith-enabled="true"', True, "stonith-enabled"),
        # As 3.0.2 has it, and a Pacemaker that has dropped the old name.
        ('fencing-enabled="false" stonith-enabled="false"', False, "fencing-enabled"),
        ('fencing-enabled="true" stonith-enabled="true"', True, "fencing-enabled"),
        ('fencing-enabled="false"', False, "fencing-enabled"),
        ('fencing-enabled="true"', True, "fencing-enabled"),
        ('fencing-enabled="false" stonith-enabled="true"', False, "fencing-enabled"),
    ],
)
def test_fencing_is_on_unless_it_is_said_to_be_off(
    option: str, name: str, *, enabled: bool
) -> None:
    summary = f"<summary><cluster_options {option}/></summary>"
    document = f"<pacemaker-result>{summary}<nodes/>{TAIL}"
    cluster = status.parse(document)
    assert (cluster.stonith_enabled, cluster.fencing_option) == (enabled, name)


def test_without_a_dc_there_may_be_no_resources() -> None:
    document = f'<pacemaker-result><summary><current_dc present="false"/></summary><nodes/>{TAIL}'
    assert status.parse(document).resources == ()


def of_guest(role: str, *nodes: str, pending: str | None = None) -> status.Resource:
    """An instance of a resource called guest."""
    return status.Resource(
        id="guest",
        agent="ocf:extra:VirtualDomain",
        role=role,
        target_role=None,
        active=bool(nodes),
        managed=True,
        failed=False,
        blocked=False,
        pending=pending,
        nodes=nodes,
        parents=(),
    )


@pytest.mark.parametrize(
    ("instances", "started", "stopped"),
    [
        ([of_guest("Started", "hostA")], True, False),
        ([of_guest("Started")], False, False),
        ([of_guest("Stopped")], False, True),
        ([of_guest("Starting", "hostA")], False, False),
        ([of_guest("Stopping", "hostA")], False, False),
        ([of_guest("Stopped", pending="Starting")], False, False),
        ([of_guest("Started", "hostA", pending="Migrating")], False, False),
        ([of_guest("Started", "hostA", "hostB")], False, False),
        ([of_guest("Started", "hostA"), of_guest("Stopped")], False, False),
        ([of_guest("Stopped"), of_guest("Stopped")], False, True),
        ([], False, True),
    ],
)
def test_started_and_stopped_are_seen_and_not_guessed(
    cluster: status.Cluster, instances: list[status.Resource], *, started: bool, stopped: bool
) -> None:
    found = cluster._replace(resources=tuple(instances))
    assert found.is_started("guest") is started
    assert found.is_stopped("guest") is stopped


def test_where_a_resource_is_active(cluster: status.Cluster) -> None:
    copies = (of_guest("Started", "hostB"), of_guest("Started", "hostA"), of_guest("Stopped"))
    found = cluster._replace(resources=copies)
    assert found.active_on("guest") == ["hostA", "hostB"]
    assert found.active_on("another") == []


NODES = (
    '<nodes><node name="a" type="member" online="true"/><node name="b" type="member"'
    ' online="false"/><node name="c" type="remote" online="true"/><node name="d" type="remote"'
    ' online="true" id_as_resource="d"/><node name="e" type="ping" online="true"/></nodes>'
)


@pytest.mark.parametrize("release", RELEASES)
def test_hosts_are_members_and_remote_nodes_and_no_guests(release: str) -> None:
    assert status.parse_hosts(f"<pacemaker-result>{NODES}{TAIL}") == ("a", "c")
    assert status.parse_hosts(captured(f"crm_mon-{release}.xml")) == ("hostA", "hostB")


@pytest.mark.parametrize("nodes", ["", "<nodes/>", '<nodes><node online="true"/></nodes>'])
def test_an_answer_without_nodes_is_no_cluster_without_hosts(nodes: str) -> None:
    with pytest.raises(BadAnswerError):
        status.parse_hosts(f"<pacemaker-result>{nodes}{TAIL}")
