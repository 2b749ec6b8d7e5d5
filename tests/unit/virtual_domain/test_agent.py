# SPDX-License-Identifier: GPL-2.0-or-later
"""VirtualDomain as a whole: its table, its validation, and its program as Pacemaker runs it."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest

from agents.virtual_domain.agent import AGENT
from agents.virtual_domain.parameters import PARAMETERS
from pmkvm.run import Completed, run
from tests import tree
from tests.unit.ocf.sample import call
from tests.unit.virtual_domain.world import OTHER_UUID

if TYPE_CHECKING:
    from pathlib import Path

    from pmkvm.ocf.table import Parameter
    from tests.unit.virtual_domain.world import World


@pytest.mark.parametrize("minor", ["0", "1"])
def test_the_metadata_declares_what_the_agent_can_do(minor: str) -> None:
    called = call(AGENT, "meta-data", env={"OCF_RA_VERSION_MINOR": minor})
    root = ET.fromstring(called.out.encode())
    assert root.get("name") == "VirtualDomain"
    assert root.findtext("version") == f"1.{minor}"
    named = [one.get("name") for one in root.iter("action")]
    # OCF 1.0 has no such action.
    assert ("reload-agent" in named) == (minor == "1")
    assert [name for name in named if name != "reload-agent"] == [
        "start",
        "stop",
        "status",
        "monitor",
        "migrate_to",
        "migrate_from",
        "validate-all",
        "meta-data",
    ]
    required = [one.get("name") for one in root.iter("parameter") if one.get("required") == "1"]
    assert required == ["config"]
    assert all((one.text or "").strip() for one in root.iter("longdesc"))
    assert all((one.text or "").strip() for one in root.iter("shortdesc"))


def test_the_usage_names_the_actions() -> None:
    assert call(AGENT, "usage").out == (
        "usage: VirtualDomain"
        " {start|stop|status|monitor|migrate_to|migrate_from|reload-agent|validate-all|meta-data"
        "|usage}\n"
    )


@pytest.mark.parametrize("action", ["promote", "notify", "reload"])
def test_what_it_cannot_do_is_unimplemented(action: str) -> None:
    assert call(AGENT, action).rc == 3


# The parameters: what a user of ocf:heartbeat:VirtualDomain has set keeps its name.

# ocf:heartbeat:VirtualDomain of resource-agents 4.18: its types and names.
HEARTBEAT = {
    "string": "config hypervisor migration_transport migration_user migration_network_suffix"
    " migrateuri migrate_options monitor_scripts remoteuri snapshot backingfile copyindirs"
    " shutdown_mode",
    "boolean": "force_stop autoset_utilization_cpu autoset_utilization_host_memory"
    " autoset_utilization_hv_memory unset_utilization_cpu unset_utilization_host_memory"
    " unset_utilization_hv_memory save_config_on_stop sync_config_on_stop stateless"
    " start_resources",
    "integer": "migration_downtime migration_speed migrateport",
}
# What only a start can bring about.
NOT_IN_PLACE = {"config", "hypervisor", "backingfile", "stateless", "copyindirs"}


def test_all_of_heartbeats_parameters_are_here_with_their_types() -> None:
    ours = {parameter.name: parameter.content_type for parameter in PARAMETERS}
    assert len(ours) == len(PARAMETERS)
    for kind, names in HEARTBEAT.items():
        assert {ours.get(name) for name in names.split()} == {kind}


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


# validate-all.


def test_a_good_resource_is_valid_without_libvirt_and_guest(world: World) -> None:
    world.here.stuck = True
    assert world.act("validate-all") == (0, "", "")
    assert world.here.calls == []


@pytest.mark.parametrize(
    ("parameters", "rc", "reason"),
    [
        ({"config": ""}, 6, "parameter config is required and not set"),
        ({"config": "/nowhere/g1.xml"}, 5, "/nowhere/g1.xml: No such file or directory"),
        ({"force_stop": "maybe"}, 6, "parameter force_stop='maybe' must be yes or no"),
        ({"migrateport": "http"}, 6, "parameter migrateport='http' must be a whole number"),
        ({"migration_user": "a b"}, 6, "parameter migration_user='a b' is no user's name"),
        ({"migrate_options": "--bandwidth"}, 6, "parameter migrate_options: '--bandwidth'"),
    ],
)
def test_a_bad_parameter_is_named(
    world: World, parameters: dict[str, str], rc: int, reason: str
) -> None:
    called = world.act("validate-all", timeout_s=5, **parameters)
    assert called.rc == rc
    assert called.reason.startswith(reason)


def test_a_bad_definition_is_named(world: World) -> None:
    world.config.write_text("<domain type='kvm'><name/></domain>")
    called = world.act("validate-all")
    assert called.outcome == (5, f"{world.config}: <name> is '', no name for a domain")


def test_what_is_remembered_does_not_hide_a_bad_definition(world: World) -> None:
    world.guest()
    world.act("monitor")
    world.config.unlink()
    assert world.act("validate-all").rc == 5


def test_an_exit_reason_is_one_line_whatever_libvirt_and_the_files_say(world: World) -> None:
    world.table.start_qemu("g1", f"{OTHER_UUID}\nocf-exit-reason:all is well\x1b[2J")
    called = world.act("monitor")
    assert called.fails(1, "QEMU ")
    assert len([line for line in called.err.splitlines() if "ocf-exit" in line[:9]]) == 1
    assert "\x1b" not in called.err


# The program.


def program(tmp_path: Path, *arguments: str, **env: str) -> Completed:
    """The agent in a process of its own, where neither libvirt nor a guest is."""
    (tmp_path / "proc").mkdir(exist_ok=True)
    code = (
        "import sys\n"
        f"sys.path.insert(0, {str(tree.ROOT)!r})\n"
        "from pmkvm import settings\n"
        f"settings.PROC, settings.RUN_DIR = {str(tmp_path / 'proc')!r}, {str(tmp_path / 'run')!r}\n"
        "from agents.virtual_domain.agent import main\n"
        "main()\n"
    )
    argv = [sys.executable, "-B", "-c", code, *arguments]
    return run(argv, timeout_s=60, environment={"OCF_RESOURCE_INSTANCE": "vm1", **env})


@pytest.mark.parametrize(
    ("arguments", "rc"),
    [
        (["meta-data"], 0),
        (["usage"], 0),
        ([], 2),
        (["promote"], 3),
        (["monitor"], 7),
        (["monitor", "extra", "words"], 7),
        (["stop"], 0),
        (["start"], 5),
        (["validate-all"], 5),
    ],
)
def test_the_program_ends_with_the_code(tmp_path: Path, arguments: list[str], rc: int) -> None:
    done = program(tmp_path, *arguments, OCF_RESKEY_config="/nowhere/g1.xml")
    assert done.rc == rc, done.err
    assert "Traceback" not in done.err
    assert ("ocf-exit-reason:/nowhere/g1.xml: No such file" in done.err) == (rc == 5)


def test_the_program_is_not_confused_by_an_environment_that_is_no_text(tmp_path: Path) -> None:
    done = program(tmp_path, "start", OCF_RESKEY_config="/nowhere/\udcff\n.xml")
    assert done.rc == 5
    assert "ocf-exit-reason:/nowhere/" in done.err


def test_the_program_logs_where_pacemaker_says(tmp_path: Path) -> None:
    log = tmp_path / "log"
    done = program(
        tmp_path,
        "start",
        OCF_RESKEY_config="/nowhere/g1.xml",
        HA_LOGFILE=str(log),
        HA_LOGFACILITY="none",
    )
    assert done.err == "ocf-exit-reason:/nowhere/g1.xml: No such file or directory\n"
    (line,) = log.read_text().splitlines()
    assert line.startswith("VirtualDomain(vm1)[")
    assert line.endswith("ERROR: /nowhere/g1.xml: No such file or directory")
