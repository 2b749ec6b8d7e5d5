# SPDX-License-Identifier: GPL-2.0-or-later
"""Which package has what: all that is installed once, and for a guest nothing but the standard
library. The tables of rpm/contents.py say it; the spec has the rest."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pmkvm import settings
from pmkvm.version import VERSION
from tests import tree

if TYPE_CHECKING:
    from pathlib import Path

INSTALL = tree.ROOT / "rpm" / "install.py"
CONTENTS = tree.ROOT / "rpm" / "contents.py"
SPEC = (tree.ROOT / "rpm" / "pm_kvm_tools.spec").read_text(encoding="utf-8")
LIBDIR = "/usr/lib64"

NAMES = {
    "pm_kvm_tools-common",
    "pm_kvm_tools-connect",
    "pm_kvm_tools-agents",
    "pm_kvm_tools",
    "pm_kvm_tools-guest",
    "vm-ctl",
    "pm_kvm_tools-stonith-glue",
    "pm_diskd",
    "pm_extras",
}
# Those that a guest installs, and diskd, which guests run too.
FOR_GUESTS = (
    "pm_kvm_tools-connect",
    "pm_kvm_tools-guest",
    "pm_extras",
    "pm_diskd",
)
# vm-connectd's half that only a host loads.
NOT_IN_GUESTS = {"daemons.vm_connectd.host"}

OURS = tree.read(tree.ROOT)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything below root, and beside it a list for each package."""
    work = tmp_path_factory.mktemp("packages")
    subprocess.run(
        [
            *(sys.executable, "-B", str(INSTALL), f"--destdir={work / 'root'}"),
            *("--release=1", f"--libdir={LIBDIR}", f"--manifests={work}"),
        ],
        check=True,
        timeout=120,
    )
    return work


def lines(installed: Path) -> dict[str, list[str]]:
    return {
        path.stem: path.read_text(encoding="utf-8").splitlines()
        for path in installed.glob("*.files")
    }


def path_in(line: str) -> str:
    return line.rpartition(" ")[2].rstrip("*")


def requires(package: str) -> list[str]:
    section = SPEC.partition(f"\n%package -n {package}\n")[2].partition("\n%description")[0]
    return re.findall(r"^Requires: +(.*)$", section, re.MULTILINE)


def test_the_spec_has_the_version() -> None:
    assert f"\nVersion:        {VERSION}\n" in SPEC


def test_debian_has_the_same_packages_of_the_same_version() -> None:
    debian = tree.ROOT / "debian"
    control = (debian / "control").read_text(encoding="utf-8")
    named = re.findall(r"^Package: (.*)$", control, re.MULTILINE)
    assert sorted(named) == sorted(name.replace("_", "-") for name in NAMES)
    first = (debian / "changelog").read_text(encoding="utf-8").partition("\n")[0]
    (release,) = re.findall(r"^Release: +(\d+)", SPEC, re.MULTILINE)
    assert first.startswith(f"pm-kvm-tools ({VERSION}-{release}) ")


def test_a_program_in_debian_is_never_there_before_its_modules() -> None:
    control = (tree.ROOT / "debian" / "control").read_text(encoding="utf-8")
    for paragraph in control.split("\n\n"):
        if paragraph.startswith("Package: ") and "Package: pm-kvm-tools-common\n" not in paragraph:
            assert "\nPre-Depends: pm-kvm-tools-common (= ${binary:Version})\n" in paragraph


def test_the_package_of_the_modules_has_no_program() -> None:
    """Both package managers put /usr/lib and /usr/sbin in place before /usr/share: a program that
    is called in between would not find its modules."""
    contents = runpy.run_path(str(CONTENTS))
    assert [one.path for one in contents["PROGRAMS"] if one.package == contents["COMMON"]] == []


def test_each_package_has_a_list_and_a_place_in_the_spec(installed: Path) -> None:
    assert set(lines(installed)) == NAMES
    for name in NAMES:
        assert f"\n%package -n {name}\n" in SPEC
        assert f"\n%files -n {name} -f manifests/{name}.files\n" in SPEC


def test_every_file_is_in_one_package(installed: Path) -> None:
    paths = [path_in(line) for listed in lines(installed).values() for line in listed]
    assert len(paths) == len(set(paths))
    root = installed / "root"
    there = {f"/{path.relative_to(root)}" for path in root.rglob("*") if path.is_file()}
    modules = {path for path in there if path.startswith(f"{settings.PRIVATE_DIR}/")}
    assert {path for path in paths if (root / path.lstrip("/")).is_file()} == there - modules
    assert all((root / path.lstrip("/")).exists() for path in paths)


def test_one_package_alone_is_what_its_list_says(installed: Path, tmp_path: Path) -> None:
    for name, listed in lines(installed).items():
        root = tmp_path / name
        command = [sys.executable, "-B", str(INSTALL), f"--destdir={root}", "--release=1"]
        options = (f"--libdir={LIBDIR}", f"--package={name}")
        subprocess.run([*command, *options], check=True, timeout=120)
        there = {f"/{path.relative_to(root)}" for path in root.rglob("*") if path.is_file()}
        modules = {path for path in there if path.startswith(f"{settings.PRIVATE_DIR}/")}
        assert bool(modules) == (name == "pm_kvm_tools-common")
        assert there - modules == {path_in(line) for line in listed if not line.startswith("%dir ")}
        assert all((root / path_in(line).lstrip("/")).exists() for line in listed)


def test_a_package_that_is_none_is_refused() -> None:
    command = [sys.executable, "-B", str(INSTALL), "--destdir=/nowhere", "--package=pm_logconv"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "invalid choice: 'pm_logconv'" in done.stderr


def test_only_programs_have_no_directive(installed: Path) -> None:
    for line in (line for listed in lines(installed).values() for line in listed):
        path = installed / "root" / path_in(line).lstrip("/")
        is_program = path.is_file() and bool(path.stat().st_mode & 0o100)
        assert is_program == (not line.startswith("%")), line


def test_only_the_plugins_of_cluster_glue_lie_where_the_architecture_says(installed: Path) -> None:
    for name, listed in lines(installed).items():
        is_of_one = any(path_in(line).startswith(LIBDIR) for line in listed)
        section = SPEC.partition(f"\n%package -n {name}\n")[2].partition("\n%description")[0]
        assert is_of_one == ("BuildArch:" not in section), name


def test_a_report_of_sos_calls_our_programs_without_a_shell() -> None:
    """And asks for no key and no token, which a report would carry to others."""
    programs = {one.name for one in runpy.run_path(str(CONTENTS))["PROGRAMS"]}
    text = (tree.ROOT / "rpm" / "pm_kvm_tools.sos").read_text(encoding="utf-8")
    asked = [line for line in text.splitlines() if not line.startswith("#")]
    for line in asked:
        assert re.fullmatch(r"[\w/.: -]+", line), line
        assert line[0] == ":" or line.split()[0] in programs | {"attrd_updater"}, line
    assert not any(settings.STONITH_KEY in line or " token" in line for line in asked)
    assert not any(line == f":{settings.STONITH_KEY.rpartition('/')[0]}" for line in asked)


def test_the_directory_of_the_key_is_roots_alone(installed: Path) -> None:
    directory = settings.STONITH_KEY.rpartition("/")[0]
    assert f"%dir %attr(0700, root, root) {directory}" in lines(installed)["pm_kvm_tools"]
    assert settings.STONITH_KEY not in SPEC


def test_programs_require_the_modules_of_exactly_their_build() -> None:
    assert "%global same_version pm_kvm_tools-common = %{version}-%{release}\n" in SPEC
    for name in NAMES - {"pm_kvm_tools-common"}:
        assert "%{same_version}" in requires(name)
    assert requires("pm_kvm_tools-common") == ["python3 >= 3.9"]


def on_removal(package: str, *, is_debian: bool) -> list[list[str]]:
    """What its script asks pmkvm.pacemaker.removal: refuse or warn, the package, what it holds."""
    if is_debian:
        script = tree.ROOT / "debian" / f"{package.replace('_', '-')}.prerm"
        text, call = script.read_text(encoding="utf-8"), "#REMOVAL# "
    else:
        begin = f"\n%preun -n {package}\n"
        text, call = re.split(r"\n%[a-z]+ ", SPEC.partition(begin)[2])[0], "%{removal} "
    return [one.partition(" ||")[0].split() for one in re.findall(f"{call}(.*)", text)]


@pytest.mark.parametrize("package", sorted(NAMES - {"vm-ctl"}))
def test_a_package_with_an_agent_stays_while_the_cluster_names_it(package: str) -> None:
    """And who takes daemons, or agents of fencing, from a cluster is told so."""
    programs = [one for one in runpy.run_path(str(CONTENTS))["PROGRAMS"] if one.package == package]
    agents = {
        f"ocf:{one.path.split('/')[-2]}:{one.name}" for one in programs if "/ocf/" in one.path
    }
    external = {f"stonith:external/{one.name}" for one in programs if "/external/" in one.path}
    fences = {f"stonith:{one.name}" for one in programs if one.name.startswith("fence_")}
    daemons = {one.path for one in programs if one.main.startswith("daemons.vm_stonithd")}
    asked = {verb: set(held) for verb, _, *held in on_removal(package, is_debian=False)}
    assert "".join(asked) in ("refuse", "warn", "refusewarn")
    if package == "pm_kvm_tools-common":
        # The modules of all.
        assert asked == {"refuse": {"ocf:extra:", "ocf:pacemaker:diskd"}}
    else:
        assert asked.get("refuse", set()) == agents
        assert external | fences | daemons <= asked.get("warn", set()) | agents
    named = package.replace("_", "-")
    of_debian = on_removal(package, is_debian=True)
    assert [[one[0], *one[2:]] for one in of_debian] == [
        [one[0], *one[2:]] for one in on_removal(package, is_debian=False)
    ]
    assert {one[1] for one in of_debian} == {named}


def libraries(module: str) -> set[str]:
    """What it and all that it may load import of others, but the standard library."""
    found: set[str] = set()
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in seen or name in NOT_IN_GUESTS:
            continue
        seen.add(name)
        if name in OURS:
            waiting += OURS[name].imports
        elif name.partition(".")[0] in tree.THIRD_PARTY:
            found.add(name)
    return found


@pytest.mark.parametrize("package", FOR_GUESTS)
def test_a_guest_needs_the_standard_library_alone(package: str) -> None:
    programs = runpy.run_path(str(CONTENTS))["PROGRAMS"]
    modules = [one.main.partition(":")[0] for one in programs if one.package == package]
    assert modules
    assert {module: libraries(module) for module in modules if libraries(module)} == {}
    assert not any("python3-" in line for line in requires(package))


@pytest.mark.parametrize(
    ("module", "library"),
    [
        ("daemons.vm_connectd.hypervisor", "libvirt"),
        ("agents.virtual_domain.agent", "libvirtmod"),
        ("vmctl.main", "libvirtmod"),
        ("daemons.vm_stonithd.main", "cryptography"),
    ],
)
def test_a_library_is_seen(module: str, library: str) -> None:
    assert library in {name.partition(".")[0] for name in libraries(module)}


def test_a_guests_port_is_looked_at_when_the_package_comes() -> None:
    """Else nothing starts before the next boot."""
    debian = tree.ROOT / "debian" / "pm-kvm-tools-guest.postinst"
    rpm = SPEC.partition("\n%post -n pm_kvm_tools-guest\n")[2].partition("\n%preun")[0]
    name = settings.GUEST_PORT.rpartition("/")[2]
    match = f"--subsystem-match=virtio-ports --attr-match=name={name} "
    for script in (rpm, debian.read_text(encoding="utf-8")):
        assert f"udevadm trigger --action=change {match}" in script
        # The rule is known by then.
        assert script.index("udevadm control --reload") < script.index("udevadm trigger")
