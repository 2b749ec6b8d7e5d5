# SPDX-License-Identifier: GPL-2.0-or-later
"""Whole commands against a scripted cluster: what is written, printed and refused."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import Callable

import pytest

from daemons.vm_stonithd.model import host_report
from daemons.vm_stonithd.model.host_report import HostReport
from pmkvm import settings
from pmkvm.tokens import ring, seal
from pmkvm.tokens.key_report import KeyReport
from stonith.plugin import parameters
from stonith.vm_stonith_key import main
from tests.unit.pacemaker.script import Script, Step

GUESTS = {
    "guest1": "11111111-6e5d-4c1b-9a53-0f8d7a3b9c10",
    "guest2": "22222222-6e5d-4c1b-9a53-0f8d7a3b9c10",
    "bare": "",
    "twin1": "33333333-6e5d-4c1b-9a53-0f8d7a3b9c10",
    "twin2": "33333333-6e5d-4c1b-9a53-0f8d7a3b9c10",
}
HEAR = ("attrd_updater", "--query", "--all", "--name", "vm-stonith")
MON = ("crm_mon", "--output-as=xml")
QUERY = ("cibadmin", "--query")
NODES = """<pacemaker-result><summary><current_dc present="true" name="host1" with_quorum="true"/>
</summary><nodes><node name="host2" id="2" online="{online}" type="member"/>
<node name="host1" id="1" online="true" type="member"/>
<node name="guest9" id="guest9" online="true" type="remote"/></nodes><resources/>
<status code="0" message="OK"/></pacemaker-result>"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(settings, "RUN_DIR", str(tmp_path / "run"))
    for name in ("CIB_file", "CIB_shadow"):
        monkeypatch.delenv(name, raising=False)
    return str(tmp_path / "etc" / "stonith.key")


@pytest.fixture
def cib(tmp_path: Path) -> str:
    primitives = []
    for name, uuid in GUESTS.items():
        path = tmp_path / f"{name}.xml"
        element = f"<uuid>{uuid}</uuid>" if uuid else ""
        path.write_text(f"<domain type='kvm'><name>{name}</name>{element}</domain>")
        primitives.append(
            f'<primitive id="prm_{name}" class="ocf" provider="extra" type="VirtualDomain">'
            f'<instance_attributes id="i-{name}"><nvpair id="n-{name}" name="config"'
            f' value="{path}"/></instance_attributes></primitive>'
        )
    return (
        '<cib><configuration><crm_config><cluster_property_set id="s"><nvpair id="c"'
        ' name="cluster-name" value="hosts"/></cluster_property_set></crm_config><nodes/>'
        f"<resources>{''.join(primitives)}</resources></configuration><status/></cib>"
    )


def cluster(*keys: str, host2: tuple[str, ...] | None = None, online: bool = True) -> list[Step]:
    """What two hosts say: both have these keys, or host2 others."""
    lines = []
    for name, ids in (("host1", keys), ("host2", keys if host2 is None else host2)):
        said = HostReport(time.time(), keys=tuple(KeyReport(i, 1, 0) for i in ids))
        lines.append(f'name="vm-stonith" host="{name}" value="{host_report.encode(said)}"')
    return [
        Step(HEAR, out="\n".join(lines)),
        Step(MON, out=NODES.format(online=str(online).lower())),
    ]


@pytest.fixture
def key(file: str, capsys: pytest.CaptureFixture[str]) -> str:
    """The id of the key in that file."""
    assert main.main(["create", "--file", file]) == 0
    capsys.readouterr()
    return ring.load(file).sealing.id


def test_create_makes_one_key_for_root_alone_and_only_once(
    file: str, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert os.stat(file).st_mode & 0o777 == 0o600
    assert main.main(["create", "--file", file]) == 1
    assert "is there already" in capsys.readouterr().err
    assert ring.load(file).sealing.id == key


def test_a_token_for_each_member_that_all_members_may_use(
    file: str, key: str, cib: str, play: Callable[..., Script], capsys: pytest.CaptureFixture[str]
) -> None:
    script = play(*cluster(key), Step(QUERY, out=cib))
    assert main.main(["token", "--cluster", "guest1,web2=prm_guest2", "--file", file]) == 0
    assert not script.left
    out = capsys.readouterr().out
    listed = out.splitlines()[1]
    device = parameters.device({"hostlist": listed})
    assert [entry.host for entry in device.entries] == ["guest1", "web2"]
    for entry, name in zip(device.entries, ("guest1", "guest2")):
        opened = seal.unseal(entry.token, ring.load(file))
        assert opened.key_id == key
        assert opened.content == (
            "hosts",
            f"prm_{name}",
            GUESTS[name],
            (GUESTS["guest1"], GUESTS["guest2"]),
            ("reset", "off", "on"),
        )
    assert out.count(f'hostlist="{listed}"') == 4
    for agent in ("stonith:external/vm-stonith", "stonith:fence_vm_stonith"):
        assert f"primitive prmStonith-vm {agent} params" in out
    assert "pcs stonith create prmStonith-vm fence_vm_stonith hostlist=" in out
    # The guests may have any Pacemaker.
    assert out.count("property stonith-timeout=40s\n") == 2
    assert out.count("pcs property set stonith-timeout=40s\n") == 2
    new = "property fencing-timeout=40s\npcs property set fencing-timeout=40s\n"
    assert out.partition("Pacemaker 3.0.2 or newer")[2].partition("\n")[2] == new


@pytest.mark.parametrize("port", [True, False])
def test_a_guest_without_a_port_is_warned_of_and_blanks_may_stand_between(
    file: str,
    key: str,
    cib: str,
    play: Callable[..., Script],
    capsys: pytest.CaptureFixture[str],
    port: bool,
) -> None:
    channel = "<channel type='unix'><target type='virtio' name='vmconnectd'/></channel>"
    for name in ("guest1", "guest2"):
        found = re.search(rf'value="([^"]*/{name}\.xml)"', cib)
        assert found is not None
        if port or name == "guest1":
            text = Path(found[1]).read_text()
            devices = f"<devices>{channel}</devices></domain>"
            Path(found[1]).write_text(text.replace("</domain>", devices))
    play(*cluster(key), Step(QUERY, out=cib))
    assert main.main(["token", "--cluster", "guest1,", "guest2", "--file", file]) == 0
    said = capsys.readouterr()
    assert "# hostlist" in said.out
    warned = "vm-stonith-key: warning: guest2 has no channel vmconnectd in its definition on this"
    assert said.err == "" if port else said.err.startswith(warned)


NAME = Step(("crm_node", "--name"), out="host1\n")
ASK = ("crm_resource", "--digests", "--resource", "prm_guest1", "--node", "host1")
GIVEN = (
    '<pacemaker-result><digests><digest type="all"><parameters config="{}"/></digest></digests>'
    "</pacemaker-result>"
)


def test_a_token_is_for_the_domain_that_pacemaker_gives_to_the_agent_here(
    file: str, key: str, cib: str, play: Callable[..., Script], capsys: pytest.CaptureFixture[str]
) -> None:
    second = (
        '<instance_attributes id="i-2" score="9"><nvpair id="n-2" name="config"'
        f' value="{file}"/></instance_attributes><instance_attributes id="i-guest1"'
    )
    two = cib.replace('<instance_attributes id="i-guest1"', second)
    path = re.search(r'value="([^"]*/guest1\.xml)"', cib)
    assert path is not None
    script = play(*cluster(key), Step(QUERY, out=two), NAME, Step(ASK, out=GIVEN.format(path[1])))
    assert main.main(["token", "--cluster", "guest1,guest2", "--file", file]) == 0
    assert not script.left
    listed = capsys.readouterr().out.splitlines()[1]
    (entry, _) = parameters.device({"hostlist": listed}).entries
    assert seal.unseal(entry.token, ring.load(file)).content.uuid == GUESTS["guest1"]


def test_no_token_for_a_guest_whose_definition_cannot_be_told(
    file: str, key: str, cib: str, play: Callable[..., Script], capsys: pytest.CaptureFixture[str]
) -> None:
    other = (
        '<operations><op id="o" name="start" interval="0"><instance_attributes id="i-o">'
        '<nvpair id="n-o" name="config" value="/else.xml"/></instance_attributes></op></operations>'
        '<instance_attributes id="i-guest1"'
    )
    varies = cib.replace('<instance_attributes id="i-guest1"', other)
    play(*cluster(key), Step(QUERY, out=varies))
    argv = ["token", "--cluster", "prm_guest1,guest2", "--file", file]
    assert main.main(argv) == 1
    said = "prm_guest1 can't be told: start may be given another config"
    assert said in capsys.readouterr().err


def test_no_token_while_a_host_lacks_its_key(
    file: str, key: str, play: Callable[..., Script], capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["token", "--cluster", "guest1,guest2", "--file", file]
    for force in ([], ["--force"]):
        play(*cluster(key, host2=()))
        assert main.main([*argv, *force]) == 1
        said = capsys.readouterr()
        assert (said.out, f"host2 does not have the key {key}" in said.err) == ("", True)


def test_an_offline_host_is_passed_over_by_force_only(
    file: str, key: str, cib: str, play: Callable[..., Script], capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["token", "--cluster", "guest1,guest2", "--file", file]
    play(*cluster(key, online=False))
    assert main.main(argv) == 1
    assert "host2 is offline, so its keys are not known\n" in capsys.readouterr().err
    play(*cluster(key, online=False), Step(QUERY, out=cib))
    assert main.main([*argv, "--force"]) == 0


@pytest.mark.usefixtures("key")
@pytest.mark.parametrize(
    ("members", "complaint"),
    [
        ("guest1", "two members at least"),
        ("guest1,guest1=prm_guest2", "same name"),
        ("guest1,b=prm_guest1", "named twice"),
        ("guest1,nobody", "nobody is no guest of this cluster that can be fenced (known: guest1"),
        ("guest1,prm_bare", "prm_bare: "),
        ("guest1,twin1", "prm_twin1 and prm_twin2 have the same uuid"),
        ("guest1,a:b=guest2", "'a:b' is no name of a node"),
    ],
)
def test_members_that_can_t_be_told_apart_get_no_token(
    file: str,
    cib: str,
    play: Callable[..., Script],
    capsys: pytest.CaptureFixture[str],
    members: str,
    complaint: str,
) -> None:
    play(*cluster(ring.load(file).sealing.id), Step(QUERY, out=cib))
    assert main.main(["token", "--cluster", members, "--file", file]) == 1
    said = capsys.readouterr()
    assert (said.out, complaint in said.err) == ("", True), said.err


def test_rotation_on_a_real_file(
    file: str, key: str, play: Callable[..., Script], capsys: pytest.CaptureFixture[str]
) -> None:
    play(*cluster(key))
    assert main.main(["rotate", "--file", file]) == 0
    new = next(each.id for each in ring.load(file).keys if each.id != key)
    play(*cluster(key, new, host2=(key,)))
    assert main.main(["rotate", "--file", file]) == 1
    assert f"host2 does not have the key {new}" in capsys.readouterr().err
    assert ring.load(file).sealing.id == key
    for left in ([key, new], [new]):
        play(*cluster(key, new))
        assert main.main(["rotate", "--file", file]) == 0
        assert [each.id for each in ring.load(file).keys] == left
    play(*cluster(new))
    assert main.main(["list", "--file", file]) == 0
    assert f"{new} seals  host1 (never used), host2 (never used)\n" in capsys.readouterr().out


@pytest.mark.usefixtures("key")
def test_without_a_cluster_only_what_needs_none(
    file: str, play: Callable[..., Script], capsys: pytest.CaptureFixture[str]
) -> None:
    for verb in ("list", "rotate"):
        play(Step(HEAR, 102))
        assert main.main([verb, "--file", file]) == 1
        assert "Pacemaker does not run on this host" in capsys.readouterr().err


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["token"],
        ["token", "--cluster", "a,a"],
        ["token", "--cluster", "a,b", "--operations", "status"],
        ["destroy"],
    ],
)
def test_bad_arguments(argv: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main(argv)
    assert ended.value.code == 2


def test_no_output_holds_a_key(
    file: str, key: str, play: Callable[..., Script], capsys: pytest.CaptureFixture[str]
) -> None:
    text = ring.to_text(ring.load(file)).split()[-1]
    play(*cluster(key))
    assert main.main(["list", "--file", file]) == 0
    assert text not in capsys.readouterr().out
