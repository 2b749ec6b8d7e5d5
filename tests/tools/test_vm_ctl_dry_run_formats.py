# SPDX-License-Identifier: GPL-2.0-or-later
"""What --dry-run prints does what vm-ctl does: in crmsh, in pcs, and as a patch.

On this machine's releases, and on those of the lab's other roots that have been built.
"""

from __future__ import annotations

import shlex
import time
from typing import TYPE_CHECKING

import pytest
from lxml import etree

from pmkvm import run
from tests.tools import roots
from tests.tools.cib_host import DUMMY
from vmctl import configuration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.tools.cib_host import Host

# What the shells invent: ids inside of resources and rules.
INVENTED = {"nvpair", "op", "instance_attributes", "meta_attributes"}
INVENTED |= {"expression", "date_expression"}
# What they write out though it holds anyway.
DEFAULTS = {"first-action": "start", "then-action": "start", "boolean-op": "and"}

TEN = "".join(
    f"vm_{kind}{n}=({kind}{n}{'' if kind == 'stonithd' else f' {kind}_{n}'})\n"
    for kind in configuration.ENTRY_NUMBERS
    for n in range(1, 11)
)


def objects(path: Path) -> list[str]:
    """All resources, constraints and tags, without what may differ from shell to shell."""
    root = etree.parse(str(path), etree.XMLParser(remove_blank_text=True)).getroot()
    for element in root.iter("*"):
        if element.tag in INVENTED:
            element.attrib.pop("id", "")
        for name, value in DEFAULTS.items():
            if element.get(name) == value:
                del element.attrib[name]
    for operations in root.findall(".//operations"):
        operations[:] = sorted(operations, key=lambda op: str(op.get("name")))
    found = root.iterfind("configuration/*/*")
    return sorted(etree.tostring(e, method="c14n").decode() for e in found if _is_ours(e))


def _is_ours(element: etree._Element) -> bool:
    section = element.getparent()
    return section is not None and section.tag in {"resources", "constraints", "tags"}


class Shells:
    """The tools of one root, on a copy of the CIB in its /tmp."""

    def __init__(self, root: Path, directory: Path) -> None:
        self.directory = directory
        self.cib = directory / "cib.xml"
        self._enter = roots.enter(root)
        self._inside = roots.inside(root, self.cib)

    def apply(self, language: str, text: str) -> None:
        getattr(self, language)(text)

    def crm(self, text: str) -> None:
        load = () if text.startswith("delete ") else ("load", "update", "-")
        self._call(("crm", "configure", *load), text)

    def pcs(self, text: str) -> None:
        for line in text.splitlines():
            program, *arguments = shlex.split(line)
            self._call((program, "-f", self._inside, *arguments))

    def xml(self, text: str) -> None:
        self._call(("cibadmin", "--patch", "--xml-pipe"), text)

    def verify(self) -> tuple[int, str]:
        done = run.run((*self._enter, "crm_verify", "-V", "--xml-file", self._inside), timeout_s=60)
        return done.rc, done.out + done.err

    def _call(self, argv: tuple[str, ...], stdin: str | None = None) -> None:
        done = run.run(
            (*self._enter, *argv),
            timeout_s=120,
            stdin=stdin,
            environment={"CIB_file": self._inside, "HOME": "/root"},
        )
        assert done.rc == 0, (argv, done)
        assert "ERROR" not in done.out + done.err, (argv, done)


@pytest.fixture(params=roots.ROOTS, ids=str)
def shells(request: pytest.FixtureRequest) -> Iterator[Shells]:
    root: Path = request.param
    with roots.directory(root, "vm-ctl") as directory:
        yield Shells(root, directory)


def _added(host: Host) -> None:
    assert host.vm_ctl("resource", "add", "guest1,guest2", "-a", "hostA", "-m", "on") == 0


def _running(host: Host) -> None:
    _added(host)
    assert host.vm_ctl("resource", "start", "guest1") == 0
    host.runs("guest1", "hostB")


def _moved(host: Host) -> None:
    _running(host)
    assert host.vm_ctl("resource", "move", "guest1", "-n", "hostA", "--no-wait") == 0


def _watch(host: Host, entries: str) -> None:
    """These clones instead of those of the slides."""
    lines = host.conf.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = (line for line in lines if not configuration.ENTRY.match(line))
    host.conf.write_text("".join([*kept, entries]), encoding="utf-8")


def _with_ten_of_each(host: Host) -> None:
    _watch(host, TEN)
    root = host.root()
    (resources,) = root.iterfind("configuration/resources")
    for kind in configuration.ENTRY_NUMBERS:
        resources.extend(etree.fromstring(DUMMY.format(f"{kind}{n}")) for n in range(1, 11))
    host.cib.write_bytes(etree.tostring(root))


def _with_odd_names(host: Host) -> None:
    _watch(host, "")
    for name in ODD:
        (host.cib.parent / f"{name}.xml").touch()


ODD = ("1st ゲスト's",)

COMMANDS: dict[str, tuple[Callable[[Host], None], tuple[str, ...]]] = {
    "add": (lambda _host: None, ("resource", "add", "guest1", "-a", "hostA", "-m", "on")),
    "add, ten of each": (_with_ten_of_each, ("resource", "add", "guest1", "-a", "hostA")),
    "add, odd names": (_with_odd_names, ("resource", "add", ",".join(ODD), "-a", "hostA")),
    "start": (_added, ("resource", "start", "guest1,guest2")),
    "stop": (_running, ("resource", "stop", "guest1")),
    "delete": (_added, ("resource", "delete", "guest1,guest2")),
    "move": (_running, ("resource", "move", "guest1", "-n", "hostA", "--no-wait")),
    "move again": (_moved, ("resource", "move", "guest1", "-n", "hostA", "--no-wait")),
    "unmove": (_moved, ("resource", "unmove", "guest1")),
    "location move": (_running, ("location", "move", "guest1")),
}


# pcs takes half a second a constraint, and 120 of them are no other than four.
CASES = [
    (command, language)
    for command in COMMANDS
    for language in ("crm", "xml", "pcs")
    if (command, language) != ("add, ten of each", "pcs")
]


@pytest.mark.parametrize(("command", "language"), CASES)
def test_what_a_command_prints_makes_the_objects_that_it_makes(
    host: Host,
    shells: Shells,
    command: str,
    language: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The shells take no agent that is not installed, and ours is only where the package is.
    with host.conf.open("a", encoding="utf-8") as conf:
        conf.write("\nvm_ocf=ocf:heartbeat:VirtualDomain\n")
    prepare, arguments = COMMANDS[command]
    prepare(host)
    # A move's end is counted from now.
    monkeypatch.setattr(time, "time", lambda: 1_800_000_000.0)
    before = host.cib.read_bytes()
    capsys.readouterr()
    assert host.vm_ctl(*arguments, "--dry-run", "--format", language) == 0
    assert host.cib.read_bytes() == before
    printed = capsys.readouterr().out
    shells.cib.write_bytes(before)
    old = objects(shells.cib)
    shells.apply(language, printed)
    assert host.vm_ctl(*arguments) == 0
    made, told = set(objects(host.cib)), set(objects(shells.cib))
    assert (made - told, told - made) == (set(), set())
    assert objects(host.cib) != old
    shells.cib.write_bytes(host.cib.read_bytes())
    assert shells.verify() == (0, "")
