# SPDX-License-Identifier: GPL-2.0-or-later
"""The packages as rpm itself installs, upgrades, downgrades and removes them while programs run.

In a copy of this machine's root that is written to memory and seen by the test's processes alone.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from pmkvm.run import run
from tests import builds, distribution, tree

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("rpmbuild") is None, reason="needs root and rpmbuild"
)

AGENT = "/usr/lib/ocf/resource.d/extra/VirtualDomain"
# Of two packages; each is called in a loop of its own.
CALLED = (AGENT, "/usr/lib/ocf/resource.d/extra/vm-anything")
VERSIONS = "/usr/share/pm_kvm_tools"
# Debian 12's rpm wants to be asked twice, Debian 13's has no such option.
FORCED = (
    shutil.which("rpm") is not None and "--force-debian" in run(["rpm", "--help"], timeout_s=20).out
)
CHOICES = "--nodeps --force-debian" if FORCED else "--nodeps"

# Loads what it may need, and needs it when its version's files are gone. Not by our stub, for
# whose young processes a removal waits.
LASTS = f"""\
import glob, os, sys, time
sys.path[:0] = glob.glob("{VERSIONS}/*-1")
import agents.virtual_domain.actions.migrate_to
from pmkvm import whole
whole.load()
open("/loaded", "w").close()
while not os.path.exists("/over"):
    time.sleep(0.05)
from agents.virtual_domain.options import snapshot
from pmkvm.virt import managed_save
assert not os.path.exists(managed_save.__file__)
open("/lasted", "w").close()
"""

IN_ROOT = """\
set -eu
mount -t tmpfs none "$1"
cd "$1"
mkdir upper work root
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" root
mount -t proc proc root/proc
mount --bind /dev root/dev
cp -r "$2" "$3" "$4" root/tmp/
chroot root sh -eu "/tmp/${4##*/}" "/tmp/${2##*/}" "/tmp/${3##*/}"
"""

SCRIPT = f"""\
rpm() {{ command rpm --dbpath /packages "$@" 2>>/said; }}
calls() {{
    while [ ! -e /over ]; do
        "$1" usage >/dev/null 2>>/errors || echo bad >>/bad
        echo one >>/calls
    done
}}
until_called() {{
    wanted=$(( $(wc -l </calls) + 10 ))
    while [ "$(wc -l </calls)" -lt "$wanted" ]; do sleep .05; done
}}
mkdir /packages
there() {{ find /etc /usr -xdev -not -path /usr/share/licenses | sort; }}
there >/tmp/before
rpm --initdb
rpm -U {CHOICES} "$1"/*.rpm
rpm -Va --nodeps
: >/calls; : >/bad; : >/errors
{"".join(f"calls {program} & " for program in CALLED)}
python3 -I /tmp/lasts.py &
while [ ! -e /loaded ]; do sleep .05; done
for each in 1 2 3; do
    rpm -U {CHOICES} "$2"/*.rpm
    ls {VERSIONS} >>/tmp/versions
    until_called
    rpm -Va --nodeps
    rpm -U --oldpackage {CHOICES} "$1"/*.rpm
    ls {VERSIONS} >>/tmp/versions
    until_called
done
rpm -U {CHOICES} "$2"/*.rpm
touch /over
wait
echo "calls $(wc -l </calls) bad $(wc -l </bad) lasted $(ls /lasted)"
cat /errors
uniq -c /tmp/versions
rpm -e --nodeps $(rpm -qa)
there | diff /tmp/before - || echo "left or lost"
"""

GUEST = ("pm_kvm_tools-common", "pm_kvm_tools-connect", "pm_kvm_tools-guest", "pm_extras")
# The slides' line.
HOST = (
    "pm_kvm_tools-common",
    "pm_kvm_tools-connect",
    "pm_kvm_tools-agents",
    "pm_kvm_tools",
    "vm-ctl",
    "pm_diskd",
    "pm_extras",
)


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return builds.packages(builds.copy(tmp_path_factory.mktemp("source") / "1"), "rpm")


@pytest.fixture(scope="module")
def source_package(packages: Path) -> Path:
    source = packages.parent.parent
    done = run(["make", "-C", str(source), "srpm"], timeout_s=300)
    assert done.rc == 0, done.err
    (built,) = (source / "build" / "srpm").iterdir()
    return built


def assert_programs_go_on(packages: Path, kind: str, script: str, tmp_path: Path) -> None:
    """While these and the next release are installed over each other, as the script does it."""
    old, new = tmp_path / "old", tmp_path / "new"
    shutil.copytree(packages, old)
    shutil.copytree(builds.packages(builds.next_release(tmp_path / "2"), kind), new)
    file = tmp_path / "script"
    file.write_text(f"cat >/tmp/lasts.py <<'END'\n{LASTS}END\n{script}", encoding="utf-8")
    place = tmp_path / "place"
    place.mkdir()
    argv = ["unshare", "--mount", "--pid", "--fork", "--propagation", "private", "sh", "-c"]
    done = run([*argv, IN_ROOT, "sh", *map(str, (place, old, new, file))], timeout_s=600)
    assert done.rc == 0, done.err
    counted, *rest = done.out.splitlines()
    words = counted.split()
    assert words[::2] == ["calls", "bad", "lasted"], done.out
    assert (words[3], words[5]) == ("0", "/lasted"), done.out
    assert int(words[1]) >= 60
    assert [line.split()[1][-2:] for line in rest] == ["-2", "-1"] * 3, done.out


def test_programs_go_on_while_packages_come_and_go(packages: Path, tmp_path: Path) -> None:
    assert_programs_go_on(packages, "rpm", SCRIPT, tmp_path)


def lint(*paths: Path) -> str:
    if shutil.which("rpmlint") is None:
        pytest.skip("no rpmlint here")
    config = tree.ROOT / "rpm" / "rpmlint.toml"
    return run(["rpmlint", "-c", str(config), *map(str, paths)], timeout_s=120).out


def test_rpmlint_has_nothing_to_say(packages: Path) -> None:
    said = lint(*packages.glob("*.rpm"))
    assert " 0 errors, 0 warnings" in said, said


def test_rpmlint_has_nothing_to_say_of_the_source(source_package: Path) -> None:
    said = lint(source_package, tree.ROOT / "rpm" / "pm_kvm_tools.spec")
    assert " 0 errors, 0 warnings" in said, said


def test_manual_pages_are_compressed_and_everything_is_in_one_package(packages: Path) -> None:
    listed = run(["rpm", "-qlp", *map(str, packages.glob("*.rpm"))], timeout_s=120).out.split("\n")
    pages = [path for path in listed if path.startswith("/usr/share/man/")]
    assert pages
    assert all(path.endswith(".gz") for path in pages)
    paths = [path for path in listed if path]
    assert len(paths) == len(set(paths))


def test_the_source_package_has_what_is_built(source_package: Path) -> None:
    inside = run(["rpm", "-qlp", str(source_package)], timeout_s=60).out.split()
    assert inside == ["pm_kvm_tools-2.0.0.tar.gz", "pm_kvm_tools.spec"]


def missing(packages: Path, work: Path, names: tuple[str, ...], has: tuple[str, ...]) -> str:
    """What rpm says is missing for these packages on a distribution that has this."""
    base = distribution.package(has, work)
    ours = [path for name in names for path in packages.glob(f"{name}-2*.rpm")]
    assert len(ours) == len(names)
    choices = ["--test", "--ignorearch", *CHOICES.split()[1:]]
    argv = ["rpm", "--dbpath", str(work / "db"), "-U", *choices, str(base)]
    return run([*argv, *map(str, ours)], timeout_s=120).err.partition("error:")[2]


@pytest.mark.parametrize(
    ("names", "has"),
    [
        (GUEST, distribution.ANY),
        (HOST, distribution.RHEL_HOST),
        (HOST, distribution.SUSE_HOST),
        ((*HOST, "pm_kvm_tools-stonith-glue"), (*distribution.SUSE_HOST, distribution.GLUE)),
    ],
)
def test_each_set_is_whole(
    packages: Path, tmp_path: Path, names: tuple[str, ...], has: tuple[str, ...]
) -> None:
    assert missing(packages, tmp_path, names, has) == ""


@pytest.mark.parametrize(
    ("names", "has", "lacks"),
    [
        (HOST, distribution.HOST, "python3-libvirt"),
        (GUEST, distribution.SLES_15, "python3 >= 3.9"),
        (("pm_diskd",), distribution.ANY, "pm_kvm_tools-common = 2.0.0-1"),
    ],
)
def test_what_is_missing_is_told(
    packages: Path, tmp_path: Path, names: tuple[str, ...], has: tuple[str, ...], lacks: str
) -> None:
    assert lacks in missing(packages, tmp_path, names, has)
