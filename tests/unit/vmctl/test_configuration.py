# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.vmctl.world import slides_conf
from vmctl import configuration
from vmctl.assignments import parse
from vmctl.messages import RefusedError

SHIPPED = Path(configuration.__file__).parent / "vm-ctl.conf"


def from_text(text: str) -> configuration.Configuration:
    return configuration.from_text(text, "/etc/vm-ctl.conf")


def test_the_shipped_sample_says_what_holds_without_it() -> None:
    assert configuration.load(str(SHIPPED)) == from_text("")._replace(path=str(SHIPPED))


def test_the_shipped_sample_names_every_key_and_its_examples_are_valid() -> None:
    text = SHIPPED.read_text(encoding="utf-8")
    assert set(configuration.KEYS) == set(parse(text)[0])
    with_examples = from_text(text.replace("#vm_", "vm_"))
    kinds = [required.kind for required in with_examples.required_clones()]
    assert kinds == ["pingd", "diskd", "diskd", "managerd", "stonithd"]


def test_the_slides_configuration() -> None:
    slides = slides_conf()
    assert slides.definition("guest1") == "/etc/libvirt/qemu/guest1.xml"
    assert slides.text("vm_allow_migrate") == "off"
    assert slides.fences()
    assert slides.text("vm_ocf") == "ocf:extra:VirtualDomain"
    by_kind = {required.kind: required for required in slides.required_clones()}
    assert (by_kind["pingd"].resource, by_kind["pingd"].attribute) == (
        "clnPingd",
        "default_ping_set",
    )
    assert (by_kind["pingd"].score, by_kind["pingd"].order[1]) == ("INFINITY", "false")
    assert (by_kind["stonithd"].score, by_kind["stonithd"].order[1]) == ("100", "true")
    assert {required.order_kind() for required in slides.required_clones()} == {"Optional"}


def test_on_fail_follows_vm_stonith() -> None:
    def on_fail(text: str) -> dict[str, str]:
        return {each["name"]: each["on-fail"] for each in from_text(text).operations()}

    fencing = on_fail("vm_stonith=on")
    assert fencing == {
        "start": "restart",
        "monitor": "restart",
        "stop": "fence",
        "migrate_to": "fence",
        "migrate_from": "restart",
    }
    assert on_fail("vm_stonith=off") == {**fencing, "stop": "block", "migrate_to": "block"}


def test_an_order_with_a_score_is_mandatory() -> None:
    (required,) = from_text("vm_pingd1=(a b)\nvm_pingd_odr=(INFINITY true)").required_clones()
    assert (required.order_kind(), required.order[1]) == ("Mandatory", "true")


def test_ten_entries_and_a_gap() -> None:
    entries = "\n".join(f"vm_diskd{n}=(c{n} a{n})" for n in range(2, 11))
    assert [required.resource for required in from_text(entries).required_clones()] == [
        f"c{n}" for n in range(2, 11)
    ]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("k=v", ("v",)),
        ("  k=v  ", ("v",)),
        ("k=", ("",)),
        ("k=v # comment", ("v",)),
        ("k=v#no-comment", ("v#no-comment",)),
        ('k="a # b"', ("a # b",)),
        ("k='a b'", ("a b",)),
        ("k=a'b'\"c\"", ("abc",)),
        ("k='say \"x\"'", ('say "x"',)),
        ("k=(a b)", ("a", "b")),
        ("k=( a  'b c' )  # comment", ("a", "b c")),
        ("k=()", ()),
        ("k=(a\n  # comment (\n  b\n)", ("a", "b")),
        ("k=('(' ')')", ("(", ")")),
        ("k=qemu:///system", ("qemu:///system",)),
        ("k=1\nk=2", ("2",)),
    ],
)
def test_assignments_as_a_shell_reads_them(text: str, values: tuple[str, ...]) -> None:
    found, faults = parse(text)
    assert faults == []
    assert found["k"].values == values


@pytest.mark.parametrize(
    "text",
    [
        "k",
        "k = v",
        "k=$HOME",
        "k=`id`",
        "k=$(id)",
        "k=a b",
        "k=a; id",
        "k=a && id",
        "k=(a b",
        "k=(a b) c",
        "k=(a (b))",
        'k="open',
        "k='open",
        "k=a\\ b",
        "id; k=v",
        "export k=v",
        "1k=v",
    ],
)
def test_what_a_shell_would_execute_or_refuse_is_a_fault_with_its_line(text: str) -> None:
    found, faults = parse(f"# first\n{text}\n")
    assert "k" not in found
    assert [line for line, _ in faults] == [2]


@pytest.mark.parametrize(
    ("text", "number", "allowed"),
    [
        ("vm_cfg_dir=qemu", 6, "an absolute path"),
        ("vm_allow_migrate=maybe", 7, "on or off"),
        ("vm_stonith=1", 8, "on or off"),
        ("vm_pingd1=(a b c)", 9, "resource attribute"),
        ("vm_pingd1=()", 9, "resource attribute"),
        ("vm_diskd1=('a b' c)", 10, "resource attribute"),
        ("vm_managerd2=(a b c)", 23, "resource attribute"),
        ("vm_stonithd1=(a b)", 24, "(resource)"),
        ("vm_pingd11=(a b)", 22, "no such key"),
        ("vm_pingd0=(a b)", 22, "no such key"),
        ("vm_nosuch=1", 22, "no such key"),
        ("vm_ocf=VirtualDomain", 22, "ocf:PROVIDER:AGENT"),
        ("vm_start_op=(0 120s)", 22, "on-fail"),
        ("vm_start_op=(0 soon restart)", 22, "on-fail"),
        ("vm_start_op=(0 0 restart)", 22, "on-fail"),
        ("vm_monitor_op=(10s 30s explode)", 22, "on-fail"),
        ("vm_pingd_loc=(near 100)", 22, "lt gt"),
        ("vm_pingd_col=much", 22, "INFINITY"),
        ("vm_pingd_odr=(0 perhaps)", 22, "(0 false)"),
        ("vm_pingd_odr=(-1 true)", 22, "(0 false)"),
        ("vm_node_loc_act=high", 22, "a score"),
        ("crmadmin_timeout=long", 22, "no effect"),
        ("vm_hypervisor=", 22, "URI"),
        ("vm_hypervisor=localhost", 22, "URI"),
        ("vm_migration_transport=telnet", 22, "one of ssh tls tcp"),
        ("vm_monitor_op=(0 30s restart)", 22, "both times above 0"),
        ("vm_monitor_op=(10s 0 restart)", 22, "both times above 0"),
        ("vm_start_op=(10s 120s restart)", 22, "(0 timeout on-fail)"),
        ("vm_stop_op=(5s 90s)", 22, "(0 timeout)"),
    ],
)
def test_a_bad_key_says_file_line_and_what_is_allowed(text: str, number: int, allowed: str) -> None:
    with pytest.raises(RefusedError) as caught:
        from_text(f"\n{text}\n")
    (problem,) = caught.value.problems
    assert problem.number == number
    assert problem.text.startswith("/etc/vm-ctl.conf:2: ")
    assert allowed in problem.text


def test_everything_wrong_is_said_at_once() -> None:
    with pytest.raises(RefusedError) as caught:
        from_text("vm_stonith=1\nwhat\nvm_cfg_dir=x\n")
    assert sorted(problem.number for problem in caught.value.problems) == [6, 8, 22]


def test_an_attribute_or_a_clone_twice_would_make_one_id_twice() -> None:
    with pytest.raises(RefusedError, match="diskcheck is in another entry"):
        from_text("vm_diskd1=(clnDiskd1 diskcheck)\nvm_diskd2=(clnDiskd2 diskcheck)")


def test_a_file_that_is_missing_or_no_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="MSG02 /nonexistent"):
        configuration.load("/nonexistent")
    path = tmp_path / "vm-ctl.conf"
    path.write_bytes(b"vm_stonith=\xff")
    with pytest.raises(RefusedError, match="MSG05"):
        configuration.load(str(path))
