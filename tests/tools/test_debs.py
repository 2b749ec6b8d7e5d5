# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's packages: what is in them is what the rpms hold, and dpkg itself installs, upgrades,
downgrades and removes them while programs run.

In a copy of this machine's root, as test_packages does it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
from typing import TYPE_CHECKING, NamedTuple

import pytest

from pmkvm.run import run
from tests import builds, tree
from tests.tools import test_packages

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("dh") is None or shutil.which("rpmbuild") is None,
    reason="needs root, debhelper and rpmbuild",
)

VERSIONS = test_packages.VERSIONS
# Each distribution has its own way with these.
DOCUMENTS = ("/usr/share/doc/", "/usr/share/licenses/")

# Stands for all that Debian has.
DISTRIBUTION = """\
Package: distribution
Version: 1
Architecture: all
Maintainer: nobody <nobody@localhost>
Description: stands for a distribution
Provides: cluster-glue, logrotate, openssh-client, pacemaker (= 2.1.5), pacemaker-cli-utils,
 python3 (= 3.11), python3-cryptography, python3-libvirt, python3-lxml, systemd
"""

SCRIPT = f"""\
dpkg() {{ command dpkg --admindir=/packages --force-unsafe-io "$@" >>/said 2>&1; }}
# As apt does: what others pre-depend on is configured before they are unpacked.
install() {{
    dpkg -i "$1"/pm-kvm-tools-common_*.deb
    until_called
    dpkg -i $(ls "$1"/*.deb | grep -v tools-common_)
}}
trap 'cat /said >&2' EXIT
calls() {{
    while [ ! -e /over ]; do
        "$1" usage >/dev/null 2>>/errors || echo bad >>/bad
        echo one >>/calls
    done
}}
until_called() {{
    [ -e /calls ] || return 0
    wanted=$(( $(wc -l </calls) + 10 ))
    while [ "$(wc -l </calls)" -lt "$wanted" ]; do sleep .05; done
}}
there() {{ find /etc /usr -xdev | sort; }}
mkdir -p /packages/info /packages/updates /packages/triggers /distribution/DEBIAN
touch /packages/status /packages/available
there >/tmp/before
cat >/distribution/DEBIAN/control <<'END'
{DISTRIBUTION}END
command dpkg-deb -b /distribution /distribution.deb >/dev/null
dpkg -i /distribution.deb
install "$1"
command dpkg --admindir=/packages --verify
: >/calls; : >/bad; : >/errors
{"".join(f"calls {program} & " for program in test_packages.CALLED)}
python3 -I /tmp/lasts.py &
while [ ! -e /loaded ]; do sleep .05; done
for each in 1 2 3; do
    install "$2"
    ls {VERSIONS} >>/tmp/versions
    until_called
    command dpkg --admindir=/packages --verify
    install "$1"
    ls {VERSIONS} >>/tmp/versions
    until_called
done
install "$2"
touch /over
wait
echo "calls $(wc -l </calls) bad $(wc -l </bad) lasted $(ls /lasted)"
cat /errors
uniq -c /tmp/versions
dpkg -P pm-kvm-tools pm-kvm-tools-guest vm-ctl pm-kvm-tools-stonith-glue pm-diskd pm-extras
dpkg -P pm-kvm-tools-agents pm-kvm-tools-connect
dpkg -P pm-kvm-tools-common
there | diff /tmp/before - || echo "left or lost"
"""


class Held(NamedTuple):
    """What a package has in one place. content: a digest."""

    mode: int
    owner: str
    content: str


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return builds.copy(tmp_path_factory.mktemp("source") / "1")


@pytest.fixture(scope="module")
def debs(source: Path) -> Path:
    return builds.packages(source, "deb")


@pytest.fixture(scope="module")
def rpms(source: Path) -> Path:
    return builds.packages(source, "rpm")


def in_deb(package: Path, work: Path) -> dict[str, Held]:
    tar = work / "content.tar"
    script = 'dpkg-deb --fsys-tarfile "$1" >"$2"'
    done = run(["sh", "-c", script, "sh", str(package), str(tar)], timeout_s=60)
    assert done.rc == 0, done.err
    found = {}
    with tarfile.open(tar) as content:
        for member in content:
            file = content.extractfile(member)
            digest = "" if file is None else hashlib.sha256(file.read()).hexdigest()
            owner = f"{member.uname}:{member.gname}"
            found[member.name.lstrip(".").rstrip("/")] = Held(member.mode, owner, digest)
    return found


def in_rpm(package: Path) -> dict[str, Held]:
    form = r"[%{FILENAMES}\t%{FILEMODES}\t%{FILEUSERNAME}:%{FILEGROUPNAME}\t%{FILEDIGESTS}\n]"
    done = run(["rpm", "-qp", "--qf", form, str(package)], timeout_s=60)
    assert done.rc == 0, done.err
    found = {}
    for line in done.out.splitlines():
        path, mode, owner, digest = line.split("\t")
        found[path] = Held(int(mode) & 0o7777, owner, digest)
    return found


def without_documents(held: dict[str, Held]) -> dict[str, Held]:
    return {path: one for path, one in held.items() if not f"{path}/".startswith(DOCUMENTS)}


def test_each_package_holds_what_the_rpm_does(debs: Path, rpms: Path, tmp_path: Path) -> None:
    by_name = {path.name.partition("_")[0]: path for path in debs.glob("*.deb")}
    assert len(by_name) == len(list(rpms.glob("*.rpm"))) == 9
    for path in rpms.glob("*.rpm"):
        name = path.name.rpartition("-2.0.0-")[0].replace("_", "-")
        rpm = without_documents(in_rpm(path))
        deb = without_documents(in_deb(by_name[name], tmp_path))
        # A deb names each directory that leads to its files.
        above = {one for one in deb if any(other.startswith(f"{one}/") for other in deb)}
        assert deb.keys() - above <= rpm.keys() <= deb.keys(), name
        for place, held in rpm.items():
            is_program = bool(held.mode & 0o100) and held.content != ""
            # Only a stub of Debian's looks for a copy of its modules.
            ours = held if not is_program else held._replace(content=deb[place].content)
            assert deb[place] == ours, (name, place)


def test_the_documents_are_as_their_links_call_them(debs: Path, tmp_path: Path) -> None:
    (package,) = debs.glob("pm-kvm-tools_*.deb")
    held = in_deb(package, tmp_path)
    documents = set(tree.ROOT.joinpath("doc").rglob("*.md"))
    assert documents
    for path in documents:
        assert f"/usr/share/doc/pm-kvm-tools/{path.relative_to(tree.ROOT)}" in held


def test_lintian_has_nothing_to_say(debs: Path) -> None:
    if shutil.which("lintian") is None:
        pytest.skip("no lintian here")
    suppressed = tree.ROOT / "debian" / "lintian-suppressed"
    options = ("--allow-root", "--display-info", "--suppress-tags-from-file", str(suppressed))
    done = run(["lintian", *options, *map(str, debs.glob("*.deb"))], timeout_s=300)
    assert (done.rc, done.out) == (0, ""), done.out + done.err


def test_programs_go_on_while_packages_come_and_go(debs: Path, tmp_path: Path) -> None:
    test_packages.assert_programs_go_on(debs, "deb", SCRIPT, tmp_path)
