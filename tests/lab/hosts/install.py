# SPDX-License-Identifier: GPL-2.0-or-later
"""Puts what is tested into hosts by a package manager, as a person would, and into guests."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NamedTuple

from pmkvm.run import run
from tests import distribution
from tests.lab.errors import LabError
from tests.lab.hosts.machine import SHARED
from tests.lab.hosts.process import CHECKOUT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.lab.hosts.machine import Machine

STAGE = ".install"
# What full guests unpack when they boot, in the stage.
OF_GUESTS = f"{STAGE}/guest"
INSTALL_S = 180.0

# As Debian calls them, without a version.
COMMON, FOR_GUESTS, GLUE = "pm-kvm-tools-common", "pm-kvm-tools-guest", "pm-kvm-tools-stonith-glue"
IN_GUESTS = (COMMON, "pm-kvm-tools-connect", FOR_GUESTS, "pm-extras", "pm-diskd", GLUE)


class Flavour(NamedTuple):
    """How hosts come by what is tested. kind: of package, "rpm" or "deb"; left_out: packages of
    ours that they do not get; absent: packages of Debian's that are taken from them first; shell:
    in which the cluster is configured."""

    kind: str
    left_out: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    shell: str = "crm"

    @property
    def directory(self) -> str:
        """Where `make rpm` or `make deb` leaves packages."""
        return os.path.join(CHECKOUT, "build", self.kind)


FLAVOURS = {
    # All that any test needs, at once.
    "everything": Flavour("rpm"),
    "rhel-like": Flavour("rpm", (FOR_GUESTS, GLUE), ("crmsh", "cluster-glue"), "pcs"),
    "debian-like": Flavour("deb", (FOR_GUESTS,)),
}

# rpm knows nothing of what Debian has installed: a package stands for that. Debian 12's rpm wants
# to be asked twice, Debian 13's has no such option.
FORCED = "$(rpm --help | grep -o -- --force-debian || :)"
BY_RPM = f"rpm --dbpath /var/lib/rpm {FORCED} --replacepkgs --oldpackage -U"
# dpkg refuses a program whose modules are not configured yet. No host loses power by surprise.
BY_DPKG = "dpkg --force-unsafe-io -i"


def stage(directory: str, packages: str, flavour: Flavour) -> None:
    """Take the packages of a directory to where all hosts install them from."""
    found = {_name(path): path for path in sorted(Path(packages).glob(f"*.{flavour.kind}"))}
    if COMMON not in found:
        raise LabError(f"no {flavour.kind} of {COMMON} in {packages}")
    place = Path(directory, "shared", STAGE)
    shutil.rmtree(place, ignore_errors=True)
    (place / "packages").mkdir(parents=True)
    (place / "guest").mkdir()
    for name, path in found.items():
        if name not in flavour.left_out:
            shutil.copy(path, place / "packages")
        if name in IN_GUESTS and (name == FOR_GUESTS or name not in flavour.left_out):
            _unpack(path, place / "guest")
    if flavour.kind == "rpm":
        glue = () if GLUE in flavour.left_out else (distribution.GLUE,)
        stands = distribution.package((*distribution.RHEL_HOST, *glue), place)
        shutil.copy(stands, place / "packages")
    (place / "install").write_text(_script(flavour), encoding="utf-8")


def install(host: Machine) -> None:
    """Install what is staged."""
    host.must(["sh", "-e", f"{SHARED}/{STAGE}/install"], timeout_s=INSTALL_S)


def _script(flavour: Flavour) -> str:
    lines = [f"cd {SHARED}/{STAGE}/packages"]
    if flavour.absent:
        lines.append(f"dpkg --force-depends --force-unsafe-io --purge {' '.join(flavour.absent)}")
    if flavour.kind == "rpm":
        lines.append(f"{BY_RPM} ./*.rpm")
    else:
        lines.append(f"{BY_DPKG} ./{COMMON}_*.deb")
        lines.append(f"{BY_DPKG} $(ls ./*.deb | grep -v {COMMON}_)")
    return "\n".join([*lines, ""])


def _name(path: Path) -> str:
    separator, fields = ("-", 2) if path.suffix == ".rpm" else ("_", 2)
    return path.name.rsplit(separator, fields)[0].replace("_", "-")


def _unpack(package: Path, target: Path) -> None:
    if package.suffix == ".deb":
        _must(["dpkg-deb", "-x", str(package), str(target)])
        return
    # rpm2archive writes beside the package; rpm2cpio's binary output would have no way out.
    copy = str(shutil.copy(package, target.parent))
    _must(["rpm2archive", copy])
    _must(["tar", "-xzf", f"{copy}.tgz", "-C", str(target)])
    for path in (copy, f"{copy}.tgz"):
        os.unlink(path)


def _must(argv: list[str]) -> None:
    done = run(argv, timeout_s=120)
    if done.rc != 0:
        raise LabError(f"{' '.join(argv)}: {done.err.strip()}")
