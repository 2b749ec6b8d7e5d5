# SPDX-License-Identifier: GPL-2.0-or-later
"""From parameters to URIs, flags and typed parameters, with heartbeat:VirtualDomain's meaning."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agents.virtual_domain.migration.plan import plan
from agents.virtual_domain.migration.policy import Steering
from agents.virtual_domain.migration.virsh_options import Options, parse_options
from agents.virtual_domain.parameters import PARAMETERS
from pmkvm.ocf.codes import OcfCode
from pmkvm.ocf.errors import OcfError
from pmkvm.ocf.table import Action, Agent
from tests.unit.ocf.sample import call

if TYPE_CHECKING:
    from agents.virtual_domain.migration.plan import Migration
    from pmkvm.ocf.context import Context

SYSTEM = "qemu:///system"
TRANSPORT, USER, SUFFIX = "migration_transport", "migration_user", "migration_network_suffix"
OPTIONS, MODE = "migrate_options", "migration_mode"
THEIRS = "qemu+ssh://%n.example/system?x=%n"


def planned(target: str = "node2", hypervisor: str = SYSTEM, **parameters: str) -> Migration:
    """What the agent's own parameters come to, read as the agent reads them."""
    plans: list[Migration] = []

    def act(context: Context) -> OcfCode:
        plans.append(plan(context, hypervisor, target))
        return OcfCode.SUCCESS

    agent = Agent("A", "1", "", "", PARAMETERS, (Action("migrate_to", 60, act),))
    env = {f"OCF_RESKEY_{name}": value for name, value in parameters.items()}
    called = call(agent, "migrate_to", env={"OCF_RESKEY_config": "/g1.xml", **env})
    assert called.rc == 0, called.reason
    return plans[0]


@pytest.mark.parametrize(
    ("parameters", "uri"),
    [
        ({}, "qemu://node2/system"),
        ({TRANSPORT: "tcp"}, "qemu+tcp://node2/system"),
        ({TRANSPORT: "tls"}, "qemu+tls://node2/system"),
        # A question for a password is an error, not a hang.
        ({TRANSPORT: "ssh"}, "qemu+ssh://node2/system?no_tty=1"),
        ({TRANSPORT: "ssh", USER: "mig-user"}, "qemu+ssh://mig-user@node2/system?no_tty=1"),
        ({USER: "root"}, "qemu://root@node2/system"),
        ({SUFFIX: "-mig"}, "qemu://node2-mig/system"),
        ({TRANSPORT: "tls", USER: "u", SUFFIX: "-mig"}, "qemu+tls://u@node2-mig/system"),
        # remoteuri goes before transport, user and suffix; %n is the node's own name.
        (
            {"remoteuri": THEIRS, TRANSPORT: "tcp", USER: "u", SUFFIX: "-mig"},
            "qemu+ssh://node2.example/system?x=node2",
        ),
        ({"remoteuri": "test:///default"}, "test:///default"),
    ],
)
def test_the_other_hypervisor(parameters: dict[str, str], uri: str) -> None:
    assert planned(**parameters).remote_uri == uri


@pytest.mark.parametrize(
    ("hypervisor", "uri"),
    [
        ("qemu:///session", "qemu+ssh://node2/session?no_tty=1"),
        ("qemu+unix:///system", "qemu+ssh://node2/system?no_tty=1"),
        ("qemu://localhost/system", "qemu+ssh://node2/system?no_tty=1"),
        ("xen:///system", "xen+ssh://node2/system?no_tty=1"),
        ("xen:///", "xen+ssh://node2/?no_tty=1"),
        ("qemu:///system?socket=/x", "qemu+ssh://node2/system?socket=/x&no_tty=1"),
    ],
)
def test_the_other_hypervisor_is_of_this_ones_kind(hypervisor: str, uri: str) -> None:
    assert planned(hypervisor=hypervisor, migration_transport="ssh").remote_uri == uri


def test_a_migration_without_a_hypervisor_is_refused() -> None:
    with pytest.raises(AssertionError, match="a migration needs the parameter hypervisor"):
        planned(hypervisor="")
    assert planned(hypervisor="", remoteuri="qemu://there/").remote_uri == "qemu://there/"


@pytest.mark.parametrize(
    ("target", "address"),
    [("node2", "node2-mig"), ("node2.example.com", "node2-mig.example.com"), ("n.", "n-mig.")],
)
def test_the_suffix_goes_before_the_first_dot(target: str, address: str) -> None:
    migration = planned(target, migration_network_suffix="-mig")
    assert migration.remote_uri == f"qemu://{address}/system"
    assert migration.parameters == {"migrate_uri": f"tcp://{address}"}


@pytest.mark.parametrize(
    ("parameters", "uri"),
    [
        ({}, None),
        # The port is used together with the suffix only.
        ({"migrateport": "49160"}, None),
        ({SUFFIX: "-mig"}, "tcp://node2-mig"),
        ({SUFFIX: "-mig", "migrateport": "49160"}, "tcp://node2-mig:49160"),
        ({"migrateuri": "tcp://%n:49160"}, "tcp://node2:49160"),
        ({"migrateuri": "tcp://%n:1", SUFFIX: "-mig", "migrateport": "2"}, "tcp://node2-mig:1"),
        # heartbeat's %n drags the user along here.
        ({"migrateuri": "tcp://%n", USER: "u"}, "tcp://node2"),
        ({OPTIONS: "--migrateuri=tcp://%n:3"}, "tcp://node2:3"),
        ({OPTIONS: "--migrateuri tcp://10.0.0.2:3"}, "tcp://10.0.0.2:3"),
        ({OPTIONS: "--migrateuri=tcp://a:3", SUFFIX: "-mig"}, "tcp://a:3"),
        ({"migrateuri": "rdma://%n", OPTIONS: "--migrateuri=tcp://a"}, "rdma://node2"),
    ],
)
def test_where_the_memory_goes(parameters: dict[str, str], uri: str | None) -> None:
    assert planned(**parameters).parameters.get("migrate_uri") == uri


@pytest.mark.parametrize(
    ("options", "bits"),
    [
        # libvirt-domain.h, enum virDomainMigrateFlags.
        ("", 1),
        ("--live", 1),
        ("--p2p", 1 | 2),
        ("--p2p --tunnelled", 1 | 2 | 4),
        ("--persistent", 1 | 8),
        ("--undefinesource", 1 | 16),
        ("--copy-storage-all", 1 | 64),
        ("--copy-storage-inc", 1 | 128),
        ("--change-protection", 1 | 256),
        ("--unsafe", 1 | 512),
        ("--compressed", 1 | 2048),
        ("--abort-on-error", 1 | 4096),
        ("--auto-converge", 1 | 8192),
        ("--rdma-pin-all", 1 | 16384),
        ("--postcopy", 1 | 32768),
        ("--tls", 1 | 65536),
        ("--parallel", 1 | 131072),
        ("--copy-storage-synchronous-writes", 1 | 262144),
        ("--zerocopy", 1 | 1048576),
        ("--verbose", 1),
        ("  --auto-converge\t--p2p --auto-converge ", 1 | 2 | 8192),
    ],
)
def test_options_are_virshs_and_flags_libvirts(options: str, bits: int) -> None:
    assert parse_options(options) == Options(bits, {}, {})
    assert planned(migrate_options=options).is_peer_to_peer is bool(bits & 2)


@pytest.mark.parametrize(
    ("options", "parameters"),
    [
        ("--bandwidth 100", {"bandwidth": 100}),
        ("--bandwidth=100", {"bandwidth": 100}),
        ("--dname g2", {"destination_name": "g2"}),
        ("--graphicsuri=spice://h:1", {"graphics_uri": "spice://h:1"}),
        ("--listen-address ::", {"listen_address": "::"}),
        ("--parallel-connections 4", {"parallel.connections": 4}),
        ("--disks-port 49152", {"disks_port": 49152}),
        ("--migrateuri tcp://h", {"migrate_uri": "tcp://h"}),
        ("--bandwidth 1 --bandwidth 2", {"bandwidth": 2}),
        ("--postcopy-bandwidth 3", {"bandwidth.postcopy": 3}),
        ("--migrate-disks vda,vdb", {"migrate_disks": ["vda", "vdb"]}),
        ("--comp-methods mt,xbzrle", {"compression": ["mt", "xbzrle"]}),
        ("--comp-mt-level 1", {"compression.mt.level": 1}),
        ("--auto-converge-initial 30", {"auto_converge.initial": 30}),
        ("--tls-destination h", {"tls.destination": "h"}),
    ],
)
def test_options_with_a_value_are_typed_parameters(
    options: str, parameters: dict[str, str | int | list[str]]
) -> None:
    assert parse_options(options) == Options(1, parameters, {})


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ("--quick", "'--quick' is none of --live"),
        ("--suspend", "--suspend leaves the guest as Pacemaker does not expect it"),
        ("--offline", "--offline leaves the guest as"),
        ("--timeout soon", "--timeout needs a number, not 'soon'"),
        ("p2p", "'p2p' is none of"),
        ("--p2p=yes", "'--p2p' is none of"),
        ("--bandwidth", "'--bandwidth' is none of"),
        ("--bandwidth fast", "--bandwidth needs a number, not 'fast'"),
        ("--bandwidth=", "--bandwidth needs a number, not ''"),
        ("--bandwidth -1", "--bandwidth needs a number, not '-1'"),
        ("--bandwidth \u00b2", "--bandwidth needs a number"),
        ("--live; reboot", "'--live;' is none of"),
    ],
)
def test_an_option_that_is_none_is_refused_by_name(options: str, complaint: str) -> None:
    with pytest.raises(OcfError, match="parameter migrate_options: ") as caught:
        parse_options(options)
    assert caught.value.code == OcfCode.CONFIGURED
    assert complaint in str(caught.value)


@pytest.mark.parametrize("user", ["a b", "-x", "u@h", "1st", "u/../x", "u\nv"])
def test_a_user_that_is_none_is_refused_and_not_left_out(user: str) -> None:
    """heartbeat leaves it out in silence and connects as somebody else."""
    with pytest.raises(AssertionError, match=r"migration_user=.* is no user's name"):
        planned(migration_user=user)


def test_files_are_read_when_the_guest_leaves_and_not_before() -> None:
    options = parse_options("--xml /a.xml --persistent-xml=/b.xml")
    assert options.files == {"destination_xml": "/a.xml", "persistent_xml": "/b.xml"}
    assert options.parameters == {}


@pytest.mark.parametrize(
    ("options", "steering"),
    [
        ("", Steering()),
        ("--postcopy", Steering()),
        ("--postcopy-after-precopy", Steering(postcopy_after_precopy=True)),
        ("--timeout 60", Steering(timeout_s=60)),
        ("--timeout 60 --timeout-suspend", Steering(timeout_s=60)),
        ("--timeout=60 --timeout-postcopy", Steering(timeout_s=60, postcopy_at_timeout=True)),
    ],
)
def test_what_virsh_does_meanwhile_we_do(options: str, steering: Steering) -> None:
    assert planned(migrate_options=options).steering == steering
    flags = planned(migrate_options=options).flags
    assert bool(flags & 32768) == ("postcopy" in options)


# Our own parameters.


@pytest.mark.parametrize(
    ("parameters", "bits", "typed"),
    [
        ({}, 1, {}),
        ({MODE: "native"}, 1, {}),
        ({MODE: "p2p"}, 1 | 2, {}),
        ({MODE: "tunnelled"}, 1 | 2 | 4, {}),
        ({MODE: "tls"}, 1 | 65536, {}),
        ({MODE: "p2p,tls"}, 1 | 2 | 65536, {}),
        ({"migration_auto_converge": "yes"}, 1 | 8192, {}),
        ({"migration_postcopy": "yes"}, 1 | 32768, {}),
        ({"migration_speed": "100"}, 1, {"bandwidth": 100}),
        ({"migration_speed": "100", OPTIONS: "--bandwidth 5"}, 1, {"bandwidth": 5}),
        ({OPTIONS: "--tunnelled"}, 1 | 2 | 4, {}),
        # A tunnel has no address of its own.
        ({MODE: "tunnelled", SUFFIX: "-m"}, 1 | 2 | 4, {}),
    ],
)
def test_parameters_are_flags_and_typed_parameters(
    parameters: dict[str, str], bits: int, typed: dict[str, int]
) -> None:
    migration = planned(**parameters)
    assert (migration.flags, migration.parameters) == (bits, typed)


def test_the_downtime_and_post_copy_are_for_the_way() -> None:
    steering = planned(migration_downtime="300", migration_postcopy="yes").steering
    assert steering == Steering(max_downtime_ms=300, postcopy_at_half=True)


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({MODE: "fast"}, "migration_mode: 'fast' is none of native, p2p"),
        ({MODE: "tunnelled,tls"}, "either tunnelled or has QEMU's TLS"),
    ],
)
def test_a_mode_that_can_not_be_is_refused(parameters: dict[str, str], reason: str) -> None:
    with pytest.raises(AssertionError, match=reason):
        planned(**parameters)
