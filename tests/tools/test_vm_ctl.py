# SPDX-License-Identifier: GPL-2.0-or-later
"""vm-ctl with Pacemaker's own tools on a CIB file: no cluster, no libvirt. Missing tools fail."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from lxml import etree

from pmkvm import run
from pmkvm.deadline import Deadline
from pmkvm.pacemaker import cib, resource, status
from pmkvm.pacemaker.errors import ToolError
from tests import tree
from tests.lab.hosts.killed import points
from tests.unit.vmctl import as_crm, world
from vmctl import move

if TYPE_CHECKING:
    from tests.tools.cib_host import Host


def test_the_slides_objects_are_in_the_cib(host: Host) -> None:
    assert host.vm_ctl("resource", "add", "guest1,", "guest2", "-a", "hostA") == 0
    assert host.epoch() == 6
    root = host.root()
    ours = [e for e in root.iterfind("configuration/*/*") if "VMCTL_guest1" in str(e.get("id"))]
    top = etree.Element("configuration")
    etree.SubElement(top, "all").extend(ours)
    listing = (world.DATA / "slides-guest1.crm").read_text(encoding="utf-8")
    listing = listing.replace("host1", "hostA").replace("/etc/libvirt/qemu", str(host.cib.parent))
    differ = as_crm.from_elements(top) ^ as_crm.from_listing(listing)
    assert {line.split()[1] for line in differ} == {
        "colVMCTL_guest1_clnVmStonithd",
        "odrVMCTL_guest1_clnVmStonithd",
    }


def test_crm_verify_has_nothing_to_say(host: Host) -> None:
    assert host.vm_ctl("resource", "add", "guest1", "-a", "hostA", "-m", "on") == 0
    done = run.run(("crm_verify", "-V", "--xml-file", str(host.cib)), timeout_s=30)
    assert (done.rc, done.out, done.err) == (0, "", "")


TWO = {"prmVMCTL_guest1", "prmVMCTL_guest2"}


@pytest.mark.parametrize(
    ("arguments", "rc", "registered", "said"),
    [
        # What vm-ctl 1.1 made of these is in the comments.
        # usage
        ("resource|add|guest1,|guest2|-a|hostA", 0, TWO, ""),
        # only guest2
        ("resource|add|-a|hostA|guest2,|guest1", 0, TWO, ""),
        # a stray error of the shell
        ("resource|add|guest1, guest2|-a|hostA", 0, TWO, ""),
        ("resource|add|guest1|-ahostA|-mon", 0, {"prmVMCTL_guest1"}, ""),
        ("resource|add|guest1,nosuch|-a|hostA", 1, set(), "MSG03 nosuch"),
        ("resource|add|guest1|-a|hostX", 1, set(), "MSG16 hostX"),
        # hostB was ignored
        ("resource|move|guest1|hostB", 1, set(), "takes one domain"),
        ("resource|delete|guest1", 1, set(), "MSG15 guest1"),
        ("resource|start|guest1|-n|hostB", 1, set(), "unrecognized arguments: -n"),
        ("resource", 1, set(), "usage: vm-ctl"),
        ("location|move|-b|hostX", 1, set(), "MSG16 hostX"),
    ],
)
def test_the_rows_of_the_old_grammar(
    host: Host,
    arguments: str,
    rc: int,
    registered: set[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert host.vm_ctl(*arguments.split("|")) == rc
    found = host.ids("configuration/resources/primitive")
    assert {each for each in found if "VMCTL" in each} == registered
    captured = capsys.readouterr()
    assert captured.out == ""
    assert said in captured.err
    assert bool(captured.err) is bool(said)


# remote1 is a Pacemaker Remote node, inner a guest that is a node itself.
NODES = """\
<primitive id="remote1" class="ocf" provider="pacemaker" type="remote"/>
<primitive id="outer" class="ocf" provider="pacemaker" type="Dummy">
<meta_attributes id="m"><nvpair id="m1" name="remote-node" value="inner"/></meta_attributes>
</primitive></resources>"""
CONFIGURED = "".join(
    f'<node id="{each}" uname="{each}" type="remote"/>' for each in ("remote1", "inner")
)


@pytest.mark.parametrize("configured", ["", CONFIGURED])
@pytest.mark.parametrize(
    ("command", "node", "said"),
    [
        ("resource add guest1 -a", "remote1", "MSG76 remote1"),
        ("resource add guest1 -a", "inner", "MSG75 inner"),
        ("resource list -n", "remote1", ""),
        ("resource list -n", "inner", "MSG75 inner"),
        ("location move -b", "remote1", ""),
        ("location move -b", "inner", "MSG75 inner"),
    ],
)
def test_remote_nodes_are_nodes_for_guests_and_guests_are_none(
    host: Host,
    command: str,
    node: str,
    said: str,
    configured: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Wherever Pacemaker has them from: attributes bring them among the configured nodes."""
    text = host.cib.read_text(encoding="utf-8").replace("</resources>", NODES, 1)
    host.cib.write_text(text.replace("</nodes>", f"{configured}</nodes>"), encoding="utf-8")
    assert host.vm_ctl(*command.split(), node) == (1 if node == "inner" else 0)
    assert capsys.readouterr().err[len("vm-ctl: ") :].startswith(said)
    if "add" in command:
        location = f"locVMCTL_guest1_{node}_ACT"
        assert (location in host.ids(".//rsc_location")) is (node == "remote1")


def test_adding_twice_is_refused_and_changes_nothing(host: Host) -> None:
    assert host.vm_ctl("resource", "add", "guest1", "-a", "hostA") == 0
    before = host.cib.read_bytes()
    assert host.vm_ctl("resource", "add", "guest2", "guest1", "-a", "hostB") == 1
    assert host.cib.read_bytes() == before


def test_start_and_stop_are_one_change_each_for_all(host: Host) -> None:
    host.add("guest1,guest2")
    assert host.vm_ctl("resource", "start", "guest1,", "guest2") == 0
    assert (host.role("guest1"), host.role("guest2"), host.epoch()) == ("Started", "Started", 7)
    assert host.vm_ctl("resource", "stop", "guest2") == 0
    assert (host.role("guest1"), host.role("guest2"), host.epoch()) == ("Started", "Stopped", 8)
    assert host.vm_ctl("resource", "stop", "guest2", "guest9") == 1
    assert host.epoch() == 8


def test_delete_leaves_nothing_behind(host: Host) -> None:
    before = host.ids(".//*[@id]")
    host.add("guest1,guest2,guest10")
    host.by_hand("crm_resource", "--move", "--resource", "prmVMCTL_guest1", "--node", "hostB")
    assert "cli-prefer-prmVMCTL_guest1" in host.ids(".//rsc_location")
    assert host.vm_ctl("resource", "delete", "guest1") == 0
    left = host.ids(".//*[@id]")
    assert "prmVMCTL_guest10" in left
    assert not [each for each in left if each.endswith("guest1") or "guest1_" in each]
    assert host.vm_ctl("resource", "delete", "guest10,guest2") == 0
    assert host.ids(".//*[@id]") == before


def test_list_shows_them(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    host.add("guest1")
    assert host.vm_ctl("resource", "list") == 0
    row = capsys.readouterr().out.splitlines()[-1]
    expected = ["guest1", "prmVMCTL_guest1", "off", "hostA", "Stopped", "no", "no"]
    assert row.split()[:7] == expected
    assert "disabled (target-role=Stopped)" in row


def test_a_stopped_guest_is_not_moved(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    host.add("guest1")
    assert host.vm_ctl("resource", "move", "guest1", "-n", "hostB") == 1
    assert "MSG18" in capsys.readouterr().err


@pytest.fixture
def running(host: Host, monkeypatch: pytest.MonkeyPatch) -> Host:
    """The captured cluster of the parsers' tests, in which guest1 runs on hostA."""
    captured = world.DATA.parent.parent / "pacemaker" / "data" / "cib.xml"
    host.cib.write_bytes(captured.read_bytes())
    monkeypatch.setenv("CIB_file", str(host.cib))
    return host


def test_a_move_is_rehearsed_with_a_lifetime(
    running: Host, capsys: pytest.CaptureFixture[str]
) -> None:
    before = running.cib.read_bytes()
    assert running.vm_ctl("resource", "move", "guest1", "-n", "hostB", "--dry-run") == 0
    assert running.cib.read_bytes() == before
    printed = etree.fromstring(capsys.readouterr().out)
    assert {e.get("id") for e in printed.iterfind("change[@operation='create']/rsc_location")} == {
        "cli-prefer-prmVMCTL_guest1",
        "cli-ban-prmVMCTL_guest1-on-hostA",
    }
    assert len(printed.findall(".//date_expression[@end]")) == 2


def test_a_running_guest_is_not_deleted(running: Host, capsys: pytest.CaptureFixture[str]) -> None:
    assert running.vm_ctl("resource", "delete", "guest1") == 1
    assert capsys.readouterr().err == (
        "vm-ctl: MSG13 guest1: running on hostA, stop it before it is deleted\n"
    )


def test_a_change_planned_on_another_version_is_refused(host: Host) -> None:
    old = cib.version(cib.query(Deadline(30)))
    host.add("guest1")
    before = host.cib.read_bytes()
    stop = cib.Change(merged="<configuration><resources/></configuration>")
    assert not cib.apply(old, stop, Deadline(30))
    assert not cib.apply(old, cib.Change(removed=["prmVMCTL_guest1"]), Deadline(30))
    assert host.cib.read_bytes() == before


def test_a_change_that_the_schema_forbids_is_refused_whole(host: Host) -> None:
    before = host.cib.read_bytes()
    wrong = (
        '<configuration><resources><primitive id="fine" class="ocf" provider="pacemaker"'
        ' type="Dummy"/><primitive id="wrong"/></resources></configuration>'
    )
    with pytest.raises(ToolError) as caught:
        cib.apply(cib.version(cib.query(Deadline(30))), cib.Change(merged=wrong), Deadline(30))
    assert caught.value.rc == 78
    assert host.cib.read_bytes() == before


def test_a_change_is_planned_anew_when_somebody_writes_in_between(host: Host) -> None:
    seen = []

    def plan(document: str) -> cib.Change:
        seen.append(cib.version(document).epoch)
        if len(seen) == 1:
            host.by_hand("cibadmin", "--bump")
        pair = '<nvpair id="o-s" name="stonith-enabled" value="false"/>'
        own = f'<cluster_property_set id="o">{pair}</cluster_property_set>'
        return cib.Change(merged=f"<configuration><crm_config>{own}</crm_config></configuration>")

    cib.change(plan, Deadline(30))
    assert seen == [5, 6]
    assert not status.query(Deadline(30)).stonith_enabled


def test_a_thousand_guests_are_one_change(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    names = ",".join(f"guest{n}" for n in range(1, 1001))
    for number, verb in enumerate((["add", names, "-a", "hostA"], ["start", names]), 6):
        assert host.vm_ctl("resource", *verb) == 0
        assert host.epoch() == number
    assert len(host.ids("configuration/constraints/*")) == 1000 * 9
    capsys.readouterr()
    assert host.vm_ctl("resource", "list") == 0
    assert len(capsys.readouterr().out.splitlines()) == 2 + 1000
    assert host.vm_ctl("resource", "delete", names) == 0
    assert host.epoch() == 8
    assert host.ids("configuration/constraints/*") == set()


def test_location_move_is_one_change_for_all_that_are_at_home_there(host: Host) -> None:
    host.add("guest1,guest2,guest3")
    for guest in ("guest1", "guest2"):
        host.runs(guest, "hostB")
    assert host.vm_ctl("location", "move", "-b", "hostA") == 0
    assert host.epoch() == 7
    homes = {each for each in host.ids(".//rsc_location") if each.endswith("_ACT")}
    assert homes == {
        "locVMCTL_guest1_hostB_ACT",
        "locVMCTL_guest2_hostB_ACT",
        "locVMCTL_guest3_hostA_ACT",
    }
    assert host.vm_ctl("location", "move", "guest1") == 0
    assert host.epoch() == 7


def test_the_scores_tell_that_a_guest_will_go_home_once_its_move_is_over(host: Host) -> None:
    host.start("guest1", at="hostA")
    assert host.vm_ctl("resource", "move", "guest1", "-n", "hostB", "--no-wait") == 0
    document = host.cib.read_text(encoding="utf-8")
    scores = move.scores_without("guest1", document)
    assert scores["hostA"] - scores["hostB"] >= 200
    with_them = resource.allocation_scores(document, "prmVMCTL_guest1", Deadline(30))
    assert (with_them["hostA"], with_them["hostB"]) == (-resource.INFINITY, resource.INFINITY)


def test_what_a_move_leaves_behind_goes_with_unmove(host: Host) -> None:
    host.start("guest1", at="hostB")
    before = host.ids(".//*[@id]")
    assert host.vm_ctl("resource", "move", "guest1", "-n", "hostA", "--no-wait") == 0
    left = {"cli-ban-prmVMCTL_guest1-on-hostB", "cli-prefer-prmVMCTL_guest1"}
    assert left <= host.ids("configuration/constraints/*")
    assert host.vm_ctl("resource", "unmove", "guest1") == 0
    assert host.ids(".//*[@id]") == before
    # Pacemaker's own tool knows them by their names.
    assert host.vm_ctl("resource", "move", "guest1", "-n", "hostA", "--no-wait") == 0
    host.by_hand("crm_resource", "--clear", "--resource", "prmVMCTL_guest1")
    assert host.ids(".//*[@id]") == before


THIRTY = ",".join(f"guest{n}" for n in range(1, 31))


@pytest.mark.parametrize(
    "arguments",
    [
        ("resource", "add", "guest31,guest32", "-a", "hostA"),
        ("resource", "stop", THIRTY),
        ("resource", "move", "guest1", "-n", "hostB", "--no-wait"),
        ("location", "move", "guest1"),
        ("resource", "delete", "guest2,guest3"),
    ],
    ids=lambda arguments: f"{arguments[0]} {arguments[1]}",
)
def test_killed_at_any_point_the_cib_is_as_before_or_as_asked(
    host: Host, arguments: tuple[str, ...]
) -> None:
    """What vm-ctl has handed over when it dies is still carried out as a whole."""
    host.vm_ctl("resource", "add", THIRTY, "-a", "hostB")
    host.vm_ctl("resource", "start", THIRTY)
    host.runs("guest1", "hostA")
    before = host.cib.read_bytes()
    counts = killed(host, "count", *arguments)
    asked = content(host)
    host.cib.write_bytes(before)
    untouched = content(host)
    assert asked != untouched
    seen = []
    for point in points(counts, 2):
        host.cib.write_bytes(before)
        killed(host, point, *arguments)
        seen.append(content(host))
        assert seen[-1] in (untouched, asked), point
    assert untouched in seen
    assert asked in seen


def killed(host: Host, point: str, *arguments: str) -> dict[str, int]:
    """Back when its cibadmin has ended too."""
    script = str(tree.ROOT / "tests" / "lab" / "hosts" / "killed.py")
    vm_ctl = [sys.executable, "-m", "vmctl.main", *arguments, "--config", str(host.conf)]
    done = subprocess.run(
        [sys.executable, script, point, *vm_ctl],
        cwd=tree.ROOT,
        capture_output=True,
        check=True,
        timeout=120,
    )
    counts: dict[str, int] = json.loads(done.stdout)["counts"]
    return counts


def content(host: Host) -> bytes:
    """The configuration; a move's end is counted from its own moment."""
    (found,) = host.root().iterfind("configuration")
    for each in found.iter("date_expression"):
        each.set("end", "later")
    return etree.tostring(found, method="c14n")


def test_no_cluster_is_said_in_one_line(
    host: Host, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CIB_file", str(host.cib) + ".nosuch")
    assert host.vm_ctl("resource", "list") == 1
    assert "there is no such file (CIB_file)" in capsys.readouterr().err
    assert threading.active_count() == 1
