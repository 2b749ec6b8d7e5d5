# SPDX-License-Identifier: GPL-2.0-or-later
"""Stands for the RPM distributions that can't be had here: a package that provides what each has
under its own names."""

from __future__ import annotations

import tempfile
from pathlib import Path

from pmkvm.run import run

NAME = "distribution"

_SPEC = """\
Name: {name}
Version: 1
Release: 1
Summary: stands for a distribution
License: none
BuildArch: noarch
{provides}
%description
%files
"""

# A guest needs no more.
ANY = ("/bin/sh", "/usr/bin/python3", "python3 = 3.9.18", "systemd = 252")
# But for the binding of libvirt, which has a name of its own on each.
HOST = (
    *ANY,
    *("/usr/bin/ssh", "/usr/sbin/cibadmin", "/usr/sbin/crm_resource", "logrotate"),
    *("pacemaker = 2.1.7", "python3-cryptography", "python3-lxml"),
)
RHEL_HOST = (*HOST, "python3-libvirt")
SUSE_HOST = (*HOST, "python3-libvirt-python")
GLUE = "cluster-glue = 1.0.12"
# SLES 15's Python is too old.
SLES_15 = ("/bin/sh", "/usr/bin/python3", "python3 = 3.6.15", "systemd")


def package(has: tuple[str, ...], work: Path) -> Path:
    """The package of a distribution that has this. work: a directory for what is built."""
    provides = "\n".join(f"Provides: {one}" for one in has)
    return build(_SPEC.format(name=NAME, provides=provides), work)


def build(spec: str, work: Path) -> Path:
    """The one package of a spec that needs no sources."""
    top = Path(tempfile.mkdtemp(dir=work))
    path = top / "package.spec"
    path.write_text(spec, encoding="utf-8")
    done = run(["rpmbuild", "-bb", "--define", f"_topdir {top}", str(path)], timeout_s=120)
    assert done.rc == 0, done.err
    (built,) = top.glob("RPMS/*/*.rpm")
    return built
