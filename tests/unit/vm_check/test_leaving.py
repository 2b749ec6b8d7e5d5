# SPDX-License-Identifier: GPL-2.0-or-later
"""Each fault of what guests need of a host is found by its id, and nothing else is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from lxml import etree

from check.vm_check import kinds
from pmkvm.pacemaker.resource import INFINITY
from pmkvm.pacemaker.status import Ban, Failure, Node
from pmkvm.virt import disks, survey
from tests.unit.vm_check import fenced, world
from tests.unit.vm_check.world import HOST1, HOST2, defined, guest, having, lacking, on

if TYPE_CHECKING:
    from check.vm_check.facts import Facts

GUEST1, OTHER = "guest1", "99999999-9999-4999-8999-999999999999"
MORE = world.DEVICES
LOCATION = '<rsc_location id="loc" rsc="prmguest1" node="host2" score="-INFINITY"/>'
CLI_BAN = '<rsc_location id="cli-ban-prmguest1-on-host2" rsc="prmguest1" node="host2"/>'
RULE = (
    '<rsc_location id="ping" rsc="prmguest1"><rule id="ping-rule" score="-INFINITY">'
    '<expression id="e" attribute="pingd" operation="lt" value="100"/></rule></rsc_location>'
)


def of_host2(identity: str, name: str = GUEST1) -> set[tuple[str, str, str]]:
    return {(identity, name, HOST2)}


def with_device(device: str) -> Facts:
    return defined(GUEST1, MORE + device)


def cluster(**changes: Any) -> Facts:
    made = world.facts()
    return made._replace(cluster=made.cluster._replace(**changes))


def node2(**changes: bool) -> Facts:
    state = {"online": True, **changes}
    return cluster(nodes=(Node(HOST1, "member", online=True), Node(HOST2, "member", **state)))


def banned(location: str, found_id: str) -> Facts:
    made = cluster(
        bans=(Ban(found_id, "prmguest1", HOST2, -INFINITY),), attributes={HOST2: {"pingd": "0"}}
    )
    constraints = made.cib.find("configuration/constraints")
    assert constraints is not None
    constraints.append(etree.fromstring(location))
    return made


def test_a_healthy_cluster_has_no_findings() -> None:
    assert world.found(world.facts()) == set()
    assert world.told(world.facts()).code == 0


FAULTS = {
    "maintenance of a host": (node2(maintenance=True), {("host-maintenance", HOST2, "")}),
    "standby": (node2(standby=True), {("standby", HOST2, "")}),
    "no quorum": (cluster(has_quorum=False), {("no-quorum", "cluster", "")}),
    "other uuid": (having(GUEST1, HOST2, uuid=OTHER), of_host2("other-uuid")),
    "definition differs": (
        having(GUEST1, HOST2, inactive=fenced.element(world.xml(GUEST1, MORE + "<rng/>"))),
        of_host2("definition-differs"),
    ),
    "file missing there": (
        lacking(HOST2, "/etc/libvirt/qemu/guest1.xml"),
        of_host2("file-unreadable"),
    ),
    "file unreadable here": (
        guest(GUEST1, file=None, file_error="x: No such file"),
        {("file-unreadable", GUEST1, HOST1)},
    ),
    "disk": (lacking(HOST2, "/shared/guest1.img"), of_host2("disk-missing")),
    "medium": (lacking(HOST2, "/iso/guest1.iso"), of_host2("iso-missing")),
    "nvram": (lacking(HOST2, "/nvram/guest1.fd"), of_host2("nvram-missing")),
    "firmware": (
        lacking(HOST2, world.LOADER),
        of_host2("firmware-missing") | of_host2("firmware-missing", "guest2"),
    ),
    "emulator": (
        lacking(HOST2, world.EMULATOR),
        of_host2("emulator-missing") | of_host2("emulator-missing", "guest2"),
    ),
    "bridge": (
        lacking(HOST2, world.BRIDGE),
        of_host2("bridge-missing") | of_host2("bridge-missing", "guest2"),
    ),
    "network": (
        on(HOST2, networks={}),
        of_host2("network-missing") | of_host2("network-missing", "guest2"),
    ),
    "network that is down": (
        on(HOST2, networks={"n": False}),
        of_host2("network-inactive") | of_host2("network-inactive", "guest2"),
    ),
    "pool": (
        on(HOST2, pools={}),
        of_host2("pool-missing") | of_host2("pool-missing", "guest2"),
    ),
    "pool that is down": (
        on(HOST2, pools={"p": False}),
        of_host2("pool-inactive") | of_host2("pool-inactive", "guest2"),
    ),
    "volume": (
        on(HOST2, volumes={"p": frozenset()}),
        of_host2("volume-missing") | of_host2("volume-missing", "guest2"),
    ),
    "cpu": (on(HOST2, cpus={GUEST1: "it lacks avx"}), of_host2("cpu-lacks")),
    "memory": (on(HOST2, free_kib=world.GIB), of_host2("memory-short")),
    "processors": (
        on(HOST2, processors=1),
        of_host2("cpus-short") | of_host2("cpus-short", "guest2"),
    ),
    "hostdev": (with_device("<hostdev/>"), {("device-stays", GUEST1, "")}),
    "directory": (with_device("<filesystem/>"), {("directory-shared", GUEST1, "")}),
    "directory by virtiofs": (
        with_device("<filesystem><driver type='virtiofs'/></filesystem>"),
        {("device-stays", GUEST1, "")},
    ),
    "snapshot": (having(GUEST1, HOST1, snapshots=2), {("snapshot", GUEST1, "")}),
    "managed save": (having(GUEST1, HOST2, saved="kept: so"), of_host2("managed-save")),
    "job": (having(GUEST1, HOST1, job="a block copy"), {("job-under-way", GUEST1, "")}),
    "paused": (having(GUEST1, HOST1, state="paused"), {("guest-stands-still", GUEST1, "")}),
    "location": (banned(LOCATION, "loc"), of_host2("score-forbids")),
    "rule": (banned(RULE, "ping-rule"), of_host2("rule-forbids")),
    "move": (banned(CLI_BAN, "cli-ban-prmguest1-on-host2"), of_host2("move-left")),
    "scores": (
        world.facts(scores={"prmguest1": {HOST1: 0, HOST2: -INFINITY}}),
        of_host2("score-forbids"),
    ),
    "failed": (
        cluster(failures=(Failure("prmguest1_migrate_to_0", HOST2, "no way"),)),
        of_host2("failed"),
    ),
    "moves cold": (guest(GUEST1, meta={}), {("moves-cold", GUEST1, "")}),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found_and_nothing_else(name: str) -> None:
    made, expected = FAULTS[name]
    assert world.found(made) == expected


def test_a_host_that_is_down() -> None:
    assert ("host-down", HOST2, "") in world.found(node2(online=False))


def test_a_silent_host_is_all_that_is_said_of_it() -> None:
    made = world.facts()
    silent = made._replace(hosts={**made.hosts, HOST2: None}, silent={HOST2: "out of time"})
    assert world.found(silent) == {("host-silent", HOST2, "")}


def test_no_definition_and_no_file_there() -> None:
    made = lacking(HOST2, "/etc/libvirt/qemu/guest1.xml")
    known = made.hosts[HOST2]
    assert known is not None
    without = {name: each for name, each in known.domains.items() if name != GUEST1}
    assert world.found(on(HOST2, made, domains=without)) == of_host2("definition-missing")
    # A start goes by the file that is there.
    assert world.found(on(HOST2, domains=without)) == set()


def test_a_disk_that_was_plugged_in() -> None:
    more = "<disk><source file='/shared/more.img'/><driver cache='none'/><target dev='vdc'/></disk>"
    made = having(GUEST1, HOST1, live=fenced.element(world.xml(GUEST1, MORE + more)))
    assert world.found(made) == {("disks-differ", GUEST1, HOST1)}


def test_the_definition_names_an_image_below_the_live_one() -> None:
    over = world.xml(GUEST1).replace(
        "<source file='/shared/guest1.img'/>",
        "<source file='/shared/over.img'/>"
        "<backingStore type='file'><source file='/shared/guest1.img'/></backingStore>",
    )
    made = having(GUEST1, HOST1, live=fenced.element(over))
    older = {("disks-older", GUEST1, node) for node in (HOST1, HOST2)}
    assert world.found(made) == older


def test_a_stopped_guest_that_had_other_disks_last() -> None:
    last = disks.LastDisks(disks.digests([disks.Disk("vda", "/shared/newer.img")]), "vda newer")
    meta = {"allow-migrate": "true", "vm-disks": last.to_text()}
    made = having(GUEST1, HOST1, live=None, runs=False, state="shutoff")
    guests = {**made.guests, GUEST1: made.guests[GUEST1]._replace(meta=meta)}
    found = world.found(made._replace(guests=guests))
    assert {("disks-older", GUEST1, node) for node in (HOST1, HOST2)} <= found


def test_the_state_of_a_tpm_on_one_host() -> None:
    tpm = "<tpm model='tpm-tis'><backend type='emulator'/></tpm>"
    state = world.private(GUEST1, "the state of its TPM", f"/var/lib/libvirt/swtpm/{uuid()}")
    made = with_device(tpm)._replace(private=state)
    assert world.found(made) == {("tpm-local", GUEST1, "")}
    assert world.found(with_device(tpm)) == set()


def uuid() -> str:
    return fenced.UUIDS[GUEST1]


@pytest.mark.parametrize(
    ("cache", "changes", "expected"),
    [
        ("writeback", {"unshared": frozenset({"/shared/guest1.img"})}, True),
        # On a file system of all hosts a QEMU of today drops what it has cached.
        ("writeback", {}, False),
        ("none", {"unshared": frozenset({"/shared/guest1.img"})}, False),
    ],
)
def test_a_cache_mode(cache: str, changes: dict[str, Any], expected: bool) -> None:
    devices = MORE.replace("cache='none'", f"cache='{cache}'", 1)
    found = world.found(defined(GUEST1, devices)._replace(**changes))
    assert found == ({("cache-unsafe", GUEST1, "")} if expected else set())


def test_ids_are_unique_and_cures_can_be_written() -> None:
    ids = [kind.id for kind in kinds.KINDS]
    assert len(ids) == len(set(ids))
    for finder in kinds.FINDERS:
        source = Path(str(finder.__file__)).read_text(encoding="utf-8")
        names = [name for name, value in vars(finder).items() if value in finder.KINDS]
        assert [name for name in names if source.count(name) < 2] == []


def test_every_module_of_kinds_is_asked() -> None:
    assert {each.__name__.rpartition(".")[2] for each in kinds.FINDERS} >= {
        *("of_hosts", "of_placement", "of_definitions", "of_supplies", "of_hardware"),
        *("of_keeping", "of_times", "of_fencing", "of_settings", "channels", "rehearsal"),
    }
    assert survey.ANSWER_S <= 3
