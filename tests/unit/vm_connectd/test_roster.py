# SPDX-License-Identifier: GPL-2.0-or-later
"""Which guests, which socket: from the CIB, from live definitions, from the directories."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from daemons.vm_connectd import domain, resources, roster
from daemons.vm_connectd.domain import Domain
from pmkvm.pacemaker import targets
from pmkvm.pacemaker.errors import BadAnswerError
from pmkvm.pacemaker.parameter import Parameter
from pmkvm.pacemaker.targets import Guest
from pmkvm.virt.identity import Identity

if TYPE_CHECKING:
    from pathlib import Path


def primitive(name: str, kind: str = "ocf:extra:VirtualDomain", config: str = "/c.xml") -> str:
    standard, provider, agent = kind.split(":")
    return (
        f"<primitive id='{name}' class='{standard}' provider='{provider}' type='{agent}'>"
        f"<instance_attributes id='{name}-a'><nvpair id='{name}-c' name='config' value='{config}'/>"
        "</instance_attributes></primitive>"
    )


def ids(inner: str) -> list[str]:
    return [each.id for each in resources.parse(f"<resources>{inner}</resources>")]


def test_guests_are_found_by_both_agents_and_in_groups() -> None:  # L14
    inner = (
        primitive("a")
        + f"<group id='g'>{primitive('b', 'ocf:heartbeat:VirtualDomain')}{primitive('c')}</group>"
        + f"<clone id='k'>{primitive('d')}</clone>"
        + primitive("e", "ocf:pacemaker:VirtualDomain")
        + primitive("f", "ocf:heartbeat:Dummy")
        + primitive("g2", config="")
    )
    assert ids(inner) == ["a", "b", "c", "d"]


def test_guests_are_found_by_their_template() -> None:  # L14
    template = primitive("t", config="/t.xml").replace("primitive", "template")
    own = (
        "<primitive id='b' template='t'><instance_attributes id='i'>"
        "<nvpair id='n' name='config' value='/b.xml'/></instance_attributes></primitive>"
    )
    document = f"<resources>{template}<primitive id='a' template='t'/>{own}</resources>"
    alone, both = resources.parse(document)
    assert alone == Guest("a", targets.OURS, Parameter(("/t.xml",)), is_alone=True)
    # Pacemaker's to say: the scores of the two sets decide.
    assert (both.id, both.config.is_plain) == ("b", False)
    assert both.config.possible == ("/t.xml", "/b.xml")


def test_a_whole_cib_is_read_too_and_no_cib_is_an_error() -> None:
    document = f"<cib><configuration><resources>{primitive('a')}</resources></configuration></cib>"
    assert [each.id for each in resources.parse(document)] == ["a"]
    for bad in ("", "<cib", "<cib/>"):
        with pytest.raises(BadAnswerError):
            resources.parse(bad)


CHANNEL = "<channel type='{kind}'><source {source}/><target type='virtio' name='{name}'/></channel>"


def channel(
    kind: str = "unix", source: str = "mode='bind' path='/s/a'", name: str = "vmconnectd"
) -> str:
    return CHANNEL.format(kind=kind, source=source, name=name)


@pytest.mark.parametrize(
    ("channels", "path", "problem"),
    [
        (channel(), "/s/a", ""),
        (channel(name="org.qemu.guest_agent.0") + channel(), "/s/a", ""),
        ("", "", "no channel named vmconnectd"),
        (channel(name="vmconnectd2"), "", "no channel named vmconnectd"),
        (channel() + channel(), "", "2 channels"),
        (channel(kind="pty"), "", "no unix socket"),
        (channel(source="mode='connect' path='/s/a'"), "", "no unix socket"),
        (channel(source="mode='bind'"), "", "no path"),
    ],
)
def test_the_live_definition_names_the_socket(channels: str, path: str, problem: str) -> None:
    found = domain.parse(
        f"<domain><name>a</name><uuid>U1</uuid><devices>{channels}</devices></domain>"
    )
    assert (found.name, found.uuid, found.path) == ("a", "u1", path)
    assert problem in found.problem
    assert bool(problem) == bool(found.problem)


@pytest.mark.parametrize("definition", ["", "<domain/>", "<a/>", "<domain><name>a</name></domain>"])
def test_what_is_no_domain_is_an_error(definition: str) -> None:
    with pytest.raises(ValueError, match="libvirt's definition"):
        domain.parse(definition)


def guest(name: str, uuid: str = "") -> tuple[Guest, Identity]:
    resource = Guest(f"prm-{name}", targets.OURS, Parameter((f"/{name}.xml",)), is_alone=True)
    return resource, Identity(name, uuid, is_qemu=True)


def test_resources_and_domains_meet_by_uuid_and_without_one_by_name() -> None:
    domains = [Domain("a", "u1", "/s/a"), Domain("b", "u2", "/s/b"), Domain("x", "u9", "/s/x")]
    guests = [guest("other-name", "u1"), guest("b"), guest("not-here", "u3"), guest("x", "u8")]
    found = roster.draw_up(guests, domains, ["/s"], real=str)
    assert [(each.resource, each.uuid) for each in found.targets] == [
        ("prm-other-name", "u1"),
        ("prm-b", "u2"),
    ]
    assert found.rejected == ()


@pytest.mark.parametrize(
    ("domains", "guests", "reason"),
    [
        ([Domain("a", "u", "/elsewhere/a")], [guest("a")], "outside /s"),
        ([Domain("a", "u", "/s2/a")], [guest("a")], "outside /s"),
        ([Domain("a", "u", "/S/a")], [guest("a")], "outside /s"),
        ([Domain("a", "u", "s/a")], [guest("a")], "outside /s"),
        ([Domain("a", "u", "/s")], [guest("a")], "outside /s"),
        ([Domain("a", "u", "", "no channel")], [guest("a")], "no channel"),
        ([Domain("a\x1b", "u", "/s/a")], [guest("a", "u")], "not printable"),
        ([Domain("a", "u", "/s/a")], [guest("a", "u"), guest("b", "u")], "2 resources"),
    ],
)
def test_a_doubt_is_a_reason(
    domains: list[Domain], guests: list[tuple[Guest, Identity]], reason: str
) -> None:
    found = roster.draw_up(guests, domains, ["/s"], real=str)
    assert found.targets == ()
    assert {reason in each.reason for each in found.rejected} == {True}


def test_links_are_followed_before_a_path_is_judged(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    (inside / "channel").mkdir(parents=True)
    outside.mkdir()
    (inside / "way").symlink_to(outside)
    (tmp_path / "alias").symlink_to(inside)
    paths = {
        inside / "a": True,
        inside / "channel" / "a": True,
        tmp_path / "alias" / "a": True,
        inside / ".." / "out" / "a": False,
        inside / "way" / "a": False,
    }
    for path, is_fine in paths.items():
        found = roster.draw_up([guest("a")], [Domain("a", "u", str(path))], [str(inside)])
        assert bool(found.targets) is is_fine, path
