# SPDX-License-Identifier: GPL-2.0-or-later
"""The slides' page of the installation as dnf itself does it, and zypper: the archive of
`make repo` unpacked in /tmp, and their line typed there.

The host is a copy of this machine's root that is written to memory; the rest of its distribution
is a second repository with the names of RHEL's packages, or of SUSE's. There is no network, and
/tmp is the test's own.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from pmkvm.run import run
from tests import builds, distribution
from tests.tools import test_packages

if TYPE_CHECKING:
    from pathlib import Path

NEEDED = ("rpmbuild", "dnf", "zypper", "createrepo_c", "gpg")
pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, NEEDED)),
    reason="needs root, rpmbuild, dnf, zypper, createrepo_c and gpg",
)

NAME = "pm_kvm_tools-2.0.0.repo"
ARCHIVE = f"{NAME}.tar.gz"
OURS = "pm_kvm_tools vm-ctl pm_diskd pm_extras"

# The functions add what is not on the page: where the host is, nobody answers, the second
# repository, no file that tells the release.
IN_TMP = f"""\
set -eu
mount --bind "$1" /tmp
mkdir /tmp/host
mount -t tmpfs none /tmp/host
cd /tmp/host
mkdir upper work root
mount -t overlay overlay -o "lowerdir=/,upperdir=/tmp/host/upper,workdir=/tmp/host/work" root
mount -t proc proc root/proc
mount --bind /dev root/dev
host=/tmp/host/root
# Where dnf has rpm's database, and zypper.
database=$(rpm --eval '%_dbpath')
rm -rf "$host$database" $host/var/lib/rpm
rpm() {{ command rpm --root $host --dbpath "$database" "$@"; }}
dnf() {{
    command dnf -y --repofrompath=distribution,/tmp/rhel --setopt=distribution.gpgcheck=0 \\
        --releasever=9 "$@" >>/tmp/said 2>&1
}}
zypper() {{
    command zypper --non-interactive --gpg-auto-import-keys --root $host "$@" >>/tmp/said 2>&1
}}
packages() {{ rpm -qa --qf '%{{NAME}}-%{{VERSION}}-%{{RELEASE}}\\n' | sort; }}
versions() {{ ls $host{test_packages.VERSIONS}; }}
paths() {{ find $host/etc $host/usr -xdev -not -path '*/usr/share/licenses*' | sort; }}
tell() {{ echo "== $1"; }}
# What dnf has read in this second it does not read again.
unread() {{ sleep 2; }}
unpack() {{ tar zxf "$1" -C /tmp; unread; }}
cd /tmp
tar zxf {ARCHIVE}
cd {NAME}
"""
ON_RHEL = f"dnf -c pacemaker.repo --installroot $host install {distribution.NAME}\n"
INSTALL = f"dnf -c pacemaker.repo --installroot $host install {OURS}"

COMES_AND_GOES = f"""\
{ON_RHEL}
paths >/tmp/before
{INSTALL}
tell installed; packages; versions
rpm -Va
chroot $host {test_packages.AGENT} meta-data >/dev/null
chroot $host /usr/sbin/vm-ctl --help >/dev/null
unpack ../release-2/{ARCHIVE}
dnf -c pacemaker.repo --installroot $host upgrade {OURS}
tell upgraded; packages; versions
rpm -Va
unpack ../{ARCHIVE}
dnf -c pacemaker.repo --installroot $host downgrade {OURS}
tell downgraded; packages; versions
rpm -Va
dnf -c pacemaker.repo --installroot $host remove {OURS}
tell removed; packages; paths | diff /tmp/before - || :
"""

OF_2011 = """\
Name: vm-ctl
Version: 1.0
Release: 1.el6
Summary: stands for the vm-ctl of 2011
License: none
BuildArch: noarch
%description
%install
mkdir -p %{buildroot}/etc %{buildroot}/usr/sbin
echo 'vm_cfg_dir="/etc/libvirt/qemu"' >%{buildroot}/etc/vm-ctl.conf
echo '#!/bin/bash' >%{buildroot}/usr/sbin/vm-ctl
%files
%config(noreplace) /etc/vm-ctl.conf
%attr(0755, root, root) /usr/sbin/vm-ctl
"""
OVER_2011 = f"""\
{ON_RHEL}
dnf -c pacemaker.repo --installroot $host install vm-ctl-1.0
echo '# edited' >>$host/etc/vm-ctl.conf
cp $host/etc/vm-ctl.conf /tmp/edited
{INSTALL}
tell installed; packages
cmp $host/etc/vm-ctl.conf /tmp/edited
ls $host/etc/vm-ctl.conf.rpmnew >/dev/null
chroot $host /usr/sbin/vm-ctl --help >/dev/null
"""

IN_A_GUEST = f"""\
{ON_RHEL}
dnf -c pacemaker.repo --installroot $host install pm_kvm_tools-guest
tell installed; packages
rpm -Va
"""

# Who has no key has changed a package, and told of it in the description of the repository.
SIGNED = f"""\
{ON_RHEL}
package=$(echo rpm/vm-ctl-*.rpm)
{{}}
createrepo_c -q /tmp/{NAME}; unread
if {INSTALL}; then tell taken; else tell refused; fi
packages | grep -v gpg-pubkey-
tell why; tail -n 1 /tmp/said
"""
UNTOUCHED = ":"
TAMPERED = (
    "printf x | dd of=$package seek=$(($(stat -c %s $package) - 100)) bs=1 conv=notrunc status=none"
)
UNSIGNED = "rpmsign --delsign $package >/dev/null"
SIGNER = "signer@localhost"

ON_SUSE = f"""\
database=/var/lib/rpm
zypper addrepo --no-gpgcheck /tmp/suse distribution
zypper install {distribution.NAME}
"""
BY_ZYPPER = f"""\
{ON_SUSE}
zypper addrepo --no-gpgcheck /tmp/{NAME} pm_kvm_tools
paths >/tmp/before
zypper install {OURS}
tell installed; packages; versions
zypper install pm_kvm_tools-stonith-glue
rpm -Va
chroot $host {test_packages.AGENT} meta-data >/dev/null
unpack ../release-2/{ARCHIVE}
zypper removerepo pm_kvm_tools
zypper addrepo --no-gpgcheck /tmp/{NAME} pm_kvm_tools
zypper update {OURS}
tell updated; packages; versions
rpm -Va
zypper remove --clean-deps {OURS} pm_kvm_tools-stonith-glue
tell removed; packages; paths | diff /tmp/before - || :
"""
SIGNED_BY_ZYPPER = f"""\
{ON_SUSE}
zypper addrepo /tmp/{NAME} pm_kvm_tools
package=$(echo rpm/vm-ctl-*.rpm)
{{}}
if zypper install {OURS}; then tell taken; else tell refused; fi
packages | grep -v gpg-pubkey-
"""
FORGED = f"{UNSIGNED}; createrepo_c -q /tmp/{NAME}"


def names(release: str) -> list[str]:
    """The packages of the slides' line, and what they need."""
    ours = [f"{name}-2.0.0-{release}" for name in test_packages.HOST]
    return sorted([*ours, f"{distribution.NAME}-1-1"])


def make_repository(source: Path, target: Path, *, home: str = "", key: str = "") -> Path:
    environment = {"SOURCE_DATE_EPOCH": "1600000000", **({"GNUPGHOME": home} if home else {})}
    argv = ["make", "-C", str(source), "repo", f"SIGN_KEY={key}"]
    done = run(argv, timeout_s=300, environment=environment)
    assert done.rc == 0, done.err
    target.mkdir()
    shutil.copy(source / "build" / ARCHIVE, target)
    return target / ARCHIVE


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return builds.copy(tmp_path_factory.mktemp("source") / "1")


@pytest.fixture(scope="module")
def archive(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_repository(source, tmp_path_factory.mktemp("archive") / "1")


@pytest.fixture(scope="module")
def next_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the release that follows."""
    other = builds.next_release(tmp_path_factory.mktemp("next") / "2")
    return make_repository(other, other / "archive")


@pytest.fixture(scope="module")
def signed_archive(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """By a key that nobody has afterwards."""
    home = tmp_path_factory.mktemp("gpg")
    environment = {"GNUPGHOME": str(home)}
    argv = ["gpg", "--batch", "--quiet", "--passphrase", "", "--quick-generate-key"]
    try:
        done = run([*argv, SIGNER, "rsa2048", "sign"], timeout_s=120, environment=environment)
        assert done.rc == 0, done.err
        target = tmp_path_factory.mktemp("archive") / "signed"
        return make_repository(source, target, home=str(home), key=SIGNER)
    finally:
        run(["gpgconf", "--kill", "all"], timeout_s=30, environment=environment)
        shutil.rmtree(home)


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The second repository of each distribution. RHEL's has a package of 2011 too."""
    directory, work = tmp_path_factory.mktemp("others"), tmp_path_factory.mktemp("work")
    for name, packages in {
        "rhel": (
            distribution.package(distribution.RHEL_HOST, work),
            distribution.build(OF_2011, work),
        ),
        "suse": (distribution.package((*distribution.SUSE_HOST, distribution.GLUE), work),),
    }.items():
        repository = directory / name
        repository.mkdir()
        for package in packages:
            shutil.copy(package, repository)
        done = run(["createrepo_c", "-q", str(repository)], timeout_s=60)
        assert done.rc == 0, done.err
    return directory


@pytest.fixture
def tmp(archive: Path, others: Path, tmp_path: Path) -> Path:
    """What is the /tmp of a host, where somebody has put the archive."""
    directory = tmp_path / "tmp"
    directory.mkdir()
    shutil.copy(archive, directory)
    shutil.copytree(others, directory, dirs_exist_ok=True)
    return directory


@pytest.fixture
def tmp_signed(tmp: Path, signed_archive: Path) -> Path:
    """The same with an archive that is signed."""
    shutil.copy(signed_archive, tmp)
    return tmp


@pytest.fixture
def tmp_of_two(tmp: Path, next_archive: Path) -> Path:
    """The same with an archive of the next release beside it."""
    (tmp / "release-2").mkdir()
    shutil.copy(next_archive, tmp / "release-2")
    return tmp


def type_in(tmp: Path, script: str) -> dict[str, list[str]]:
    """What the script tells, line by line, under the names that it gives."""
    options = ("--mount", "--pid", "--fork", "--net", "--propagation", "private")
    done = run(["unshare", *options, "sh", "-c", IN_TMP + script, "sh", str(tmp)], timeout_s=300)
    said = tmp / "said"
    assert done.rc == 0, done.out + done.err + (said.read_text() if said.exists() else "")
    told = done.out.split("== ")[1:]
    return {name: rest.splitlines() for name, _, rest in (one.partition("\n") for one in told)}


def test_the_line_of_the_slides_installs_and_others_upgrade_and_remove(tmp_of_two: Path) -> None:
    assert type_in(tmp_of_two, COMES_AND_GOES) == {
        "installed": [*names("1"), "2.0.0-1"],
        "upgraded": [*names("2"), "2.0.0-2"],
        "downgraded": [*names("1"), "2.0.0-1"],
        "removed": [f"{distribution.NAME}-1-1"],
    }


def test_over_the_vm_ctl_of_2011_an_edited_configuration_stays(tmp: Path) -> None:
    assert type_in(tmp, OVER_2011) == {"installed": names("1")}


def test_a_guest_installs_its_own_half(tmp: Path) -> None:
    ours = [f"{name}-2.0.0-1" for name in test_packages.GUEST]
    assert type_in(tmp, IN_A_GUEST) == {"installed": sorted([*ours, f"{distribution.NAME}-1-1"])}


@pytest.mark.parametrize("change", [TAMPERED, UNSIGNED], ids=["tampered", "unsigned"])
def test_a_package_that_was_changed_after_it_was_signed_is_refused(
    tmp_signed: Path, change: str
) -> None:
    told = type_in(tmp_signed, SIGNED.replace("{}", change))
    assert told["refused"] == [f"{distribution.NAME}-1-1"]
    assert told["why"] == ["Error: GPG check FAILED"]


def test_signed_packages_are_taken(tmp_signed: Path) -> None:
    assert type_in(tmp_signed, SIGNED.replace("{}", UNTOUCHED))["taken"] == names("1")


def test_zypper_installs_updates_and_removes_them(tmp_of_two: Path) -> None:
    glue = ["pm_kvm_tools-stonith-glue-2.0.0-2"]
    assert type_in(tmp_of_two, BY_ZYPPER) == {
        "installed": [*names("1"), "2.0.0-1"],
        "updated": [*sorted([*names("2"), *glue]), "2.0.0-2"],
        "removed": [f"{distribution.NAME}-1-1"],
    }


@pytest.mark.parametrize(
    ("change", "expected"),
    [(UNTOUCHED, {"taken": names("1")}), (FORGED, {"refused": [f"{distribution.NAME}-1-1"]})],
    ids=["untouched", "forged"],
)
def test_zypper_takes_a_signed_archive_as_it_was_signed_alone(
    tmp_signed: Path, change: str, expected: dict[str, list[str]]
) -> None:
    assert type_in(tmp_signed, SIGNED_BY_ZYPPER.replace("{}", change)) == expected
