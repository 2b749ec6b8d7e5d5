# SPDX-License-Identifier: GPL-2.0-or-later
"""From parameters to URIs, flags and typed parameters, with heartbeat:VirtualDomain's meaning."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agents.virtual_domain.migration import parse_options, plan
from agents.virtual_domain.table import PARAMETERS
from pmkvm.ocf.codes import OcfCode
from pmkvm.ocf.errors import OcfError
from pmkvm.ocf.table import Action, Agent
from tests.unit.ocf.sample import call

if TYPE_CHECKING:
    from agents.virtual_domain.migration import Migration
    from pmkvm.ocf.context import Context

SYSTEM = "qemu:///system"


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
        ({"migration_transport": "tcp"}, "qemu+tcp://node2/system"),
        ({"migration_transport": "tls"}, "qemu+tls://node2/system"),
        # A question for a password is an error, not a hang.
        ({"migration_transport": "ssh"}, "qemu+ssh://node2/system?no_tty=1"),
        (
            {"migration_transport": "ssh", "migration_user": "mig-user"},
            "qemu+ssh://mig-user@node2/system?no_tty=1",
        ),
        ({"migration_user": "root"}, "qemu://root@node2/system"),
        ({"migration_network_suffix": "-mig"}, "qemu://node2-mig/system"),
        (
            {
                "migration_transport": "tls",
                "migration_user": "u",
                "migration_network_suffix": "-mig",
            },
            "qemu+tls://u@node2-mig/system",
        ),
        # remoteuri goes before transport, user and suffix; %n is the node's own name.
        (
            {
                "remoteuri": "qemu+ssh://%n.example/system?x=%n",
                "migration_transport": "tcp",
                "migration_user": "u",
                "migration_network_suffix": "-mig",
            },
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
        ({"migration_network_suffix": "-mig"}, "tcp://node2-mig"),
        ({"migration_network_suffix": "-mig", "migrateport": "49160"}, "tcp://node2-mig:49160"),
        ({"migrateuri": "tcp://%n:49160"}, "tcp://node2:49160"),
        (
            {"migrateuri": "tcp://%n:1", "migration_network_suffix": "-mig", "migrateport": "2"},
            "tcp://node2-mig:1",
        ),
        # heartbeat's %n drags the user along here.
        ({"migrateuri": "tcp://%n", "migration_user": "u"}, "tcp://node2"),
        ({"migrate_options": "--migrateuri=tcp://%n:3"}, "tcp://node2:3"),
        ({"migrate_options": "--migrateuri tcp://10.0.0.2:3"}, "tcp://10.0.0.2:3"),
        (
            {"migrate_options": "--migrateuri=tcp://a:3", "migration_network_suffix": "-mig"},
            "tcp://a:3",
        ),
        ({"migrateuri": "rdma://%n", "migrate_options": "--migrateuri=tcp://a"}, "rdma://node2"),
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
        ("  --auto-converge\t--p2p --auto-converge ", 1 | 2 | 8192),
    ],
)
def test_options_are_virshs_and_flags_libvirts(options: str, bits: int) -> None:
    flags, parameters = parse_options(options)
    assert (flags, parameters) == (bits, {})
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
    ],
)
def test_options_with_a_value_are_typed_parameters(
    options: str, parameters: dict[str, str | int]
) -> None:
    assert parse_options(options) == (1, parameters)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ("--verbose", "'--verbose' is none of --live"),
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
