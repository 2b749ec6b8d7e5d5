# SPDX-License-Identifier: GPL-2.0-or-later
"""What doc/from-2011.md has to be pasted is understood by crmsh, pcs, corosync and libvirt, and is
what its tables say: the same for both shells, and the text of the slides but for what is named."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple
from xml.etree import ElementTree

import pytest

from pmkvm.run import run
from tests import tree
from tests.lab.cluster import stonith
from tests.lab.slides import appendix_a, appendix_b
from tests.lab.slides.deviation import printed
from tests.tools.guest import needs_root

if TYPE_CHECKING:
    from pathlib import Path

    from tests.tools.guest import Guest

pytestmark = needs_root

PAGE = (tree.ROOT / "doc" / "from-2011.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.*)\n((?:(?!^## ).*\n)*)", PAGE, re.MULTILINE))
CLUSTER = "4-1. The cluster itself"
WATCHES = "4-2. ping and diskd"
DAEMONS = "4-2. vm-connectd, vm-stonithd and the channel"
GUESTS = "Appendix B: fencing of the guests"

# Appendix B of the page differs in these from what the lab runs: it asks a person for longer, and
# has none of the parameters that today's fencer does not know.
NOT_COMPARED = {"priority", "stonith-timeout", "pcmk_reboot_timeout"}


class Made(NamedTuple):
    """What a text makes of an empty CIB."""

    cib: ElementTree.Element

    def agents(self) -> dict[str, str]:
        found = self.cib.iter("primitive")
        return {one.get("id", ""): _agent(one) for one in found}

    def parameters(self, primitive: str) -> dict[str, str]:
        """Of a clone, too."""
        pairs = self.cib.iterfind(f".//primitive[@id='{primitive}']/instance_attributes/nvpair")
        return {pair.get("name", ""): pair.get("value", "") for pair in pairs}

    def operations(self, primitive: str) -> dict[str, tuple[str | None, ...]]:
        """Those that the slides name: pcs writes all that are in an agent's metadata."""
        found = self.cib.iterfind(f".//primitive[@id='{primitive}']/operations/op")
        names = ("interval", "timeout", "on-fail")
        made = {one.get("name", ""): tuple(one.get(name) for name in names) for one in found}
        return {
            name: values for name, values in made.items() if name in ("start", "monitor", "stop")
        }

    def clones(self) -> set[tuple[str | None, str | None]]:
        found = self.cib.iter("clone")
        return {(clone.get("id"), one.get("id")) for clone in found for one in clone}

    def levels(self) -> list[tuple[str, int, list[str]]]:
        return sorted(
            (one.get("target", ""), int(one.get("index", "0")), one.get("devices", "").split(","))
            for one in self.cib.iter("fencing-level")
        )

    def properties(self) -> dict[str, str]:
        pairs = self.cib.iterfind(".//cluster_property_set/nvpair")
        return {pair.get("name", ""): pair.get("value", "") for pair in pairs}

    def constraints(self) -> set[str]:
        (found,) = self.cib.iter("constraints")
        return {re.sub(rb"\s+", b" ", ElementTree.tostring(one)).decode().strip() for one in found}


def _agent(primitive: ElementTree.Element) -> str:
    parts = (primitive.get(name) for name in ("class", "provider", "type"))
    return ":".join(part for part in parts if part)


def blocks(section: str) -> list[str]:
    return re.findall(r"^```\w*\n(.*?)^```$", SECTIONS[section], re.MULTILINE | re.DOTALL)


def block(section: str, beginning: str) -> str:
    (found,) = [one for one in blocks(section) if one.startswith(beginning)]
    return found


def crm(guest: Guest, directory: Path, text: str, *options: str) -> Made:
    cib, script = directory / "crm.xml", directory / "text.crm"
    cib.write_text(run(["cibadmin", "--empty"], timeout_s=60).out, encoding="utf-8")
    script.write_text(text, encoding="utf-8")
    argv = ("crm", *options, "configure", "load", "update", str(script))
    done = guest.run(*argv, CIB_file=str(cib), HOME=str(directory))
    assert done.returncode == 0, done.stdout + done.stderr
    return Made(ElementTree.parse(cib).getroot())


def pcs(guest: Guest, directory: Path, text: str) -> Made:
    """Each command must succeed. --force: ocf:extra is not installed where this runs, and without
    a cluster nobody knows the nodes of the levels."""
    cib, script = directory / "pcs.xml", directory / "script"
    cib.write_text(run(["cibadmin", "--empty"], timeout_s=60).out, encoding="utf-8")
    text = text.replace("level add", "level --force add")
    text = re.sub(
        r"^(pcs resource create (?!ocf:pacemaker:ping).*)", r"\1 --force", _joined(text), flags=re.M
    )
    script.write_text(f"set -e\n{text}".replace("pcs ", f"pcs -f {cib} "), encoding="utf-8")
    done = guest.run("sh", str(script), HOME=str(directory))
    assert done.returncode == 0, done.stdout + done.stderr
    return Made(ElementTree.parse(cib).getroot())


def _joined(text: str) -> str:
    return text.replace("\\\n", "")


# --- the hosts' and the guests' clones


def test_ping_and_diskd_are_the_same_for_both_shells(guest: Guest, tmp_path: Path) -> None:
    by_crm = crm(guest, tmp_path, block(WATCHES, "primitive"), "--force")
    by_pcs = pcs(guest, tmp_path, block(WATCHES, "pcs"))
    assert by_crm.agents() == by_pcs.agents()
    assert by_crm.agents()["pingCheck"] == "ocf:pacemaker:ping"
    _are_the_same_clones(by_crm, by_pcs)


def test_the_daemons_are_the_same_for_both_shells(guest: Guest, tmp_path: Path) -> None:
    by_crm = crm(guest, tmp_path, block(DAEMONS, "primitive"), "--force")
    by_pcs = pcs(guest, tmp_path, block(DAEMONS, "pcs"))
    assert by_crm.agents() == by_pcs.agents()
    _are_the_same_clones(by_crm, by_pcs)
    (ours,), (theirs,) = (made.cib.findall(".//rsc_order") for made in (by_crm, by_pcs))
    for name in ("id", "first", "then", "kind"):
        assert ours.get(name) == theirs.get(name) is not None


def _are_the_same_clones(by_crm: Made, by_pcs: Made) -> None:
    assert by_crm.clones() == by_pcs.clones()
    for name in by_crm.agents():
        assert by_crm.parameters(name) == by_pcs.parameters(name) != {}
        assert by_crm.operations(name) == by_pcs.operations(name) != {}


def test_the_daemons_are_the_slides_but_for_their_options(guest: Guest, tmp_path: Path) -> None:
    ours = crm(guest, tmp_path, block(DAEMONS, "primitive"), "--force")
    slides = crm(guest, tmp_path, stonith.SLIDES, "--force")
    assert (ours.agents(), ours.clones()) == (slides.agents(), slides.clones())
    assert ours.constraints() == slides.constraints()
    for name in ours.agents():
        printed = {**slides.parameters(name), **ours.parameters(name)}
        assert ours.operations(name) == slides.operations(name)
        assert set(printed) - set(ours.parameters(name)) <= {"cmdline_options"}
    old = "cmdline_options=\"-c 'openssl des-ede3 -d -base64 -k vmstonith' -i\""
    assert old in stonith.SLIDES
    assert old in PAGE.replace("\n", " ")


def test_ifcheckd_is_that_of_its_own_page() -> None:
    theirs = (tree.ROOT / "doc" / "ifcheckd.md").read_text(encoding="utf-8")
    assert block(CLUSTER, "primitive prmIfcheckd") in theirs


# --- fencing


@pytest.mark.parametrize(
    ("printed", "unknown"),
    [
        ("hostname=host1 priority=2", "priority"),
        ("hostname=host1 stonith-timeout=60", "stonith-timeout"),
        ("hostlist=host1", "hostlist"),
    ],
)
def test_what_crmsh_refuses_of_the_printed_appendix_a(
    guest: Guest, tmp_path: Path, printed: str, unknown: str
) -> None:
    parameters = f"{printed} ipaddr=a userid=u passwd=p interface=lanplus"
    text = f"primitive ipmi stonith:external/ipmi params {parameters}\n"
    with pytest.raises(AssertionError, match=f'parameter "{unknown}" is not known'):
        crm(guest, tmp_path, text)
    assert unknown in crm(guest, tmp_path, text, "--force").parameters("ipmi")


def test_crmsh_loads_ping_only_where_hosts_can_be_fenced(guest: Guest, tmp_path: Path) -> None:
    ping = block(WATCHES, "primitive").partition("primitive diskCheck1")[0]
    with pytest.raises(AssertionError, match="no STONITH resources have been defined"):
        crm(guest, tmp_path, ping)
    made = crm(guest, tmp_path, appendix_a.today(appendix_a.EXAMPLE) + ping)
    assert made.clones() == {("clnPingd", "pingCheck")}


def test_the_printed_backslashes_swallow_the_clones(guest: Guest, tmp_path: Path) -> None:
    text = block(WATCHES, "primitive").replace("\nclone", " \\\nclone")
    made = crm(guest, tmp_path, text, "--force")
    assert (len(made.agents()), made.clones()) == (2, set())


def test_appendix_b_is_what_the_lab_runs(guest: Guest, tmp_path: Path) -> None:
    addresses = {"guest1": "192.168.xxx.xxx", "guest2": "192.168.xxx.zzz"}
    tokens = dict.fromkeys(addresses, "TOKEN")
    changes = appendix_b.deviations(addresses, "guest_resource1", tokens)
    # An emulated processor's.
    changes = [one for one in changes if "monitor" not in one.pattern]
    lab = crm(guest, tmp_path, appendix_b.today(changes), "--force")
    page = crm(guest, tmp_path, block(GUESTS, "primitive"))
    assert page.agents() == lab.agents()
    assert page.levels() == lab.levels()
    assert page.constraints() == lab.constraints()
    assert page.properties()["stonith-timeout"] == "40s"
    for name in page.agents():
        ours, theirs = page.parameters(name), lab.parameters(name)
        assert {key: ours[key] for key in ours.keys() - NOT_COMPARED} == {
            key: theirs[key] for key in theirs.keys() - NOT_COMPARED
        }
        assert page.operations(name) == lab.operations(name)


def test_appendix_b_for_pcs(guest: Guest, tmp_path: Path) -> None:
    made = pcs(guest, tmp_path, block(GUESTS, "pcs"))
    targets = ("guest1", "guest2")
    assert made.levels() == [(one, 1, [f"vm-stonith-{one}"]) for one in targets]
    for one in targets:
        assert made.agents()[f"vm-stonith-{one}"] == "stonith:fence_vm_stonith"
        assert made.parameters(f"vm-stonith-{one}")["hostlist"] == f"{one}:TOKEN"


# --- corosync and libvirt


def settings_of(text: str) -> dict[str, str]:
    """Of a corosync.conf: by section and name; of the second node too."""
    found: dict[str, str] = {}
    path: list[str] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        if line.endswith("{"):
            path.append(line[:-1].strip())
        elif line == "}":
            path.pop()
        else:
            name, _, value = line.partition(":")
            key = ".".join([*path, name])
            found[key] = " ".join(filter(None, (found.get(key), value.strip())))
    return found


def test_corosync_takes_the_file_with_the_key(tmp_path: Path) -> None:
    key, conf = tmp_path / "authkey", tmp_path / "corosync.conf"
    made = run(["corosync-keygen", "-l", "-k", str(key)], timeout_s=60)
    assert (made.rc, key.stat().st_mode & 0o777) == (0, 0o400), made.err
    text = block(CLUSTER, "totem {")
    conf.write_text(text.replace("totem {", f"totem {{\n  keyfile: {key}"), encoding="utf-8")
    done = run(["corosync", "-t", "-c", str(conf)], timeout_s=60)
    assert done.rc == 0, done.out + done.err
    conf.write_text(text.replace("knet", "nothing"), encoding="utf-8")
    assert run(["corosync", "-t", "-c", str(conf)], timeout_s=60).rc != 0


def test_pcs_makes_the_same_of_its_line(tmp_path: Path) -> None:
    conf = tmp_path / "corosync.conf"
    line = _joined(block(CLUSTER, "pcs cluster setup")).strip()
    done = run(["sh", "-c", f"{line} --corosync_conf {conf}"], timeout_s=60)
    assert done.rc == 0, done.err
    ours, theirs = settings_of(block(CLUSTER, "totem {")), settings_of(conf.read_text())
    # pcs writes a log file, and gives each cluster an uuid.
    both = {key for key in ours if not key.startswith("logging.")}
    assert {key: theirs.get(key) for key in both} == {key: ours[key] for key in both}


def test_libvirt_knows_both_forms_of_the_channel() -> None:
    for channel in (block(DAEMONS, "<channel"), printed("channel.xml")):
        domain = (
            "<domain type='kvm'><name>guest1</name><memory>1</memory><os><type>hvm</type></os>"
            f"<devices>{channel}</devices></domain>"
        )
        done = run(["virt-xml-validate", "-", "domain"], timeout_s=60, stdin=domain)
        assert done.rc == 0, done.err + done.out
