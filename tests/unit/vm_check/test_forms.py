# SPDX-License-Identifier: GPL-2.0-or-later
"""The report as text, JSON, a picture and a file for Prometheus."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from check.vm_check import as_json, dot, fence_history, prometheus, text
from check.vm_check.emptying import Planned
from check.vm_check.facts import Fence, Operation
from check.vm_check.progress import Progress
from tests.unit.vm_check import fenced, world
from tests.unit.vm_check.world import HOST1, HOST2

if TYPE_CHECKING:
    from check.vm_check.facts import Facts

NO_ISO = world.lacking(HOST2, "/iso/guest1.iso")
SAMPLE = re.compile(r'pm_kvm_\w+(\{\w+="[^"]*"(,\w+="[^"]*")*\})? -?[0-9.e+]+')


def test_a_healthy_cluster_is_one_line() -> None:
    assert text.render(world.told(world.facts())) == "2 guests on 2 hosts: all is well\n"


def test_findings_are_grouped_by_what_they_are_about() -> None:
    said = text.render(world.told(world.on(HOST2, NO_ISO, networks={})))
    lines = said.splitlines()
    assert [each for each in lines if not each.startswith(" ")] == [
        *("guest1:", "guest2:", "", "2 guests on 2 hosts: 3 errors")
    ]
    assert (
        "  ERROR iso-missing: medium hda /iso/guest1.iso: No such file or directory, on host2"
        in lines
    )
    assert any("`virsh change-media guest1 hda" in each for each in lines)


def departure(made: Facts, planned: dict[str, Planned] | None) -> str:
    return text.render(world.told(made, host=HOST1, planned=planned)).splitlines()[2]


@pytest.mark.parametrize(
    ("made", "planned", "expected"),
    [
        (world.facts(), {"prmguest1": Planned("migrate", HOST2)}, r"guest1  moves live  host2"),
        (NO_ISO, {"prmguest1": Planned("migrate", HOST2)}, "can't run anywhere else +host2"),
        (world.facts(), {"prmguest1": Planned("stop", "")}, "is stopped +nowhere"),
        (world.facts(), {}, "stays +host1"),
        (world.facts(), None, r"moves live +\?"),
    ],
)
def test_a_line_for_each_guest_that_leaves(
    made: Facts, planned: dict[str, Planned] | None, expected: str
) -> None:
    assert re.search(expected, departure(made, planned))


def test_a_host_without_guests() -> None:
    made = world.having("guest1", HOST1, runs=False, live=None)
    guests = {"guest1": made.guests["guest1"]._replace(instances=())}
    said = text.render(world.told(made._replace(guests=guests), host=HOST1))
    assert said.splitlines()[0] == "host1: no guest runs there"


def test_one_guest_with_its_times() -> None:
    said = text.render(world.told(world.facts(), guest="guest2"))
    assert "  host1: moves there live\n  host2: runs there\n" in said
    assert "a fence of it, rehearsed: OK" in said


def test_json_has_a_verdict_for_each_guest_and_host() -> None:
    document = json.loads(as_json.render(world.told(NO_ISO)))
    (guest1, _guest2) = document["guests"]
    assert (guest1["domain"], guest1["runs_on"]) == ("guest1", HOST1)
    assert guest1["hosts"] == {
        HOST1: {"verdict": "here", "because": []},
        HOST2: {"verdict": "no", "because": ["iso-missing"]},
    }
    (finding,) = document["findings"]
    assert (finding["id"], finding["severity"]) == ("iso-missing", "error")
    assert (finding["subject"], finding["host"]) == ("guest1", HOST2)
    assert document["exit_code"] == 2
    assert document["hosts"][0]["hypervisor"] == "7.2.0"


def test_json_of_a_host_that_is_emptied() -> None:
    planned = {"prmguest1": Planned("migrate", HOST2)}
    document = json.loads(as_json.render(world.told(world.facts(), host=HOST1, planned=planned)))
    (leaving,) = document["emptied"]["departures"]
    assert leaving == {"domain": "guest1", "to": HOST2, "verdict": "live", "because": []}


def test_json_of_a_silent_host() -> None:
    made = world.facts()
    silent = made._replace(hosts={**made.hosts, HOST2: None}, silent={HOST2: "out of time"})
    host2 = json.loads(as_json.render(world.told(silent)))["hosts"][1]
    assert host2 == {"name": HOST2, "answers": False, "reason": "out of time"}


def test_the_picture_has_a_broken_arrow_with_the_reason() -> None:
    lines = dot.render(world.told(NO_ISO)).splitlines()
    (first,) = [line for line in lines if '"guest guest1" -> ' in line]
    assert 'label="iso-missing"' in first
    assert "dashed" in first
    (second,) = [line for line in lines if '"guest guest2" -> ' in line]
    assert "forestgreen" in second
    assert sum('"device fence" -> ' in line for line in lines) == 2


def test_a_name_can_t_leave_its_quotes() -> None:
    assert dot.quoted('a"] x\\') == '"a\\"] x\\\\"'


def test_prometheus_can_read_each_line() -> None:
    made = NO_ISO._replace(fences={HOST2: Fence(1_795_000_000.0, "success")})
    lines = prometheus.render(world.told(made)).splitlines()
    samples = [line for line in lines if not line.startswith("#")]
    assert all(SAMPLE.fullmatch(line) for line in samples)
    assert 'pm_kvm_findings{severity="error"} 1' in samples
    assert 'pm_kvm_guest_running{guest="guest1",host="host1"} 1' in samples
    assert 'pm_kvm_guest_ways_live{guest="guest1",host="host1"} 0' in samples
    assert 'pm_kvm_guest_channel_connected{guest="guest2",host="host2"} 1' in samples
    last = 'pm_kvm_last_fence_timestamp_seconds{target="host2",result="success"} 1795000000'
    assert last in samples


def test_a_degraded_guest() -> None:
    operation = Operation("prmguest1", HOST1, "monitor", 10.0, 190, 0.1, 0.0)
    made = world.facts(measured={"prmguest1": [operation]})
    assert prometheus.is_degraded(made, made.guests["guest1"])
    assert not prometheus.is_degraded(made, made.guests["guest2"])


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("2026-12-02 08:30:00.123456Z", 1_796_200_200.0),
        ("2026-12-02 08:30:00Z", 1_796_200_200.0),
        ("2026-12-02 09:30:00 +01:00", 1_796_200_200.0),
        ("", 0.0),
        ("soon", 0.0),
    ],
)
def test_when_pacemaker_has_fenced(said: str, expected: float) -> None:
    assert fence_history.seconds(said) == expected


def test_the_last_fence_of_each_host() -> None:
    events = "".join(
        f'<fence_event target="host2" status="{status}" completed="2026-12-02 08:{minute}:00Z"/>'
        for minute, status in ((30, "success"), (10, "failed"))
    )
    root = fenced.element(f"<r><fence_history>{events}</fence_history></r>")
    assert fence_history.last(root) == {HOST2: Fence(1_796_200_200.0, "success")}


class _Stream:
    def __init__(self, is_terminal: bool) -> None:
        self.is_terminal, self.said = is_terminal, ""

    def isatty(self) -> bool:
        return self.is_terminal

    def write(self, text: str) -> int:
        self.said += text
        return len(text)

    def flush(self) -> None:
        """All is there."""


@pytest.mark.parametrize("is_terminal", [True, False])
def test_progress_is_for_a_terminal_and_goes(is_terminal: bool) -> None:
    stream = _Stream(is_terminal)
    with Progress(stream) as progress:  # type: ignore[arg-type]
        progress("asking")
    assert stream.said == ("\r\x1b[Kasking ...\r\x1b[K" if is_terminal else "")
