# SPDX-License-Identifier: GPL-2.0-or-later
"""The parameters as a whole: what a user of ocf:heartbeat:VirtualDomain has set keeps its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agents.virtual_domain.agent import AGENT
from agents.virtual_domain.parameters import PARAMETERS

if TYPE_CHECKING:
    from pmkvm.ocf.table import Parameter

# ocf:heartbeat:VirtualDomain of resource-agents 4.18: its names and types.
HEARTBEAT = {
    "config": "string",
    "hypervisor": "string",
    "force_stop": "boolean",
    "migration_transport": "string",
    "migration_user": "string",
    "migration_downtime": "integer",
    "migration_speed": "integer",
    "migration_network_suffix": "string",
    "migrateuri": "string",
    "migrate_options": "string",
    "monitor_scripts": "string",
    "autoset_utilization_cpu": "boolean",
    "autoset_utilization_host_memory": "boolean",
    "autoset_utilization_hv_memory": "boolean",
    "unset_utilization_cpu": "boolean",
    "unset_utilization_host_memory": "boolean",
    "unset_utilization_hv_memory": "boolean",
    "migrateport": "integer",
    "remoteuri": "string",
    "save_config_on_stop": "boolean",
    "sync_config_on_stop": "boolean",
    "snapshot": "string",
    "backingfile": "string",
    "stateless": "boolean",
    "copyindirs": "string",
    "shutdown_mode": "string",
    "start_resources": "boolean",
}
# What only a start can bring about.
NOT_IN_PLACE = {"config", "hypervisor", "backingfile", "stateless", "copyindirs"}


def test_all_of_heartbeats_parameters_are_here_with_their_types() -> None:
    ours = {parameter.name: parameter.content_type for parameter in PARAMETERS}
    assert len(ours) == len(PARAMETERS)
    assert {name: ours.get(name) for name in HEARTBEAT} == HEARTBEAT


def test_what_is_on_by_default_surprises_nobody() -> None:
    assert [one.name for one in PARAMETERS if one.default is True] == []


def test_what_can_change_in_place_is_said_so() -> None:
    assert {one.name for one in PARAMETERS if not one.reloadable} == NOT_IN_PLACE


@pytest.mark.parametrize("parameter", AGENT.parameters, ids=lambda one: one.name)
def test_every_parameter_is_described_in_sentences(parameter: Parameter) -> None:
    assert parameter.longdesc.endswith(".")
    assert not parameter.shortdesc.endswith(".")
    assert "  " not in parameter.longdesc
    assert parameter.default == "" or not parameter.required
    if parameter.choices:
        assert parameter.default in parameter.choices
